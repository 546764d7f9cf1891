// What a kernel of some release does with the filter of a dump or a flush. Written after
// ctnetlink_alloc_filter, ctnetlink_needs_filter, ctnetlink_parse_tuple_filter,
// ctnetlink_filter_match and ctnetlink_del_conntrack in net/netfilter/nf_conntrack_netlink.c of
// these releases, with their errors:
//   5.8   CTA_FILTER, tuples (cb8aa9a3affb). Addresses of IPv6 are compared inverted, up to 6.18.
//         A flush with CTA_FILTER is refused; a DELETE with a tuple does not look at it.
//   5.15  CTA_STATUS, CTA_STATUS_MASK (9344988d2979).
//   5.16  The reply tuple is read with its own flags (ad81d4daf6a3). Before, it is read with those
//         of the original tuple, and what they do not name is 0.
//   6.8   CTA_ZONE (eff3c558bb7e), also 0 (fa173a1b4e3f).
//   6.12  A flush takes CTA_FILTER (1ef7f50ccc6e).
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>

#include "old-kernel.h"

// Newer than the headers that may be installed.
enum { FILTER = 25, STATUS_MASK = 26, ORIG_FLAGS = 1, REPLY_FLAGS = 2 };
enum flag {
  F_SRC = 1 << 0,
  F_DST = 1 << 1,
  F_ZONE = 1 << 2,
  F_PROTOCOL = 1 << 3,
  F_SRC_PORT = 1 << 4,
  F_DST_PORT = 1 << 5,
  F_ICMP_TYPE = 1 << 6,
  F_ICMP_CODE = 1 << 7,
  F_ICMP_ID = 1 << 8,
  F_ICMP6_TYPE = 1 << 9,
  F_ICMP6_CODE = 1 << 10,
  F_ICMP6_ID = 1 << 11,
  F_ALL = (1 << 12) - 1,
  F_OF_PROTOCOL = F_ALL & ~(F_SRC | F_DST | F_ZONE | F_PROTOCOL),
};

#define ATTRIBUTES 32
struct attributes {
  const struct nlattr *at[ATTRIBUTES];
};

static void parse(const void *data, size_t size, struct attributes *found) {
  const uint8_t *at = data;
  memset(found, 0, sizeof *found);
  while (size >= NLA_HDRLEN) {
    const struct nlattr *attribute = (const struct nlattr *)at;
    const size_t length = attribute->nla_len;
    if (length < NLA_HDRLEN || length > size) return;
    const int type = attribute->nla_type & NLA_TYPE_MASK;
    if (type < ATTRIBUTES) found->at[type] = attribute;
    const size_t step = NLA_ALIGN(length);
    if (step >= size) return;
    at += step;
    size -= step;
  }
}

static const void *payload(const struct nlattr *attribute) {
  return (const uint8_t *)attribute + NLA_HDRLEN;
}

static void parse_nest(const struct nlattr *nest, struct attributes *found) {
  memset(found, 0, sizeof *found);
  if (nest != NULL) parse(payload(nest), nest->nla_len - NLA_HDRLEN, found);
}

static void parse_message(const struct nlmsghdr *message, struct attributes *found) {
  const size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));
  memset(found, 0, sizeof *found);
  if (message->nlmsg_len > skip) {
    parse((const uint8_t *)message + skip, message->nlmsg_len - skip, found);
  }
}

static uint8_t u8_of(const struct nlattr *attribute) {
  return attribute == NULL ? 0 : *(const uint8_t *)payload(attribute);
}
static uint16_t be16_of(const struct nlattr *attribute) {
  uint16_t value = 0;
  if (attribute != NULL) memcpy(&value, payload(attribute), sizeof value);
  return ntohs(value);
}
static uint32_t u32_of(const struct nlattr *attribute) {
  uint32_t value = 0;
  if (attribute != NULL) memcpy(&value, payload(attribute), sizeof value);
  return value;
}
static uint32_t be32_of(const struct nlattr *attribute) { return ntohl(u32_of(attribute)); }

static const struct nfgenmsg *generic(const struct nlmsghdr *message) {
  return (const struct nfgenmsg *)((const uint8_t *)message + NLMSG_HDRLEN);
}

// Reads the parts of a tuple that the flags name. Returns an errno.
static int read_tuple(const struct nlattr *nest, uint8_t family, uint32_t flags,
                      struct tuple *tuple) {
  struct attributes parts, ip, protocol;
  memset(tuple, 0, sizeof *tuple);
  tuple->family = family;
  if (family != AF_INET && family != AF_INET6) return EOPNOTSUPP;
  const bool six = family == AF_INET6;
  parse_nest(nest, &parts);
  parse_nest(parts.at[CTA_TUPLE_IP], &ip);
  parse_nest(parts.at[CTA_TUPLE_PROTO], &protocol);
  const struct nlattr *src = ip.at[six ? CTA_IP_V6_SRC : CTA_IP_V4_SRC];
  const struct nlattr *dst = ip.at[six ? CTA_IP_V6_DST : CTA_IP_V4_DST];
  if ((flags & F_SRC) != 0) {
    if (src == NULL) return EINVAL;
    memcpy(tuple->src, payload(src), six ? 16 : 4);
  }
  if ((flags & F_DST) != 0) {
    if (dst == NULL) return EINVAL;
    memcpy(tuple->dst, payload(dst), six ? 16 : 4);
  }
  if ((flags & F_PROTOCOL) == 0) return (flags & F_OF_PROTOCOL) != 0 ? EINVAL : 0;
  if (protocol.at[CTA_PROTO_NUM] == NULL) return EINVAL;
  tuple->protocol = u8_of(protocol.at[CTA_PROTO_NUM]);
  const bool icmp = tuple->protocol == IPPROTO_ICMP;
  if (icmp || tuple->protocol == IPPROTO_ICMPV6) {
    const struct nlattr *type = protocol.at[icmp ? CTA_PROTO_ICMP_TYPE : CTA_PROTO_ICMPV6_TYPE];
    const struct nlattr *code = protocol.at[icmp ? CTA_PROTO_ICMP_CODE : CTA_PROTO_ICMPV6_CODE];
    const struct nlattr *id = protocol.at[icmp ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID];
    if ((flags & (icmp ? F_ICMP_TYPE : F_ICMP6_TYPE)) != 0 && type == NULL) return EINVAL;
    if ((flags & (icmp ? F_ICMP_CODE : F_ICMP6_CODE)) != 0 && code == NULL) return EINVAL;
    if ((flags & (icmp ? F_ICMP_ID : F_ICMP6_ID)) != 0 && id == NULL) return EINVAL;
    if ((flags & (icmp ? F_ICMP_TYPE : F_ICMP6_TYPE)) != 0) tuple->icmp_type = u8_of(type);
    if ((flags & (icmp ? F_ICMP_CODE : F_ICMP6_CODE)) != 0) tuple->icmp_code = u8_of(code);
    if ((flags & (icmp ? F_ICMP_ID : F_ICMP6_ID)) != 0) tuple->src_port = be16_of(id);
    return 0;
  }
  if ((flags & F_SRC_PORT) != 0) {
    if (protocol.at[CTA_PROTO_SRC_PORT] == NULL) return EINVAL;
    tuple->src_port = be16_of(protocol.at[CTA_PROTO_SRC_PORT]);
  }
  if ((flags & F_DST_PORT) != 0) {
    if (protocol.at[CTA_PROTO_DST_PORT] == NULL) return EINVAL;
    tuple->dst_port = be16_of(protocol.at[CTA_PROTO_DST_PORT]);
  }
  return 0;
}

static attribute_set present(const struct attributes *found) {
  attribute_set set = 0;
  for (int type = 0; type < ATTRIBUTES; type++) {
    if (found->at[type] != NULL) set |= 1u << type;
  }
  return set;
}

// Whether a value has bits outside its mask. Nothing matches then.
static bool contradicts(uint32_t value, uint32_t mask) { return (value & ~mask) != 0; }

static int read_mark(const struct attributes *found, struct meaning *meaning) {
  const struct nlattr *mark = found->at[CTA_MARK];
  const struct nlattr *mask = found->at[CTA_MARK_MASK];
  struct filter *filter = &meaning->filter;
  const bool since_5_8 = at_least(5, 8);
  if (lacks("mark")) {
    const bool asked = since_5_8 ? mark != NULL || mask != NULL : mark != NULL && mask != NULL;
    return asked ? EOPNOTSUPP : 0;
  }
  if (mark != NULL && (mask != NULL || since_5_8)) {
    filter->mark = be32_of(mark);
    filter->mark_mask = mask != NULL ? be32_of(mask) : 0xffffffff;
    if (contradicts(filter->mark, filter->mark_mask)) meaning->misread |= 1u << CTA_MARK;
    return 0;
  }
  if (mark != NULL) meaning->ignored |= 1u << CTA_MARK;
  if (mask == NULL) return 0;
  if (since_5_8) return EINVAL;
  meaning->ignored |= 1u << CTA_MARK_MASK;
  return 0;
}

static int read_status(const struct attributes *found, struct meaning *meaning) {
  const struct nlattr *status = found->at[CTA_STATUS];
  const struct nlattr *mask = found->at[STATUS_MASK];
  struct filter *filter = &meaning->filter;
  if (!at_least(5, 15)) {
    meaning->ignored |= meaning->sent & (1u << CTA_STATUS | 1u << STATUS_MASK);
    return 0;
  }
  if (status == NULL) return mask != NULL ? EINVAL : 0;
  filter->status = be32_of(status);
  filter->status_mask = mask != NULL ? be32_of(mask) : filter->status;
  if (contradicts(filter->status, filter->status_mask)) meaning->misread |= 1u << CTA_STATUS;
  return filter->status_mask == 0 ? EINVAL : 0;
}

static int read_zone(const struct attributes *found, struct meaning *meaning) {
  if (found->at[CTA_ZONE] == NULL) return 0;
  // From 5.8 to 6.7 the zone is read with CTA_FILTER, but no row is compared with it.
  const bool read = at_least(6, 8) || (at_least(5, 8) && found->at[FILTER] != NULL);
  if (read && lacks("zones")) return EOPNOTSUPP;
  if (!at_least(6, 8)) {
    meaning->ignored |= 1u << CTA_ZONE;
    return 0;
  }
  meaning->filter.has_zone = true;
  meaning->filter.zone = be16_of(found->at[CTA_ZONE]);
  return 0;
}

static int read_tuples(const struct attributes *found, struct meaning *meaning) {
  struct filter *filter = &meaning->filter;
  const attribute_set tuples = 1u << CTA_TUPLE_ORIG | 1u << CTA_TUPLE_REPLY;
  if (found->at[FILTER] == NULL || !at_least(5, 8)) {
    meaning->ignored |= meaning->sent & (tuples | 1u << FILTER);
    return 0;
  }
  struct attributes flags;
  parse_nest(found->at[FILTER], &flags);
  filter->orig_flags = u32_of(flags.at[ORIG_FLAGS]);
  filter->reply_flags = u32_of(flags.at[REPLY_FLAGS]);
  // Later kernels say EINVAL (a mask in the policy).
  if (((filter->orig_flags | filter->reply_flags) & ~(uint32_t)F_ALL) != 0) return EOPNOTSUPP;
  if (filter->orig_flags != 0) {
    if (found->at[CTA_TUPLE_ORIG] == NULL) return EINVAL;
    const int code =
        read_tuple(found->at[CTA_TUPLE_ORIG], filter->family, filter->orig_flags, &filter->orig);
    if (code != 0) return code;
  } else {
    meaning->ignored |= meaning->sent & 1u << CTA_TUPLE_ORIG;
  }
  if (filter->reply_flags != 0) {
    if (found->at[CTA_TUPLE_REPLY] == NULL) return EINVAL;
    const uint32_t read_with = at_least(5, 16) ? filter->reply_flags : filter->orig_flags;
    if ((filter->reply_flags & ~read_with) != 0) meaning->misread |= 1u << CTA_TUPLE_REPLY;
    const int code =
        read_tuple(found->at[CTA_TUPLE_REPLY], filter->family, read_with, &filter->reply);
    if (code != 0) return code;
  } else {
    meaning->ignored |= meaning->sent & 1u << CTA_TUPLE_REPLY;
  }
  if (filter->family == AF_INET6) {
    if ((filter->orig_flags & (F_SRC | F_DST)) != 0) meaning->misread |= 1u << CTA_TUPLE_ORIG;
    if ((filter->reply_flags & (F_SRC | F_DST)) != 0) meaning->misread |= 1u << CTA_TUPLE_REPLY;
  }
  return 0;
}

// Whether the kernel makes a filter at all. Otherwise it looks at no attribute.
static bool needs_filter(const struct attributes *found, uint8_t family) {
  const bool mark = found->at[CTA_MARK] != NULL;
  if (family != 0) return true;
  if (!at_least(5, 8)) return mark && found->at[CTA_MARK_MASK] != NULL;
  if (mark || found->at[FILTER] != NULL) return true;
  if (found->at[CTA_STATUS] != NULL && at_least(5, 15)) return true;
  return found->at[CTA_ZONE] != NULL && at_least(6, 8);
}

static void understand(const struct attributes *found, uint8_t family, struct meaning *meaning) {
  memset(meaning, 0, sizeof *meaning);
  meaning->sent = present(found);
  meaning->filter.family = family;
  if (!needs_filter(found, family)) {
    meaning->ignored = meaning->sent;
    return;
  }
  int (*const steps[])(const struct attributes *, struct meaning *) = {read_mark, read_status,
                                                                       read_zone, read_tuples};
  for (size_t i = 0; i < sizeof steps / sizeof *steps && meaning->refused == 0; i++) {
    meaning->refused = steps[i](found, meaning);
  }
}

void understand_dump(const struct nlmsghdr *request, struct meaning *meaning) {
  struct attributes found;
  parse_message(request, &found);
  understand(&found, generic(request)->nfgen_family, meaning);
}

void understand_flush(const struct nlmsghdr *request, struct meaning *meaning) {
  struct attributes found;
  parse_message(request, &found);
  const bool filter = found.at[FILTER] != NULL;
  // Since 5.3 the family of a flush counts only with a version (or with CTA_FILTER, where a flush
  // takes it).
  const bool family_counts =
      !at_least(5, 3) || generic(request)->version != 0 || (filter && flushes_by_filter());
  const uint8_t family = family_counts ? generic(request)->nfgen_family : AF_UNSPEC;
  understand(&found, family, meaning);
  if (filter && at_least(5, 8) && !flushes_by_filter()) {
    meaning->refused = EOPNOTSUPP;
    meaning->ignored = 0;
    meaning->misread = 0;
  }
}

bool is_flush(const struct nlmsghdr *request) {
  struct attributes found;
  parse_message(request, &found);
  if (found.at[FILTER] != NULL && flushes_by_filter()) return true;
  return found.at[CTA_TUPLE_ORIG] == NULL && found.at[CTA_TUPLE_REPLY] == NULL;
}

bool ignores_filter(const struct nlmsghdr *request, struct meaning *meaning) {
  struct attributes found;
  parse_message(request, &found);
  memset(meaning, 0, sizeof *meaning);
  meaning->sent = present(&found);
  meaning->ignored = meaning->sent & 1u << FILTER;
  return meaning->ignored != 0;
}

static void row_tuple(const struct nlattr *nest, uint8_t family, struct tuple *tuple,
                      uint16_t *zone) {
  struct attributes parts, protocol;
  parse_nest(nest, &parts);
  parse_nest(parts.at[CTA_TUPLE_PROTO], &protocol);
  uint32_t flags = F_SRC | F_DST | F_PROTOCOL;
  if (protocol.at[CTA_PROTO_SRC_PORT] != NULL) flags |= F_SRC_PORT | F_DST_PORT;
  if (protocol.at[CTA_PROTO_ICMP_ID] != NULL) flags |= F_ICMP_TYPE | F_ICMP_CODE | F_ICMP_ID;
  if (protocol.at[CTA_PROTO_ICMPV6_ID] != NULL) flags |= F_ICMP6_TYPE | F_ICMP6_CODE | F_ICMP6_ID;
  read_tuple(nest, family, flags, tuple);
  if (parts.at[CTA_TUPLE_ZONE] != NULL) *zone = be16_of(parts.at[CTA_TUPLE_ZONE]);
}

static bool tuple_matches(const struct tuple *wanted, const struct tuple *row, uint32_t flags) {
  const bool six = wanted->family == AF_INET6;
  const size_t size = six ? 16 : 4;
  const bool src = memcmp(wanted->src, row->src, size) == 0;
  const bool dst = memcmp(wanted->dst, row->dst, size) == 0;
  // IPv6 is compared the wrong way round.
  if ((flags & F_SRC) != 0 && src == six) return false;
  if ((flags & F_DST) != 0 && dst == six) return false;
  if ((flags & F_PROTOCOL) != 0 && wanted->protocol != row->protocol) return false;
  const bool type = wanted->icmp_type == row->icmp_type;
  const bool code = wanted->icmp_code == row->icmp_code;
  const bool first = wanted->src_port == row->src_port;
  switch (row->protocol) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
      if ((flags & F_SRC_PORT) != 0 && !first) return false;
      return (flags & F_DST_PORT) == 0 || wanted->dst_port == row->dst_port;
    case IPPROTO_ICMP:
      if ((flags & F_ICMP_TYPE) != 0 && !type) return false;
      if ((flags & F_ICMP_CODE) != 0 && !code) return false;
      return (flags & F_ICMP_ID) == 0 || first;
    case IPPROTO_ICMPV6:
      if ((flags & F_ICMP6_TYPE) != 0 && !type) return false;
      if ((flags & F_ICMP6_CODE) != 0 && !code) return false;
      return (flags & F_ICMP6_ID) == 0 || first;
    default:
      return true;
  }
}

bool matches(const struct filter *filter, const struct nlmsghdr *row) {
  struct attributes found;
  struct tuple orig, reply;
  parse_message(row, &found);
  const uint8_t family = generic(row)->nfgen_family;
  // A flow has one zone, for both directions or for one of them (nf_ct_zone_equal_any).
  uint16_t zone = be16_of(found.at[CTA_ZONE]);
  row_tuple(found.at[CTA_TUPLE_ORIG], family, &orig, &zone);
  row_tuple(found.at[CTA_TUPLE_REPLY], family, &reply, &zone);
  if (filter->family != 0 && family != filter->family) return false;
  if (filter->has_zone && zone != filter->zone) return false;
  if (filter->orig_flags != 0 && !tuple_matches(&filter->orig, &orig, filter->orig_flags)) {
    return false;
  }
  if (filter->reply_flags != 0 && !tuple_matches(&filter->reply, &reply, filter->reply_flags)) {
    return false;
  }
  if ((be32_of(found.at[CTA_MARK]) & filter->mark_mask) != filter->mark) return false;
  return (be32_of(found.at[CTA_STATUS]) & filter->status_mask) == filter->status;
}

void remove_attribute(struct nlmsghdr *message, int type) {
  struct attributes found;
  parse_message(message, &found);
  uint8_t *at = (uint8_t *)found.at[type];
  if (at == NULL) return;
  const uint8_t *end = (uint8_t *)message + message->nlmsg_len;
  const uint8_t *next = at + NLA_ALIGN(found.at[type]->nla_len);
  const size_t rest = next < end ? (size_t)(end - next) : 0;
  message->nlmsg_len = (uint32_t)(at - (uint8_t *)message + rest);
  memmove(at, next, rest);
}
