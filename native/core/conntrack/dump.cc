// One dump on one socket.
//
// nlmsg_flags NLM_F_DUMP_INTR is not looked at: ctnetlink never sets it (no sequence is kept for
// its table), so there is nothing it could tell. What a dump guarantees is said in the
// documentation of `dump`: a flow that lives through it all is there at least once.
#include "core/conntrack/dump.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <memory>
#include <optional>
#include <span>
#include <thread>

#include "core/conntrack/decoder.h"
#include "core/guard.h"
#include "core/netlink/message.h"
#include "core/netlink/relay.h"
#include "core/thread.h"

namespace nf::ct {
namespace {

constexpr const char* kOperation = "conntrack dump";

std::uint16_t message_type(List list) {
  std::uint16_t type = IPCTNL_MSG_CT_GET;
  if (list == List::kDying) type = IPCTNL_MSG_CT_GET_DYING;
  if (list == List::kUnconfirmed) type = IPCTNL_MSG_CT_GET_UNCONFIRMED;
  return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type);
}

std::uint32_t send_request(Socket& socket, const DumpRequest& request, const KernelFilter& plan,
                           Result<void>& outcome) {
  MessageBuilder message;
  const std::uint32_t sequence = socket.next_sequence();
  const std::uint8_t family = request.split.family != 0 ? request.split.family : plan.family;
  message.begin(message_type(request.list), NLM_F_REQUEST | NLM_F_DUMP, sequence, family);
  append_kernel_filter(*request.filter, plan, request.split, message);
  message.end();
  outcome = socket.send(message.data(), message.size(), kOperation);
  return sequence;
}

enum class Step : std::uint8_t { kMore, kDone, kStop };

class DumpReader {
 public:
  DumpReader(const DumpRequest& request, RowSink& sink, DumpStats& stats)
      : request_(request), sink_(sink), stats_(stats) {}

  Step datagram(const std::uint8_t* data, std::size_t size, std::uint32_t sequence) {
    MessageWalker walker(data, size);
    for (MessageView message; walker.next(message);) {
      if (message.header->nlmsg_seq != sequence) continue;
      if (message.header->nlmsg_type == NLMSG_DONE || message.header->nlmsg_type == NLMSG_ERROR) {
        const Acknowledgement end = read_acknowledgement(message);
        code = end.code;
        text = end.text;
        return sink_.end_of_chunk() ? Step::kDone : Step::kStop;
      }
      if (message.header->nlmsg_type < NLMSG_MIN_TYPE) continue;
      stats_.messages++;
      if (!decoder_.parse(message.payload, message.size, row_)) {
        stats_.undecodable++;
      } else if (!request_.split.matches(row_) || !request_.filter->matches(row_)) {
        stats_.rejected++;
      } else if (!sink_.add(row_)) {
        return Step::kStop;
      }
    }
    // Bytes that are no message: what was in them is unknown, so it is counted.
    if (!walker.intact()) stats_.undecodable++;
    return sink_.end_of_chunk() ? Step::kMore : Step::kStop;
  }

  int code = 0;
  std::string text;

 private:
  const DumpRequest& request_;
  RowSink& sink_;
  DumpStats& stats_;
  Decoder decoder_;
  Row row_;
};

// The end of a dump, or its refusal, is in this datagram.
bool ends(std::span<const std::uint8_t> datagram, std::uint32_t sequence) {
  MessageWalker walker(datagram.data(), datagram.size());
  for (MessageView message; walker.next(message);) {
    const std::uint16_t type = message.header->nlmsg_type;
    if (message.header->nlmsg_seq == sequence && (type == NLMSG_DONE || type == NLMSG_ERROR)) {
      return true;
    }
  }
  return false;
}

// As many datagrams are decoded by the thread that receives them (6,000 rows or so): what is left
// then is worth a second thread, probably.
constexpr unsigned kAlone = 64;

// Receives the rest of a dump while another thread decodes. Nothing where the system has no thread.
std::optional<Result<void>> receive_ahead(Socket& socket, DumpReader& reader,
                                          std::uint32_t sequence, const Cancel& cancel,
                                          Step& step) {
  Relay relay(kReceiveLength);
  Result<void> decoded;
  const auto decode = [&] {
    decoded = guarded(kOperation, [&]() -> Result<void> {
      for (;;) {
        const auto datagram = relay.next();
        if (datagram.empty()) return {};
        step = reader.datagram(datagram.data(), datagram.size(), sequence);
        if (step != Step::kMore) return {};
        relay.release();
      }
    });
    // Nothing is taken any more, whatever ended it: the other side must not wait for room.
    relay.stop();
  };
  auto thread = Thread::start("ct-decode", decode);
  if (!thread) return std::nullopt;
  const auto outcome = guarded(kOperation, [&]() -> Result<void> {
    for (;;) {
      const auto buffer = relay.free_buffer();
      if (buffer.empty()) return {};
      auto received = socket.receive(buffer, &cancel, kOperation);
      if (!received) return received.error();
      if (*received == 0) continue;
      const bool last = ends(buffer.first(*received), sequence);
      relay.pass(*received);
      if (last) return {};
    }
  });
  relay.close();
  thread->join();
  return outcome ? decoded : outcome;
}

}  // namespace

void DumpStats::add(const DumpStats& other) {
  messages += other.messages;
  undecodable += other.undecodable;
  rejected += other.rejected;
  duplicates += other.duplicates;
  kernel_filter |= other.kernel_filter;
  sockets += other.sockets;
}

Result<void> run_dump(Socket& socket, const DumpRequest& request, const Cancel& cancel,
                      RowSink& sink, DumpStats& stats) {
  KernelFilter plan;
  // The dying list takes no filter (ctnetlink_dump_dying looks at the family only).
  if (request.list == List::kConntrack) {
    plan = plan_kernel_filter(*request.filter);
  } else if (request.filter->family != 0) {
    plan.family = request.filter->family;
    plan.used = kUseFamily;
  }
  const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveLength);
  DumpReader reader(request, sink, stats);
  stats.sockets++;
  for (;;) {
    Result<void> sent;
    const std::uint32_t sequence = send_request(socket, request, plan, sent);
    if (!sent) return sent.error();
    Step step = Step::kMore;
    bool alone = !request.ahead || std::thread::hardware_concurrency() < 2;
    for (unsigned datagrams = 0; step == Step::kMore; datagrams++) {
      if (!alone && datagrams == kAlone) {
        auto rest = receive_ahead(socket, reader, sequence, cancel, step);
        if (rest.has_value() && !*rest) return rest->error();
        if (rest.has_value()) break;
        alone = true;
      }
      auto received = socket.receive({buffer.get(), kReceiveLength}, &cancel, kOperation);
      if (!received) return received.error();
      step = reader.datagram(buffer.get(), *received, sequence);
    }
    if (step == Step::kStop) {
      if (cancel.raised()) return fail(ECANCELED, kOperation, {}, ErrorKind::kCancelled);
      return fail(ENOMEM, kOperation);
    }
    // A kernel that refuses the pre-filter gets the plain request; the rows are tested here anyway.
    const bool refused = reader.code == EOPNOTSUPP || reader.code == EINVAL;
    const bool filtered = plan.used != 0 || request.split.any();
    if (refused && filtered && stats.messages == 0) {
      if (request.split.any()) return fail(reader.code, kOperation, reader.text);
      plan = KernelFilter{};
      continue;
    }
    if (reader.code != 0) return fail(reader.code, kOperation, reader.text);
    stats.kernel_filter |= plan.used;
    if (!sink.finish()) return fail(ENOMEM, kOperation);
    return {};
  }
}

}  // namespace nf::ct
