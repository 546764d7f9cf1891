// The parts of a flow's tuple, as views into the caller's memory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/conntrack/row.h"

namespace nf::ct {

struct Tuple {
  std::span<const std::uint8_t> src;  // 4 or 16 bytes, as the family has it
  std::span<const std::uint8_t> dst;
  std::optional<std::uint16_t> src_port;
  std::optional<std::uint16_t> dst_port;
  std::optional<std::uint8_t> icmp_type;
  std::optional<std::uint8_t> icmp_code;
  std::optional<std::uint16_t> icmp_id;
  std::optional<std::uint16_t> zone;  // of this direction only

  bool given() const { return !src.empty() || !dst.empty(); }
};

// One direction of a row, as views of it.
inline Tuple tuple_of(const Row& row, Direction direction) {
  const bool orig = direction == kOrig;
  const Side src = orig ? kOrigSrc : kReplySrc;
  const Side dst = orig ? kOrigDst : kReplyDst;
  const std::size_t size = row.ipv6() ? 16 : 4;
  Tuple tuple;
  tuple.src = {row.address[src].bytes, size};
  tuple.dst = {row.address[dst].bytes, size};
  if (row.have(orig ? has::origPorts : has::replyPorts)) {
    tuple.src_port = row.port[src];
    tuple.dst_port = row.port[dst];
  }
  if (row.have(orig ? has::origIcmp : has::replyIcmp)) {
    tuple.icmp_id = row.port[src];
    tuple.icmp_type = static_cast<std::uint8_t>(row.port[dst] >> 8);
    tuple.icmp_code = static_cast<std::uint8_t>(row.port[dst] & 0xff);
  }
  if (row.have(orig ? has::origZone : has::replyZone)) tuple.zone = row.tuple_zone[direction];
  return tuple;
}

}  // namespace nf::ct
