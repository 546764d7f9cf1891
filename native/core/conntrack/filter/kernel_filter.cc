// Which parts of a filter the kernel applies to a dump, and their attributes.
//
// Sources: ctnetlink_alloc_filter, ctnetlink_parse_tuple_filter and ctnetlink_filter_match in
// net/netfilter/nf_conntrack_netlink.c. Three traps decide what is never sent:
//  - ctnetlink_filter_match_tuple inverts the comparison of IPv6 addresses: no IPv6 address is
//    sent.
//  - It compares ports for TCP and UDP only. For other protocols it ignores them, which is
//    harmless: they are left out.
//  - Before 5.16 (ad81d4daf6a3) it read the reply tuple with the flags of the original one. What
//    those do not name became 0. Stable kernels have backports that no version number shows safely:
//    reply tuples are sent from 5.16 on only.
// An older kernel ignores an attribute that it does not know, which is fine for a pre-filter. Such
// an attribute is sent anyway, because distributions bring filters to older releases.
#include "core/conntrack/filter/kernel_filter.h"

#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/utsname.h>

#include <cstdio>

namespace nf::ct {
namespace {

// Newer than the headers that may be installed: CTA_FILTER (5.8), CTA_STATUS_MASK (5.15), and the
// bits of CTA_FILTER_ORIG_FLAGS, which are kernel-internal (nf_conntrack_netlink.c).
constexpr std::uint16_t kFilter = 25;
constexpr std::uint16_t kStatusMask = 26;
constexpr std::uint16_t kFilterOrigFlags = 1;
constexpr std::uint16_t kFilterReplyFlags = 2;
enum FilterFlag : std::uint32_t {
  kIpSrc = 1U << 0,
  kIpDst = 1U << 1,
  kProtoNum = 1U << 3,
  kProtoSrcPort = 1U << 4,
  kProtoDstPort = 1U << 5,
  kProtoIcmpType = 1U << 6,
  kProtoIcmpCode = 1U << 7,
  kProtoIcmpId = 1U << 8,
  kProtoIcmp6Type = 1U << 9,
  kProtoIcmp6Code = 1U << 10,
  kProtoIcmp6Id = 1U << 11,
};

// The only IPv4 address of a side that can match.
std::optional<std::uint32_t> exact_v4(const Filter& filter, Side side) {
  const auto& match = filter.address[side];
  if (filter.family != AF_INET || !match.has_value()) return std::nullopt;
  const auto single = match->single();
  if (!single || single->family != AF_INET || single->mask[0] != 0xffffffffU) return std::nullopt;
  return single->value[0];
}

bool exact_port(const Filter& filter, Side side) {
  const int protocol = filter.single_protocol();
  return (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && filter.port[side].has_value() &&
         filter.port[side]->single() >= 0;
}

std::uint16_t exact(const PortMatch& match) { return static_cast<std::uint16_t>(match.single()); }

std::uint32_t icmp_flags(const Filter& filter, int direction) {
  const int protocol = filter.single_protocol();
  const bool v4 = protocol == IPPROTO_ICMP && filter.family == AF_INET;
  const bool v6 = protocol == IPPROTO_ICMPV6 && filter.family == AF_INET6;
  if (!v4 && !v6) return 0;
  std::uint32_t flags = 0;
  if (filter.icmp_type[direction].has_value()) flags |= v4 ? kProtoIcmpType : kProtoIcmp6Type;
  if (filter.icmp_code[direction].has_value()) flags |= v4 ? kProtoIcmpCode : kProtoIcmp6Code;
  if (filter.icmp_id[direction].has_value()) flags |= v4 ? kProtoIcmpId : kProtoIcmp6Id;
  return flags;
}

// The flags of one direction's tuple. 0 if nothing of it can be given to the kernel.
std::uint32_t tuple_flags(const Filter& filter, Direction direction) {
  if (filter.family == 0) return 0;  // EOPNOTSUPP without a family
  const Side src = direction == kOrig ? kOrigSrc : kReplySrc;
  const Side dst = direction == kOrig ? kOrigDst : kReplyDst;
  std::uint32_t flags = icmp_flags(filter, direction);
  if (exact_v4(filter, src).has_value()) flags |= kIpSrc;
  if (exact_v4(filter, dst).has_value()) flags |= kIpDst;
  if (exact_port(filter, src)) flags |= kProtoSrcPort;
  if (exact_port(filter, dst)) flags |= kProtoDstPort;
  // Port and ICMP flags need the protocol. In the original direction it is also useful alone.
  const bool needs_protocol = (flags & ~(kIpSrc | kIpDst)) != 0;
  if (filter.single_protocol() >= 0 && (needs_protocol || direction == kOrig)) flags |= kProtoNum;
  return flags;
}

void append_tuple(const Filter& filter, Direction direction, std::uint32_t flags,
                  MessageBuilder& message) {
  const Side src = direction == kOrig ? kOrigSrc : kReplySrc;
  const Side dst = direction == kOrig ? kOrigDst : kReplyDst;
  const auto tuple = message.open_nest(direction == kOrig ? CTA_TUPLE_ORIG : CTA_TUPLE_REPLY);
  if ((flags & (kIpSrc | kIpDst)) != 0) {
    const auto ip = message.open_nest(CTA_TUPLE_IP);
    if ((flags & kIpSrc) != 0) {
      message.be32(CTA_IP_V4_SRC, exact_v4(filter, src).value_or(0));
    }
    if ((flags & kIpDst) != 0) {
      message.be32(CTA_IP_V4_DST, exact_v4(filter, dst).value_or(0));
    }
    message.close_nest(ip);
  }
  if ((flags & kProtoNum) != 0) {
    const auto proto = message.open_nest(CTA_TUPLE_PROTO);
    message.u8(CTA_PROTO_NUM, static_cast<std::uint8_t>(filter.single_protocol()));
    if ((flags & kProtoSrcPort) != 0) message.be16(CTA_PROTO_SRC_PORT, exact(*filter.port[src]));
    if ((flags & kProtoDstPort) != 0) message.be16(CTA_PROTO_DST_PORT, exact(*filter.port[dst]));
    const bool v4 = filter.family == AF_INET;
    if ((flags & (kProtoIcmpType | kProtoIcmp6Type)) != 0) {
      message.u8(v4 ? CTA_PROTO_ICMP_TYPE : CTA_PROTO_ICMPV6_TYPE, *filter.icmp_type[direction]);
    }
    if ((flags & (kProtoIcmpCode | kProtoIcmp6Code)) != 0) {
      message.u8(v4 ? CTA_PROTO_ICMP_CODE : CTA_PROTO_ICMPV6_CODE, *filter.icmp_code[direction]);
    }
    if ((flags & (kProtoIcmpId | kProtoIcmp6Id)) != 0) {
      message.be16(v4 ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID, *filter.icmp_id[direction]);
    }
    message.close_nest(proto);
  }
  message.close_nest(tuple);
}

}  // namespace

KernelVersion kernel_version() {
  KernelVersion version;
  utsname names{};
  if (::uname(&names) == 0) {
    std::sscanf(names.release, "%d.%d", &version.major, &version.minor);
  }
  return version;
}

std::uint32_t applied_by_release(std::uint32_t used) {
  const KernelVersion version = kernel_version();
  if (!version.at_least(5, 8)) used &= ~std::uint32_t{kUseOrig};     // cb8aa9a3affb
  if (!version.at_least(5, 15)) used &= ~std::uint32_t{kUseStatus};  // 9344988d2979
  if (!version.at_least(6, 8)) used &= ~std::uint32_t{kUseZone};     // eff3c558bb7e
  return used;
}

KernelFilter plan_kernel_filter(const Filter& filter) {
  KernelFilter plan;
  plan.family = filter.family;
  if (filter.family != 0) plan.used |= kUseFamily;
  if (filter.mark.has_value()) plan.used |= kUseMark;
  if (filter.status.has_value() && (filter.status->all | filter.status->none) != 0) {
    plan.used |= kUseStatus;
  }
  // Rows without the attribute have zone 0, also those with a zone for one direction. The kernel
  // would compare that zone.
  if (filter.zone.has_value() && *filter.zone != 0) plan.used |= kUseZone;
  if (tuple_flags(filter, kOrig) != 0) plan.used |= kUseOrig;
  if (tuple_flags(filter, kReply) != 0 && kernel_version().at_least(5, 16)) {
    plan.used |= kUseReply;
  }
  return plan;
}

void append_kernel_filter(const Filter& filter, const KernelFilter& plan, const Split& split,
                          MessageBuilder& message) {
  std::uint32_t mark = split.mark;
  std::uint32_t mark_mask = split.mark_mask;
  if ((plan.used & kUseMark) != 0) {
    mark |= *filter.mark;
    mark_mask |= filter.mark_mask;
  }
  if (mark_mask != 0) {
    message.be32(CTA_MARK, mark);
    message.be32(CTA_MARK_MASK, mark_mask);
  }
  std::uint32_t status = split.status;
  std::uint32_t mask = split.status_mask;
  if ((plan.used & kUseStatus) != 0) {
    status |= filter.status->all;
    mask |= filter.status->all | filter.status->none;
  }
  if (mask != 0) {
    message.be32(CTA_STATUS, status);
    message.be32(kStatusMask, mask);
  }
  if ((plan.used & kUseZone) != 0) message.be16(CTA_ZONE, *filter.zone);
  const std::uint32_t orig = (plan.used & kUseOrig) != 0 ? tuple_flags(filter, kOrig) : 0;
  const std::uint32_t reply = (plan.used & kUseReply) != 0 ? tuple_flags(filter, kReply) : 0;
  if (orig != 0) append_tuple(filter, kOrig, orig, message);
  if (reply != 0) append_tuple(filter, kReply, reply, message);
  if ((orig | reply) != 0) {
    const auto nest = message.open_nest(kFilter);
    message.u32(kFilterOrigFlags, orig);
    message.u32(kFilterReplyFlags, reply);
    message.close_nest(nest);
  }
}

}  // namespace nf::ct
