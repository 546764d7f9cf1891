// GET by tuple.
#include "core/conntrack/dump/lookup.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "core/conntrack/decode/parse.h"
#include "core/operation.h"

namespace nf::ct {
namespace {

constexpr std::uint16_t kNew = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;

}  // namespace

Result<void> read_flows(Exchange& exchange, TupleVerb verb, std::span<const PackedTuple> tuples,
                        const OnRow& on_row) {
  for (const PackedTuple& tuple : tuples) {
    auto built = append_tuple_request(verb, tuple, exchange.next(), exchange.batch());
    if (!built) return built.error();
  }
  Error refusal;
  Row row;
  auto done = exchange.run(
      [&](std::size_t index, const MessageView& message) {
        if (message.header->nlmsg_type != kNew || index == Exchange::kNoIndex) return;
        on_row(index, parse(message.payload, message.size, row) ? &row : nullptr);
      },
      [&](std::size_t, int code, const std::string& text) {
        if (code != ENOENT && refusal.code == 0) refusal = fail(code, operation::kGet, text);
      });
  if (!done) return done.error();
  if (refusal.code != 0) return refusal;
  return {};
}

Result<LookupResult> look_up(Socket& socket, const Cancel* cancel,
                             std::span<const PackedTuple> tuples, TupleVerb verb) {
  LookupResult result;
  result.columns = Columns(tuples.size());
  result.rows.assign(tuples.size(), kAbsent);
  Exchange exchange(socket, cancel, operation::kGet);
  const std::size_t window = exchange.window(2);
  for (std::size_t at = 0; at < tuples.size(); at += window) {
    bool memory = true;
    auto done = read_flows(exchange, verb, tuples.subspan(at, std::min(window, tuples.size() - at)),
                           [&](std::size_t i, const Row* row) {
                             if (row == nullptr) {
                               result.undecodable++;
                               return;
                             }
                             if (!is_meant(tuples[at + i], *row)) return;
                             const auto place = static_cast<std::int32_t>(result.columns.size());
                             result.rows[at + i] = place;
                             memory = result.columns.append(*row) && memory;
                           });
    if (!done) return done.error();
    if (!memory) return fail(ENOMEM, operation::kGet);
  }
  return result;
}

Result<bool> look_up_one(Socket& socket, const PackedTuple& tuple, MessageBuilder& request,
                         std::span<std::uint8_t> buffer, Row& row) {
  request.clear();
  const std::uint32_t sequence = socket.next_sequence();
  if (auto built = append_tuple_request(TupleVerb::kGet, tuple, sequence, request); !built) {
    return built.error();
  }
  if (auto sent = socket.send(request.data(), request.size(), operation::kGet); !sent) {
    return sent.error();
  }
  for (;;) {
    // The answer is in the queue when send returns: this never waits.
    auto received = socket.receive(buffer, nullptr, operation::kGet);
    if (!received) return received.error();
    MessageWalker walker(buffer.data(), *received);
    for (MessageView message; walker.next(message);) {
      if (message.header->nlmsg_seq != sequence) continue;
      if (message.header->nlmsg_type == NLMSG_ERROR) {
        const Acknowledgement answer = read_acknowledgement(message);
        if (answer.code == ENOENT) return false;
        return fail(answer.code, operation::kGet, answer.text);
      }
      if (message.header->nlmsg_type != kNew) continue;
      if (!parse(message.payload, message.size, row)) {
        return fail(EBADMSG, operation::kGet, "malformed answer");
      }
      return true;
    }
    // The answer may have been in this datagram: waiting for another one would block the thread.
    if (!walker.intact()) return fail(EBADMSG, operation::kGet, "malformed datagram");
  }
}

}  // namespace nf::ct
