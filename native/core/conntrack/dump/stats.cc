// GET_STATS and GET_STATS_CPU.
#include "core/conntrack/dump/stats.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "core/netlink/dump.h"
#include "core/netlink/exchange.h"
#include "core/operation.h"

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
  }
  return stats;
}

Result<std::vector<CpuStats>> read_cpus(Socket& socket, const Cancel* cancel, std::uint16_t type,
                                        const char* operation) {
  MessageBuilder message;
  const std::uint32_t sequence = socket.next_sequence();
  message.begin(type, NLM_F_REQUEST | NLM_F_DUMP, sequence, AF_UNSPEC);
  message.end();
  std::vector<CpuStats> result;
  auto answer = dump(socket, message, sequence, cancel, operation,
                     [&](const MessageView& view) { result.push_back(parse_cpu(view)); });
  if (!answer) return answer.error();
  if (answer->code() != 0) return fail(answer->code(), operation, answer->text());
  return result;
}

}  // namespace

Result<TableCount> read_count(Socket& socket, const Cancel* cancel) {
  TableCount count;
  bool answered = false;
  Exchange exchange(socket, cancel, operation::kCount);
  auto refusal = request(
      exchange,
      [](MessageBuilder& message, std::uint32_t sequence) {
        message.begin(type_of(IPCTNL_MSG_CT_GET_STATS), NLM_F_REQUEST, sequence, AF_UNSPEC);
        message.end();
      },
      [&](const MessageView& view) {
        constexpr std::size_t skip = align4(sizeof(nfgenmsg));
        if (view.size < skip) return;
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
      });
  if (!refusal) return refusal.error();
  if (refusal->code != 0) return fail(refusal->code, operation::kCount, refusal->text);
  if (!answered) return fail(EBADMSG, operation::kCount, "no count in the answer");
  return count;
}

Result<std::vector<CpuStats>> read_cpu_stats(Socket& socket, const Cancel* cancel) {
  return read_cpus(socket, cancel, type_of(IPCTNL_MSG_CT_GET_STATS_CPU), operation::kStats);
}

Result<std::vector<CpuStats>> read_expectation_stats(Socket& socket, const Cancel* cancel) {
  constexpr std::uint16_t type = NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_EXP_GET_STATS_CPU;
  return read_cpus(socket, cancel, type, operation::kExpectStats);
}

}  // namespace nf::ct
