// A tuple as TypeScript packs it, at the offsets that scripts/gen-columns.mjs generates from here.
#pragma once

#include <cstdint>

namespace nf::ct {

// A tuple to look up or delete, packed by TypeScript: numbers host order, addresses as bytes.
struct PackedTuple {
  std::uint32_t id;  // CTA_ID as conntrack(8) prints it
  std::uint16_t zone;
  std::uint16_t tuple_zone;
  std::uint16_t src_port;
  std::uint16_t dst_port;
  std::uint16_t icmp_id;
  std::uint8_t icmp_type;
  std::uint8_t icmp_code;
  std::uint8_t family;
  std::uint8_t protocol;
  std::uint8_t flags;  // kTuple… below
  std::uint8_t reserved;
  std::uint8_t src[16];
  std::uint8_t dst[16];
  std::uint32_t start[2];  // of the flow that is meant: nanoseconds, a 64-bit number as in memory
};
static_assert(sizeof(PackedTuple) == 60);

inline constexpr std::uint8_t kTupleReply = 1;  // the reply tuple of the flow, not the original one
inline constexpr std::uint8_t kTupleHasId = 2;
inline constexpr std::uint8_t kTupleHasPorts = 4;
inline constexpr std::uint8_t kTupleHasIcmp = 8;
inline constexpr std::uint8_t kTupleHasZone = 16;  // zone of this direction only
inline constexpr std::uint8_t kTupleHasStart = 32;
// `zone` is sent if it is not 0. Otherwise the flow has no zone or zone 0, and nothing is sent.

}  // namespace nf::ct
