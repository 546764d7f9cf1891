// One dump on one socket.
//
// The flag NLM_F_DUMP_INTR is ignored. ctnetlink never sets it, because it keeps no sequence for
// its table. The documentation of `dump` says what a dump guarantees: a flow that lives through all
// of it is there at least once.
#include "core/conntrack/dump/dump.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <memory>
#include <optional>
#include <span>
#include <thread>

#include "core/conntrack/decode/parse.h"
#include "core/guard.h"
#include "core/netlink/dump.h"
#include "core/netlink/relay.h"
#include "core/operation.h"
#include "core/thread.h"

namespace nf::ct {
namespace {

std::uint16_t message_type(List list) {
  std::uint16_t type = IPCTNL_MSG_CT_GET;
  if (list == List::kDying) type = IPCTNL_MSG_CT_GET_DYING;
  if (list == List::kUnconfirmed) type = IPCTNL_MSG_CT_GET_UNCONFIRMED;
  return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type);
}

// Takes the datagrams of one dump: decodes, filters, counts, and passes rows on.
class RowReader {
 public:
  RowReader(const DumpRequest& request, std::uint32_t sequence, RowSink& sink, DumpStats& stats)
      : request_(request), sink_(sink), stats_(stats), answer_(sequence) {}

  DumpStep datagram(std::span<const std::uint8_t> bytes) {
    const DumpStep step =
        answer_.datagram(bytes, [&](const MessageView& message) { return add(message); });
    // Nobody knows what was in bytes that are no message, so they are counted.
    if (answer_.take_malformed()) stats_.undecodable++;
    if (step == DumpStep::kStopped) return step;
    return sink_.end_of_chunk() ? step : DumpStep::kStopped;
  }

  const DumpAnswer& answer() const { return answer_; }

 private:
  bool add(const MessageView& message) {
    stats_.messages++;
    if (!parse(message.payload, message.size, row_)) {
      stats_.undecodable++;
      return true;
    }
    if (!request_.split.matches(row_) || !request_.filter->matches(row_)) {
      stats_.rejected++;
      return true;
    }
    return sink_.add(row_);
  }

  const DumpRequest& request_;
  RowSink& sink_;
  DumpStats& stats_;
  DumpAnswer answer_;
  Row row_;
};

// The receiving thread decodes so many datagrams itself (6,000 rows or so). If there are more, the
// rest is probably worth a second thread.
constexpr unsigned kAlone = 64;
constexpr unsigned kAll = ~0U;

// Receives and reads on the calling thread, at most `most` datagrams.
Result<DumpStep> read_alone(Socket& socket, RowReader& reader, const Cancel& cancel,
                            unsigned most) {
  const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveLength);
  DumpStep step = DumpStep::kMore;
  for (unsigned datagrams = 0; step == DumpStep::kMore && datagrams < most; datagrams++) {
    auto received = socket.receive({buffer.get(), kReceiveLength}, &cancel, operation::kDump);
    if (!received) return received.error();
    step = reader.datagram({buffer.get(), *received});
  }
  return step;
}

// Receives while another thread reads. Returns nothing if the system has no thread.
std::optional<Result<DumpStep>> read_beside(Socket& socket, RowReader& reader,
                                            const Cancel& cancel) {
  Relay relay(kReceiveLength);
  Result<DumpStep> read = DumpStep::kMore;
  const auto decode = [&] {
    read = guarded(operation::kDump, [&]() -> Result<DumpStep> {
      for (;;) {
        const auto datagram = relay.next();
        if (datagram.empty()) return DumpStep::kMore;
        const DumpStep step = reader.datagram(datagram);
        if (step != DumpStep::kMore) return step;
        relay.release();
      }
    });
    // Whatever ended it, nothing more is taken: the other side must not wait for room.
    relay.stop();
  };
  auto thread = Thread::start("ct-decode", decode);
  if (!thread) return std::nullopt;
  const auto outcome = guarded(operation::kDump, [&]() -> Result<void> {
    const DumpAnswer& answer = reader.answer();
    for (;;) {
      const auto buffer = relay.free_buffer();
      if (buffer.empty()) return {};
      auto received = socket.receive(buffer, &cancel, operation::kDump);
      if (!received) return received.error();
      if (*received == 0) continue;
      const bool last = answer.ends(buffer.first(*received));
      relay.pass(*received);
      if (last) return {};
    }
  });
  relay.close();
  thread->join();
  if (!outcome) return outcome.error();
  return read;
}

// The calling thread reads a small table itself. For a large table it only receives.
Result<DumpStep> read_ahead(Socket& socket, RowReader& reader, const Cancel& cancel) {
  if (std::thread::hardware_concurrency() > 1) {
    auto begun = read_alone(socket, reader, cancel, kAlone);
    if (!begun || *begun != DumpStep::kMore) return begun;
    if (auto rest = read_beside(socket, reader, cancel); rest.has_value()) return *rest;
  }
  return read_alone(socket, reader, cancel, kAll);
}

KernelFilter plan_of(const DumpRequest& request) {
  if (request.list == List::kConntrack) return plan_kernel_filter(*request.filter);
  // The dying list takes no filter (ctnetlink_dump_dying looks at the family only).
  KernelFilter plan;
  if (request.filter->family != 0) {
    plan.family = request.filter->family;
    plan.used = kUseFamily;
  }
  return plan;
}

Result<std::uint32_t> send_request(Socket& socket, const DumpRequest& request,
                                   const KernelFilter& plan) {
  MessageBuilder message;
  const std::uint32_t sequence = socket.next_sequence();
  const std::uint8_t family = request.split.family != 0 ? request.split.family : plan.family;
  message.begin(message_type(request.list), NLM_F_REQUEST | NLM_F_DUMP, sequence, family);
  append_kernel_filter(*request.filter, plan, request.split, message);
  message.end();
  if (auto sent = socket.send(message.data(), message.size(), operation::kDump); !sent) {
    return sent.error();
  }
  return sequence;
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
  KernelFilter plan = plan_of(request);
  stats.sockets++;
  for (;;) {
    auto sequence = send_request(socket, request, plan);
    if (!sequence) return sequence.error();
    RowReader reader(request, *sequence, sink, stats);
    auto step = request.ahead ? read_ahead(socket, reader, cancel)
                              : read_alone(socket, reader, cancel, kAll);
    if (!step) return step.error();
    if (*step == DumpStep::kStopped) {
      if (cancel.raised()) return fail(ECANCELED, operation::kDump, {}, ErrorKind::kCancelled);
      return fail(ENOMEM, operation::kDump);
    }
    const int code = reader.answer().code();
    // If a kernel refuses the pre-filter, it gets the request without it: the rows are tested
    // anyway. It never refuses the split, which is made of what its rows have: a kernel without
    // marks (CONFIG_NF_CONNTRACK_MARK) sends none.
    const bool refused = code == EOPNOTSUPP || code == EINVAL;
    if (refused && plan.used != 0 && stats.messages == 0) {
      plan = KernelFilter{};
      continue;
    }
    if (code != 0) return fail(code, operation::kDump, reader.answer().text());
    stats.kernel_filter |= applied_by_release(plan.used);
    if (!sink.finish()) return fail(ENOMEM, operation::kDump);
    return {};
  }
}

}  // namespace nf::ct
