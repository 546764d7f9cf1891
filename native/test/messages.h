// Messages as the kernel sends them, for tests: whole flows built with the core's own builder, and
// rows parsed from them. What is built here is checked against the kernel by the differential
// tests.
#pragma once

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <cstdint>
#include <vector>

#include "core/conntrack/decode/parse.h"
#include "core/netlink/message.h"

namespace nf::test {

struct Endpoint {
  std::uint8_t src[16] = {};
  std::uint8_t dst[16] = {};
  std::uint16_t src_port = 0;
  std::uint16_t dst_port = 0;
};

inline Endpoint reversed(const Endpoint& from) {
  Endpoint to;
  std::memcpy(to.src, from.dst, sizeof to.src);
  std::memcpy(to.dst, from.src, sizeof to.dst);
  to.src_port = from.dst_port;
  to.dst_port = from.src_port;
  return to;
}

inline Endpoint endpoint4(std::uint8_t last, std::uint16_t src_port, std::uint16_t dst_port) {
  Endpoint e;
  const std::uint8_t src[] = {10, 0, 0, last};
  const std::uint8_t dst[] = {192, 0, 2, 1};
  std::memcpy(e.src, src, sizeof src);
  std::memcpy(e.dst, dst, sizeof dst);
  e.src_port = src_port;
  e.dst_port = dst_port;
  return e;
}

inline Endpoint endpoint6(std::uint8_t last, std::uint16_t src_port, std::uint16_t dst_port) {
  Endpoint e;
  const std::uint8_t src[] = {0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last};
  const std::uint8_t dst[] = {0xfd, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  std::memcpy(e.src, src, sizeof src);
  std::memcpy(e.dst, dst, sizeof dst);
  e.src_port = src_port;
  e.dst_port = dst_port;
  return e;
}

// One message of the table; attributes may be added before `payload` is asked for.
class FlowMessage {
 public:
  explicit FlowMessage(std::uint8_t family = AF_INET) : family_(family) {
    builder.begin(IPCTNL_MSG_CT_NEW | NFNL_SUBSYS_CTNETLINK << 8, NLM_F_MULTI, 1, family);
  }

  void tuple(std::uint16_t type, std::uint8_t protocol, const Endpoint& e, int zone = -1) {
    const bool v6 = family_ == AF_INET6;
    const auto nest = builder.open_nest(type);
    const auto ip = builder.open_nest(CTA_TUPLE_IP);
    builder.bytes(v6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, e.src, v6 ? 16 : 4);
    builder.bytes(v6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, e.dst, v6 ? 16 : 4);
    builder.close_nest(ip);
    const auto proto = builder.open_nest(CTA_TUPLE_PROTO);
    builder.u8(CTA_PROTO_NUM, protocol);
    if (protocol == IPPROTO_ICMP) {
      builder.be16(CTA_PROTO_ICMP_ID, e.src_port);
      builder.u8(CTA_PROTO_ICMP_TYPE, static_cast<std::uint8_t>(e.dst_port >> 8));
      builder.u8(CTA_PROTO_ICMP_CODE, static_cast<std::uint8_t>(e.dst_port & 0xff));
    } else if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP) {
      builder.be16(CTA_PROTO_SRC_PORT, e.src_port);
      builder.be16(CTA_PROTO_DST_PORT, e.dst_port);
    }
    builder.close_nest(proto);
    if (zone >= 0) builder.be16(CTA_TUPLE_ZONE, static_cast<std::uint16_t>(zone));
    builder.close_nest(nest);
  }

  void tuples(std::uint8_t protocol, const Endpoint& orig) {
    tuple(CTA_TUPLE_ORIG, protocol, orig);
    tuple(CTA_TUPLE_REPLY, protocol, reversed(orig));
  }

  void be64(std::uint16_t type, std::uint64_t value) {
    value = htobe64(value);
    builder.bytes(type, &value, sizeof value);
  }

  void counters(std::uint16_t type, std::uint64_t packets, std::uint64_t bytes) {
    const auto nest = builder.open_nest(type);
    be64(CTA_COUNTERS_PACKETS, packets);
    be64(CTA_COUNTERS_BYTES, bytes);
    builder.close_nest(nest);
  }

  void tcp_state(std::uint8_t state) {
    const auto info = builder.open_nest(CTA_PROTOINFO);
    const auto tcp = builder.open_nest(CTA_PROTOINFO_TCP);
    builder.u8(CTA_PROTOINFO_TCP_STATE, state);
    builder.u8(CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, 7);
    builder.u8(CTA_PROTOINFO_TCP_WSCALE_REPLY, 8);
    const std::uint8_t flags[] = {3, 0};
    builder.bytes(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, flags, sizeof flags);
    builder.bytes(CTA_PROTOINFO_TCP_FLAGS_REPLY, flags, sizeof flags);
    builder.close_nest(tcp);
    builder.close_nest(info);
  }

  // What follows the nlmsghdr, on the heap in its exact size, so that ASan sees a read beyond it.
  std::vector<std::uint8_t> payload() {
    builder.end();
    return {builder.data() + NLMSG_HDRLEN, builder.data() + builder.size()};
  }

  MessageBuilder builder;

 private:
  std::uint8_t family_;
};

inline bool parse(const std::vector<std::uint8_t>& payload, ct::Row& row) {
  return ct::parse(payload.data(), payload.size(), row);
}

// An established TCP connection with everything that a dump row commonly has.
inline FlowMessage tcp_flow(std::uint8_t family = AF_INET, std::uint8_t last = 2) {
  FlowMessage message(family);
  message.tuples(IPPROTO_TCP,
                 family == AF_INET ? endpoint4(last, 40000, 443) : endpoint6(last, 40000, 443));
  message.builder.be32(CTA_STATUS, IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED);
  message.builder.be32(CTA_TIMEOUT, 300);
  message.counters(CTA_COUNTERS_ORIG, 10, 1000);
  message.counters(CTA_COUNTERS_REPLY, 20, 0x123456789abcULL);
  message.tcp_state(TCP_CONNTRACK_ESTABLISHED);
  message.builder.be32(CTA_MARK, 0x2a);
  message.builder.u32(CTA_ID, 0xdeadbeef);
  message.builder.be32(CTA_USE, 1);
  return message;
}

}  // namespace nf::test
