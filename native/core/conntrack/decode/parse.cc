// Decoding of ctnetlink messages. Attribute numbers and payloads: linux/netfilter/
// nfnetlink_conntrack.h and ctnetlink_dump_* in net/netfilter/nf_conntrack_netlink.c.
#include "core/conntrack/decode/parse.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace nf::ct {
namespace {

// Newer than the headers that may be installed (kernel 6.14).
constexpr std::uint16_t kTimestampEvent = 27;

bool parse_ip(const Attribute& nest, Direction direction, Row& row) {
  Address& src = row.address[direction == kOrig ? kOrigSrc : kReplySrc];
  Address& dst = row.address[direction == kOrig ? kOrigDst : kReplyDst];
  AttributeCursor cursor(nest);
  unsigned seen = 0;
  for (Attribute a; cursor.next(a);) {
    switch (a.type) {
      case CTA_IP_V4_SRC:
      case CTA_IP_V4_DST: {
        if (a.size < 4) return false;
        Address& to = a.type == CTA_IP_V4_SRC ? src : dst;
        std::memset(to.bytes + 4, 0, 12);
        std::memcpy(to.bytes, a.data, 4);
        seen |= a.type == CTA_IP_V4_SRC ? 1U : 2U;
        break;
      }
      case CTA_IP_V6_SRC:
      case CTA_IP_V6_DST:
        if (a.size < 16) return false;
        std::memcpy(a.type == CTA_IP_V6_SRC ? src.bytes : dst.bytes, a.data, 16);
        seen |= a.type == CTA_IP_V6_SRC ? 4U : 8U;
        break;
      default:
        break;
    }
  }
  // A tuple needs both addresses, of one family.
  if (!cursor.intact() || (seen != 3U && seen != 12U)) return false;
  return seen == (row.ipv6() ? 12U : 3U);
}

bool parse_protocol(const Attribute& nest, Direction direction, Row& row) {
  std::uint16_t& src = row.port[direction == kOrig ? kOrigSrc : kReplySrc];
  std::uint16_t& dst = row.port[direction == kOrig ? kOrigDst : kReplyDst];
  const std::uint64_t ports = direction == kOrig ? has::origPorts : has::replyPorts;
  const std::uint64_t icmp = direction == kOrig ? has::origIcmp : has::replyIcmp;
  bool number = false;
  AttributeCursor cursor(nest);
  for (Attribute a; cursor.next(a);) {
    switch (a.type) {
      case CTA_PROTO_NUM:
        if (a.size < 1) return false;
        row.protocol = a.u8();
        number = true;
        break;
      case CTA_PROTO_SRC_PORT:
      case CTA_PROTO_DST_PORT:
        if (a.size < 2) return false;
        (a.type == CTA_PROTO_SRC_PORT ? src : dst) = a.be16();
        row.presence |= ports;
        break;
      case CTA_PROTO_ICMP_ID:
      case CTA_PROTO_ICMPV6_ID:
        if (a.size < 2) return false;
        src = a.be16();
        row.presence |= icmp;
        break;
      case CTA_PROTO_ICMP_TYPE:
      case CTA_PROTO_ICMPV6_TYPE:
        if (a.size < 1) return false;
        dst = static_cast<std::uint16_t>((dst & 0xff) | (a.u8() << 8));
        row.presence |= icmp;
        break;
      case CTA_PROTO_ICMP_CODE:
      case CTA_PROTO_ICMPV6_CODE:
        if (a.size < 1) return false;
        dst = static_cast<std::uint16_t>((dst & 0xff00) | a.u8());
        row.presence |= icmp;
        break;
      default:
        break;
    }
  }
  return cursor.intact() && number;
}

bool parse_counters(const Attribute& nest, Direction direction, Row& row) {
  unsigned seen = 0;
  AttributeCursor cursor(nest);
  for (Attribute a; cursor.next(a);) {
    if (a.type != CTA_COUNTERS_PACKETS && a.type != CTA_COUNTERS_BYTES) continue;
    if (a.size < 8) return false;
    const bool bytes = a.type == CTA_COUNTERS_BYTES;
    row.counters[(direction == kOrig ? 0 : 2) + (bytes ? 1 : 0)] = a.be64();
    seen |= bytes ? 2U : 1U;
  }
  if (seen == 3U) row.presence |= direction == kOrig ? has::origCounters : has::replyCounters;
  return cursor.intact();
}

bool parse_tcp(const Attribute& nest, Row& row) {
  unsigned scales = 0;
  unsigned flags = 0;
  AttributeCursor cursor(nest);
  for (Attribute a; cursor.next(a);) {
    if (a.size < 1) continue;
    switch (a.type) {
      case CTA_PROTOINFO_TCP_STATE:
        row.state = a.u8();
        row.presence |= has::state;
        break;
      case CTA_PROTOINFO_TCP_WSCALE_ORIGINAL:
      case CTA_PROTOINFO_TCP_WSCALE_REPLY:
        row.wscale[a.type == CTA_PROTOINFO_TCP_WSCALE_REPLY ? 1 : 0] = a.u8();
        scales |= a.type == CTA_PROTOINFO_TCP_WSCALE_REPLY ? 2U : 1U;
        break;
      case CTA_PROTOINFO_TCP_FLAGS_ORIGINAL:
      case CTA_PROTOINFO_TCP_FLAGS_REPLY:
        // struct nf_ct_tcp_flags { flags, mask }: the mask is for writing only.
        row.tcp_flags[a.type == CTA_PROTOINFO_TCP_FLAGS_REPLY ? 1 : 0] = a.u8();
        flags |= a.type == CTA_PROTOINFO_TCP_FLAGS_REPLY ? 2U : 1U;
        break;
      default:
        break;
    }
  }
  if (scales == 3U) row.presence |= has::tcpWscale;
  if (flags == 3U) row.presence |= has::tcpFlags;
  return cursor.intact();
}

// SCTP and DCCP: the state goes to its column, the rest stays as it came.
bool parse_state(const Attribute& nest, std::uint16_t state_type, Row& row) {
  AttributeCursor cursor(nest);
  for (Attribute a; cursor.next(a);) {
    if (a.type != state_type || a.size < 1) continue;
    row.state = a.u8();
    row.presence |= has::state;
  }
  return cursor.intact();
}

bool parse_protoinfo(const Attribute& nest, Row& row) {
  AttributeCursor cursor(nest);
  for (Attribute a; cursor.next(a);) {
    switch (a.type) {
      case CTA_PROTOINFO_TCP:
        if (!parse_tcp(a, row)) return false;
        break;
      case CTA_PROTOINFO_SCTP:
        if (!parse_state(a, CTA_PROTOINFO_SCTP_STATE, row) || !row.keep(nest)) return false;
        row.presence |= has::sctp;
        break;
      case CTA_PROTOINFO_DCCP:
        if (!parse_state(a, CTA_PROTOINFO_DCCP_STATE, row) || !row.keep(nest)) return false;
        row.presence |= has::dccp;
        break;
      default:
        break;
    }
  }
  return cursor.intact();
}

bool parse_timestamp(const Attribute& nest, Row& row) {
  AttributeCursor cursor(nest);
  for (Attribute a; cursor.next(a);) {
    if (a.type != CTA_TIMESTAMP_START && a.type != CTA_TIMESTAMP_STOP) continue;
    if (a.size < 8) return false;
    if (a.type == CTA_TIMESTAMP_START) {
      row.start = a.be64();
      row.presence |= has::start;
    } else {
      row.stop = a.be64();
      row.presence |= has::stop;
    }
  }
  return cursor.intact();
}

bool parse_help(const Attribute& nest, Row& row) {
  AttributeCursor cursor(nest);
  for (Attribute a; cursor.next(a);) {
    if (a.type == CTA_HELP_NAME) row.helper = a;
    if (a.type == CTA_HELP_INFO) row.presence |= has::helperInfo;
  }
  row.presence |= has::helper;
  return cursor.intact() && row.keep(nest);
}

// Flows made through ctnetlink all have an empty extension: that is no state, and is not kept.
bool parse_synproxy(const Attribute& nest, Row& row) {
  bool used = false;
  for (std::uint16_t i = 0; i < nest.size; i++) {
    const bool payload = i % 8 >= kAttributeHeader;  // three attributes of a header and a be32
    used = used || (payload && nest.data[i] != 0);
  }
  if (!used) return true;
  row.presence |= has::synproxy;
  return row.keep(nest);
}

bool number32(const Attribute& a, std::uint32_t& to, std::uint64_t bit, Row& row) {
  // A zero-length attribute of type STATUS is padding of TIMESTAMP_EVENT on machines without
  // efficient unaligned access (nf_conntrack_netlink.c, ctnetlink_dump_event_timestamp).
  if (a.size == 0) return true;
  if (a.size < 4) return false;
  to = a.be32();
  row.presence |= bit;
  return true;
}

}  // namespace

bool parse_attribute(const Attribute& a, Row& row) {
  switch (a.type) {
    case CTA_TUPLE_ORIG:
      row.presence |= has::orig;
      return parse_tuple(a, kOrig, row);
    case CTA_TUPLE_REPLY:
      row.presence |= has::reply;
      return parse_tuple(a, kReply, row);
    case CTA_STATUS:
      return number32(a, row.status, has::status, row);
    case CTA_PROTOINFO:
      return parse_protoinfo(a, row);
    case CTA_HELP:
      return parse_help(a, row);
    case CTA_TIMEOUT:
      return number32(a, row.timeout, has::timeout, row);
    case CTA_MARK:
      return number32(a, row.mark, has::mark, row);
    case CTA_COUNTERS_ORIG:
      return parse_counters(a, kOrig, row);
    case CTA_COUNTERS_REPLY:
      return parse_counters(a, kReply, row);
    case CTA_USE:
      return number32(a, row.use, has::use, row);
    case CTA_ID:
      if (a.size < 4) return false;
      row.id = a.be32();  // any 32 bits; read as conntrack(8) prints them
      row.presence |= has::id;
      return true;
    case CTA_TUPLE_MASTER:
      row.presence |= has::master;
      return row.keep(a);
    case CTA_SEQ_ADJ_ORIG:
      row.presence |= has::origSeqAdj;
      return row.keep(a);
    case CTA_SEQ_ADJ_REPLY:
      row.presence |= has::replySeqAdj;
      return row.keep(a);
    case CTA_ZONE:
      if (a.size < 2) return false;
      row.zone = a.be16();
      row.presence |= has::zone;
      return true;
    case CTA_SECMARK:  // obsolete, superseded by CTA_SECCTX
      return true;
    case CTA_SECCTX:
      row.presence |= has::secctx;
      return row.keep(a);
    case CTA_TIMESTAMP:
      return parse_timestamp(a, row);
    case CTA_LABELS:
      if (a.size == 0 || a.size % 4 != 0) return false;
      row.labels = a;
      row.presence |= has::labels;
      return row.keep(a);
    case CTA_SYNPROXY:
      return parse_synproxy(a, row);
    case kTimestampEvent:
      if (a.size < 8) return false;
      row.event_time = a.be64();
      row.presence |= has::timestampEvent;
      return true;
    default:
      row.presence |= has::unknown;
      return row.keep(a);
  }
}

bool parse_tuple(const Attribute& nest, Direction direction, Row& row) {
  bool ip = false;
  bool protocol = false;
  AttributeCursor cursor(nest);
  for (Attribute a; cursor.next(a);) {
    switch (a.type) {
      case CTA_TUPLE_IP:
        if (!parse_ip(a, direction, row)) return false;
        ip = true;
        break;
      case CTA_TUPLE_PROTO:
        if (!parse_protocol(a, direction, row)) return false;
        protocol = true;
        break;
      case CTA_TUPLE_ZONE:
        if (a.size < 2) return false;
        row.tuple_zone[direction] = a.be16();
        row.presence |= direction == kOrig ? has::origZone : has::replyZone;
        if (!row.keep(nest)) return false;
        break;
      default:
        break;
    }
  }
  return cursor.intact() && ip && protocol;
}

bool parse(const std::uint8_t* payload, std::size_t size, Row& row) {
  if (size < sizeof(nfgenmsg)) return false;
  row.presence = 0;
  row.id = row.status = row.timeout = row.mark = row.use = 0;
  row.zone = 0;
  row.tuple_zone[0] = row.tuple_zone[1] = 0;
  row.family = payload[0];
  row.protocol = row.state = 0;
  std::memset(row.port, 0, sizeof row.port);
  row.extra_count = 0;
  row.helper.size = 0;
  row.event_time = 0;
  row.own = 0;
  row.portid = 0;
  row.nsid = -1;
  row.event_type = 0;
  if (row.family != AF_INET && row.family != AF_INET6) return false;
  constexpr std::size_t skip = align4(sizeof(nfgenmsg));
  AttributeCursor cursor(payload + skip, size - skip);
  for (Attribute a; cursor.next(a);) {
    if (!parse_attribute(a, row)) return false;
  }
  // Whatever else is missing, a flow has both tuples.
  return cursor.intact() && row.have(has::orig | has::reply);
}

}  // namespace nf::ct
