// Empties the table, as a whole or by the kernel's own filter.
//
// A DELETE without a tuple is a flush (ctnetlink_del_conntrack), and a kernel that does not know a
// filter attribute flushes everything. An empty CTA_FILTER in the request makes a filtered flush
// safe. From 6.12 on (1ef7f50ccc6e) the kernel accepts it and applies the other criteria. From 5.8
// to 6.11 it refuses the request with EOPNOTSUPP and deletes nothing. Before 5.8 it does not know
// the attribute, so nothing is ever sent there. Two probes without side effects tell the three
// cases apart.
#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "core/conntrack/change/bulk.h"
#include "core/netlink/dump.h"
#include "core/operation.h"

namespace nf::ct {
namespace {

constexpr std::uint16_t kGetType = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
constexpr std::uint16_t kDeleteType = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
constexpr std::uint16_t kFilter = 25;          // CTA_FILTER
constexpr std::uint16_t kFilterOrigFlags = 1;  // CTA_FILTER_ORIG_FLAGS
constexpr std::uint16_t kFilterReplyFlags = 2;
constexpr std::uint32_t kNoSuchFlag = 1U << 31;

// From 5.8 on the kernel refuses a dump with a filter flag that does not exist. Before, it is an
// ordinary dump, which is read to its end.
Result<bool> knows_filter(Socket& socket, const Cancel& cancel) {
  MessageBuilder message;
  const std::uint32_t sequence = socket.next_sequence();
  message.begin(kGetType, NLM_F_REQUEST | NLM_F_DUMP, sequence, AF_INET);
  const auto nest = message.open_nest(kFilter);
  message.u32(kFilterOrigFlags, kNoSuchFlag);
  message.u32(kFilterReplyFlags, 0);
  message.close_nest(nest);
  message.end();
  auto answer =
      dump(socket, message, sequence, &cancel, operation::kFlush, [](const MessageView&) {});
  if (!answer) return answer.error();
  if (answer->code() == EPERM) return fail(EPERM, operation::kFlush);
  return answer->code() != 0;
}

// From 6.12 on a flush uses the filter code, which refuses CTA_MARK_MASK without CTA_MARK with
// EINVAL. Before, the kernel refuses CTA_FILTER itself with EOPNOTSUPP. Neither deletes anything.
Result<bool> flushes_by_filter(Socket& socket, const Cancel& cancel) {
  Exchange exchange(socket, &cancel, operation::kFlush);
  auto refusal = request(exchange, [](MessageBuilder& message, std::uint32_t sequence) {
    message.begin(kDeleteType, NLM_F_REQUEST, sequence, AF_UNSPEC, 1);
    message.be32(CTA_MARK_MASK, 1);
    message.close_nest(message.open_nest(kFilter));
    message.end();
  });
  if (!refusal) return refusal.error();
  if (refusal->code == EPERM) return fail(EPERM, operation::kFlush);
  return refusal->code == EINVAL;
}

// Whether all criteria mean the same in a flush as in the filter, wherever both probes pass.
bool only_simple_criteria(const Filter& filter, const KernelFilter& plan) {
  constexpr std::uint32_t simple = kUseFamily | kUseMark | kUseStatus | kUseZone;
  if (plan.used == 0 || (plan.used & ~simple) != 0) return false;
  if (filter.status.has_value() && filter.status->any != 0) return false;
  const bool sides = filter.address[0] || filter.address[1] || filter.address[2] ||
                     filter.address[3] || filter.port[0] || filter.port[1] || filter.port[2] ||
                     filter.port[3];
  const bool icmp = filter.icmp_type[0] || filter.icmp_type[1] || filter.icmp_code[0] ||
                    filter.icmp_code[1] || filter.icmp_id[0] || filter.icmp_id[1];
  if (sides || icmp || filter.protocol_count != 0) return false;
  if (filter.host || filter.any_port || !filter.any.empty() || !filter.excluded.empty()) {
    return false;
  }
  // The kernel also compares the zone of a single direction: those flows have zone 0 here.
  return !filter.zone && !filter.tuple_zone[0] && !filter.tuple_zone[1] && !filter.state &&
         !filter.label && !filter.helper && !filter.nat;
}

}  // namespace

Result<void> flush_all(Socket& socket, const Cancel& cancel) {
  Exchange exchange(socket, &cancel, operation::kFlush);
  auto refusal = request(exchange, [](MessageBuilder& message, std::uint32_t sequence) {
    message.begin(kDeleteType, NLM_F_REQUEST, sequence, AF_UNSPEC);
    message.end();
  });
  if (!refusal) return refusal.error();
  if (refusal->code != 0) return fail(refusal->code, operation::kFlush);
  return {};
}

Result<bool> flush_in_kernel(Socket& socket, const Filter& filter, const Cancel& cancel) {
  const KernelFilter plan = plan_kernel_filter(filter);
  if (!only_simple_criteria(filter, plan)) return false;
  const KernelVersion version = kernel_version();
  if (!version.at_least(5, 8)) return false;
  // Before 5.15 the kernel ignores CTA_STATUS. A distribution may have brought the filtered flush
  // to such a release without it, and both probes pass there.
  if ((plan.used & kUseStatus) != 0 && !version.at_least(5, 15)) return false;
  auto filters = knows_filter(socket, cancel);
  if (!filters) return filters.error();
  if (!*filters) return false;
  auto flushes = flushes_by_filter(socket, cancel);
  if (!flushes) return flushes.error();
  if (!*flushes) return false;

  Exchange exchange(socket, &cancel, operation::kFlush);
  auto refusal = request(exchange, [&](MessageBuilder& message, std::uint32_t sequence) {
    // With version 0 the kernel ignores the family (5.3 and later).
    message.begin(kDeleteType, NLM_F_REQUEST, sequence, plan.family, 1);
    append_kernel_filter(filter, plan, Split{}, message);
    message.close_nest(message.open_nest(kFilter));
    message.end();
  });
  if (!refusal) return refusal.error();
  const int code = refusal->code;
  if (code == EOPNOTSUPP || code == EINVAL) return false;
  if (code != 0) return fail(code, operation::kFlush);
  return true;
}

}  // namespace nf::ct
