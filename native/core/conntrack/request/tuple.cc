// Writes tuples as attributes.
#include "core/conntrack/request/tuple.h"

#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace nf::ct {

bool is_whole(const PackedTuple& packed) {
  return packed.family == AF_INET || packed.family == AF_INET6;
}

Tuple tuple_of(const PackedTuple& packed) {
  const std::size_t size = packed.family == AF_INET6 ? 16 : 4;
  Tuple tuple;
  tuple.src = {packed.src, size};
  tuple.dst = {packed.dst, size};
  if ((packed.flags & kTupleHasPorts) != 0) {
    tuple.src_port = packed.src_port;
    tuple.dst_port = packed.dst_port;
  }
  if ((packed.flags & kTupleHasIcmp) != 0) {
    tuple.icmp_id = packed.icmp_id;
    tuple.icmp_type = packed.icmp_type;
    tuple.icmp_code = packed.icmp_code;
  }
  if ((packed.flags & kTupleHasZone) != 0) tuple.zone = packed.tuple_zone;
  return tuple;
}

void append_tuple(std::uint16_t type, std::uint8_t family, std::uint8_t protocol,
                  const Tuple& tuple, MessageBuilder& message) {
  const bool v6 = family == AF_INET6;
  const auto nest = message.open_nest(type);
  const auto ip = message.open_nest(CTA_TUPLE_IP);
  message.bytes(v6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, tuple.src.data(), tuple.src.size());
  message.bytes(v6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, tuple.dst.data(), tuple.dst.size());
  message.close_nest(ip);
  const auto proto = message.open_nest(CTA_TUPLE_PROTO);
  message.u8(CTA_PROTO_NUM, protocol);
  if (tuple.src_port.has_value()) message.be16(CTA_PROTO_SRC_PORT, *tuple.src_port);
  if (tuple.dst_port.has_value()) message.be16(CTA_PROTO_DST_PORT, *tuple.dst_port);
  const bool icmp6 = protocol == IPPROTO_ICMPV6;
  if (tuple.icmp_id.has_value()) {
    message.be16(icmp6 ? CTA_PROTO_ICMPV6_ID : CTA_PROTO_ICMP_ID, *tuple.icmp_id);
  }
  if (tuple.icmp_type.has_value()) {
    message.u8(icmp6 ? CTA_PROTO_ICMPV6_TYPE : CTA_PROTO_ICMP_TYPE, *tuple.icmp_type);
  }
  if (tuple.icmp_code.has_value()) {
    message.u8(icmp6 ? CTA_PROTO_ICMPV6_CODE : CTA_PROTO_ICMP_CODE, *tuple.icmp_code);
  }
  message.close_nest(proto);
  if (tuple.zone.has_value()) message.be16(CTA_TUPLE_ZONE, *tuple.zone);
  message.close_nest(nest);
}

void append_tuple(std::uint16_t type, const PackedTuple& packed, MessageBuilder& message) {
  append_tuple(type, packed.family, packed.protocol, tuple_of(packed), message);
}

}  // namespace nf::ct
