// One decoded conntrack message, on the stack between parser, filter and columns. Views point into
// the receive buffer and live as long as it does.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/conntrack/schema.h"
#include "core/netlink/attribute.h"

namespace nf::ct {

// The address columns' order: original source and destination, reply source and destination.
enum Side : std::uint8_t { kOrigSrc, kOrigDst, kReplySrc, kReplyDst, kSides };
enum Direction : std::uint8_t { kOrig, kReply };

union Address {
  std::uint8_t bytes[16];
  std::uint32_t words[4];  // network order
};

struct Row {
  // At most: helper, labels, secctx, two seqadj, synproxy, master, protoinfo, two tuples with a
  // zone, and a few attributes that this build does not know.
  static constexpr int kMaxExtra = 16;

  std::uint32_t presence;
  std::uint32_t id;
  std::uint32_t status;
  std::uint32_t timeout;
  std::uint32_t mark;
  std::uint32_t use;
  Address address[kSides];
  std::uint16_t port[kSides];  // ICMP: [src] the id, [dst] type << 8 | code
  std::uint16_t zone;
  std::uint16_t tuple_zone[2];
  std::uint8_t family;
  std::uint8_t protocol;
  std::uint8_t state;
  std::uint8_t wscale[2];
  std::uint8_t tcp_flags[2];
  std::uint8_t event_type;
  std::int32_t nsid;
  std::uint64_t counters[4];  // original packets, bytes; reply packets, bytes
  std::uint64_t start;
  std::uint64_t stop;
  std::uint64_t event_time;
  // Attributes kept as the kernel sent them, header included, for the columns' side buffer.
  int extra_count;
  Attribute extra[kMaxExtra];
  Attribute labels;
  Attribute helper;  // CTA_HELP_NAME

  bool have(std::uint32_t bits) const { return (presence & bits) == bits; }
  bool ipv6() const { return family == 10; }
  // Attributes that did not fit into `extra` make the row undecodable; never dropped unseen.
  bool keep(const Attribute& attribute) {
    if (extra_count == kMaxExtra) return false;
    extra[extra_count++] = attribute;
    return true;
  }
};

}  // namespace nf::ct
