// GET_STATS and GET_STATS_CPU.
#include "core/conntrack/stats.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <memory>

#include "core/netlink/exchange.h"

namespace nf::ct {
namespace {

constexpr std::uint16_t kMaxEntries = 2;  // CTA_STATS_GLOBAL_MAX_ENTRIES

std::uint16_t type_of(std::uint16_t message) {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | message);
}

CpuStats parse_cpu(const MessageView& message) {
  CpuStats stats;
  nfgenmsg generic{};
  if (message.size < sizeof generic) return stats;
  std::memcpy(&generic, message.payload, sizeof generic);
  stats.cpu = ntohs(generic.res_id);
  constexpr std::size_t skip = align4(sizeof generic);
  AttributeCursor cursor(message.payload + skip, message.size - skip);
  for (Attribute a; cursor.next(a);) {
    if (a.type >= kCpuCounters || a.size < 4) continue;
    stats.counters[a.type] = a.be32();
    stats.present |= 1U << a.type;
  }
  return stats;
}

}  // namespace

Result<TableCount> read_count(Socket& socket, const Cancel* cancel) {
  constexpr const char* operation = "conntrack count";
  TableCount count;
  bool answered = false;
  Exchange exchange(socket, cancel, operation);
  MessageBuilder message;
  const std::uint32_t sequence = exchange.sequence();
  message.begin(type_of(IPCTNL_MSG_CT_GET_STATS), NLM_F_REQUEST, sequence, AF_UNSPEC);
  message.end();
  Error refusal;
  auto done = exchange.run(
      message, sequence, sequence,
      [&](const MessageView& view) {
        constexpr std::size_t skip = align4(sizeof(nfgenmsg));
        if (view.header->nlmsg_seq != sequence || view.size < skip) return;
        AttributeCursor cursor(view.payload + skip, view.size - skip);
        for (Attribute a; cursor.next(a);) {
          if (a.size < 4) continue;
          if (a.type == CTA_STATS_GLOBAL_ENTRIES) {
            count.entries = a.be32();
            answered = true;
          }
          if (a.type == kMaxEntries) {
            count.max = a.be32();
            count.has_max = true;
          }
        }
      },
      [&](std::uint32_t, int code, const std::string& text) {
        refusal = fail(code, operation, text);
      });
  if (!done) return done.error();
  if (refusal.code != 0) return refusal;
  if (!answered) return fail(EBADMSG, operation, "no count in the answer");
  return count;
}

Result<std::vector<CpuStats>> read_cpu_stats(Socket& socket, const Cancel* cancel) {
  constexpr const char* operation = "conntrack stats";
  MessageBuilder message;
  const std::uint32_t sequence = socket.next_sequence();
  message.begin(type_of(IPCTNL_MSG_CT_GET_STATS_CPU), NLM_F_REQUEST | NLM_F_DUMP, sequence,
                AF_UNSPEC);
  message.end();
  if (auto sent = socket.send(message.data(), message.size(), operation); !sent) {
    return sent.error();
  }
  std::vector<CpuStats> result;
  const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveLength);
  for (;;) {
    auto received = socket.receive({buffer.get(), kReceiveLength}, cancel, operation);
    if (!received) return received.error();
    MessageWalker walker(buffer.get(), *received);
    for (MessageView view; walker.next(view);) {
      if (view.header->nlmsg_seq != sequence) continue;
      if (view.header->nlmsg_type == NLMSG_DONE || view.header->nlmsg_type == NLMSG_ERROR) {
        const Acknowledgement end = read_acknowledgement(view);
        if (end.code != 0) return fail(end.code, operation, end.text);
        return result;
      }
      result.push_back(parse_cpu(view));
    }
    if (!walker.intact()) return fail(EBADMSG, operation, "malformed datagram");
  }
}

}  // namespace nf::ct
