// Learning and reading of shapes. What is learnt mirrors parse.cc attribute by attribute: a place
// where the two could differ is a place that is not learnt.
#include "core/conntrack/decode/shape.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

namespace nf::ct {
namespace {

// 16 bytes at once, with or without vector registers.
using Lanes = std::uint64_t __attribute__((vector_size(16)));

Lanes load(const std::uint8_t* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

}  // namespace

bool Shape::same_headers(const std::uint8_t* payload) const {
  Lanes differences{};
  const auto compare = [&](std::size_t at) {
    differences |= (load(payload + at) & load(&mask_[at])) ^ load(&want_[at]);
  };
  for (std::size_t at = 0; at + kStep < size_; at += kStep) compare(at);
  compare(size_ - kStep);  // overlaps the one before: nothing is read behind the message
  return (differences[0] | differences[1]) == 0;
}

void Shape::fix(const std::uint8_t* bytes, std::size_t size) {
  const auto at = static_cast<std::size_t>(bytes - begin_);
  std::memset(&mask_[at], 0xff, size);
  std::memcpy(&want_[at], bytes, size);
}

bool Shape::place(unsigned where, const Attribute& a, std::size_t size) {
  if (a.size < size) return false;
  at_[where] = static_cast<std::uint16_t>(a.data - begin_);
  return true;
}

bool Shape::learn_ip(const Attribute& nest, Direction direction) {
  const unsigned src = kAddress + 2U * direction;
  AttributeCursor cursor(nest);
  for (Attribute a; cursor.next(a);) {
    fix_header(a);
    const bool v6 = a.type == CTA_IP_V6_SRC || a.type == CTA_IP_V6_DST;
    const bool v4 = a.type == CTA_IP_V4_SRC || a.type == CTA_IP_V4_DST;
    if (v6 != (family_ == AF_INET6) || v4 == v6) return false;
    const bool is_src = a.type == CTA_IP_V4_SRC || a.type == CTA_IP_V6_SRC;
    if (!place(is_src ? src : src + 1, a, v6 ? 16 : 4)) return false;
  }
  return true;
}

bool Shape::learn_protocol(const Attribute& nest, Direction direction) {
  const unsigned src = kPort + 2U * direction;
  AttributeCursor cursor(nest);
  for (Attribute a; cursor.next(a);) {
    fix_header(a);
    bool placed = false;
    switch (a.type) {
      case CTA_PROTO_NUM:
        placed = place(kProtocol, a, 1);
        break;
      case CTA_PROTO_SRC_PORT:
      case CTA_PROTO_ICMP_ID:
      case CTA_PROTO_ICMPV6_ID:
        placed = at_[src] == 0 && place(src, a, 2);
        break;
      case CTA_PROTO_DST_PORT:
        placed = at_[kIcmpType + direction] == 0 && at_[kIcmpCode + direction] == 0 &&
                 place(src + 1, a, 2);
        break;
      case CTA_PROTO_ICMP_TYPE:
      case CTA_PROTO_ICMPV6_TYPE:
        placed = at_[src + 1] == 0 && place(kIcmpType + direction, a, 1);
        break;
      case CTA_PROTO_ICMP_CODE:
      case CTA_PROTO_ICMPV6_CODE:
        placed = at_[src + 1] == 0 && place(kIcmpCode + direction, a, 1);
        break;
      default:
        break;
    }
    if (!placed) return false;
  }
  return true;
}

bool Shape::learn_tuple(const Attribute& nest, Direction direction) {
  AttributeCursor cursor(nest);
  for (Attribute a; cursor.next(a);) {
    fix_header(a);
    if (a.type == CTA_TUPLE_IP) {
      if (!learn_ip(a, direction)) return false;
    } else if (a.type != CTA_TUPLE_PROTO || !learn_protocol(a, direction)) {
      return false;
    }
  }
  return true;
}

bool Shape::learn_counters(const Attribute& nest, Direction direction) {
  const unsigned first = kCounters + (direction == kOrig ? 0 : 2);
  AttributeCursor cursor(nest);
  for (Attribute a; cursor.next(a);) {
    fix_header(a);
    if (a.type == CTA_COUNTERS_PAD) continue;
    if (a.type != CTA_COUNTERS_PACKETS && a.type != CTA_COUNTERS_BYTES) return false;
    if (!place(first + (a.type == CTA_COUNTERS_BYTES ? 1 : 0), a, 8)) return false;
  }
  return true;
}

bool Shape::learn_tcp(const Attribute& nest) {
  AttributeCursor cursor(nest);
  for (Attribute a; cursor.next(a);) {
    fix_header(a);
    bool placed = false;
    switch (a.type) {
      case CTA_PROTOINFO_TCP_STATE:
        placed = place(kState, a, 1);
        break;
      case CTA_PROTOINFO_TCP_WSCALE_ORIGINAL:
      case CTA_PROTOINFO_TCP_WSCALE_REPLY:
        placed = place(kWscale + (a.type == CTA_PROTOINFO_TCP_WSCALE_REPLY ? 1 : 0), a, 1);
        break;
      case CTA_PROTOINFO_TCP_FLAGS_ORIGINAL:
      case CTA_PROTOINFO_TCP_FLAGS_REPLY:
        placed = place(kTcpFlags + (a.type == CTA_PROTOINFO_TCP_FLAGS_REPLY ? 1 : 0), a, 1);
        break;
      default:
        break;
    }
    if (!placed) return false;
  }
  return true;
}

bool Shape::learn_protoinfo(const Attribute& nest) {
  AttributeCursor cursor(nest);
  for (Attribute a; cursor.next(a);) {
    fix_header(a);
    if (a.type != CTA_PROTOINFO_TCP || !learn_tcp(a)) return false;
  }
  return true;
}

bool Shape::learn_timestamp(const Attribute& nest) {
  AttributeCursor cursor(nest);
  for (Attribute a; cursor.next(a);) {
    fix_header(a);
    if (a.type == CTA_TIMESTAMP_PAD) continue;
    if (a.type != CTA_TIMESTAMP_START && a.type != CTA_TIMESTAMP_STOP) return false;
    if (!place(a.type == CTA_TIMESTAMP_START ? kStart : kStop, a, 8)) return false;
  }
  return true;
}

bool Shape::learn_attribute(const Attribute& a) {
  fix_header(a);
  switch (a.type) {
    case CTA_TUPLE_ORIG:
      return learn_tuple(a, kOrig);
    case CTA_TUPLE_REPLY:
      return learn_tuple(a, kReply);
    case CTA_STATUS:
      return place(kStatus, a, 4);
    case CTA_TIMEOUT:
      return place(kTimeout, a, 4);
    case CTA_MARK:
      return place(kMark, a, 4);
    case CTA_USE:
      return place(kUse, a, 4);
    case CTA_ID:
      return place(kId, a, 4);
    case CTA_ZONE:
      return place(kZone, a, 2);
    case CTA_COUNTERS_ORIG:
      return learn_counters(a, kOrig);
    case CTA_COUNTERS_REPLY:
      return learn_counters(a, kReply);
    case CTA_PROTOINFO:
      return learn_protoinfo(a);
    case CTA_TIMESTAMP:
      return learn_timestamp(a);
    case CTA_SYNPROXY:
      // Only all zeros are "no such state" (parse_synproxy), so they have to stay zeros.
      fix(a.data, a.size);
      return true;
    default:
      return false;
  }
}

bool Shape::learn(const std::uint8_t* payload, std::size_t size, const Row& row) {
  constexpr std::size_t skip = align4(sizeof(nfgenmsg));
  if (size < kStep || size > kLongest || row.extra_count != 0) return false;
  begin_ = payload;
  size_ = size;
  family_ = row.family;
  presence_ = row.presence;
  fix(payload, 1);  // the family
  AttributeCursor cursor(payload + skip, size - skip);
  for (Attribute a; cursor.next(a);) {
    if (!learn_attribute(a)) return false;
  }
  begin_ = nullptr;
  return true;
}

std::uint8_t Shape::number8(const std::uint8_t* payload, unsigned where) const {
  return at_[where] == 0 ? 0 : payload[at_[where]];
}

std::uint16_t Shape::number16(const std::uint8_t* payload, unsigned where) const {
  std::uint16_t value = 0;
  if (at_[where] != 0) std::memcpy(&value, payload + at_[where], sizeof value);
  return ntohs(value);
}

std::uint32_t Shape::number32(const std::uint8_t* payload, unsigned where) const {
  std::uint32_t value = 0;
  if (at_[where] != 0) std::memcpy(&value, payload + at_[where], sizeof value);
  return ntohl(value);
}

std::uint64_t Shape::number64(const std::uint8_t* payload, unsigned where) const {
  std::uint64_t value = 0;
  if (at_[where] != 0) std::memcpy(&value, payload + at_[where], sizeof value);
  return be64toh(value);
}

void Shape::read_address(const std::uint8_t* payload, unsigned side, Row& row) const {
  Address& to = row.address[side];
  const std::uint8_t* from = payload + at_[kAddress + side];
  if (family_ == AF_INET6) {
    std::memcpy(to.bytes, from, sizeof to.bytes);
  } else {
    std::memset(to.bytes, 0, sizeof to.bytes);
    std::memcpy(to.bytes, from, 4);
  }
}

void Shape::read(const std::uint8_t* payload, Row& row) const {
  row.presence = presence_;
  row.family = family_;
  row.status = number32(payload, kStatus);
  row.timeout = number32(payload, kTimeout);
  row.mark = number32(payload, kMark);
  row.use = number32(payload, kUse);
  row.id = number32(payload, kId);
  row.zone = number16(payload, kZone);
  row.protocol = number8(payload, kProtocol);
  row.state = number8(payload, kState);
  for (unsigned side = 0; side < kSides; side++) {
    read_address(payload, side, row);
    row.port[side] = number16(payload, kPort + side);
  }
  if ((presence_ & (has::origIcmp | has::replyIcmp)) != 0) {
    for (const unsigned direction : {0U, 1U}) {
      const unsigned type_code = static_cast<unsigned>(number8(payload, kIcmpType + direction))
                                     << 8 |
                                 number8(payload, kIcmpCode + direction);
      row.port[direction == kOrig ? kOrigDst : kReplyDst] |= static_cast<std::uint16_t>(type_code);
    }
  }
  if ((presence_ & (has::tcpWscale | has::tcpFlags)) != 0) {
    for (const unsigned direction : {0U, 1U}) {
      row.wscale[direction] = number8(payload, kWscale + direction);
      row.tcp_flags[direction] = number8(payload, kTcpFlags + direction);
    }
  }
  if ((presence_ & (has::origCounters | has::replyCounters)) != 0) {
    for (unsigned i = 0; i < 4; i++) row.counters[i] = number64(payload, kCounters + i);
  }
  if ((presence_ & (has::start | has::stop)) != 0) {
    row.start = number64(payload, kStart);
    row.stop = number64(payload, kStop);
  }
  row.tuple_zone[0] = row.tuple_zone[1] = 0;
  row.extra_count = 0;
  row.helper.size = 0;
  row.event_time = 0;
  row.nsid = -1;
  row.event_type = 0;
}

}  // namespace nf::ct
