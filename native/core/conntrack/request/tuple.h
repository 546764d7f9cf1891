// The one writer of tuples into requests.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/conntrack/schema.h"
#include "core/netlink/message.h"

namespace nf::ct {

// A tuple as it is written: views into memory of the caller's.
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

// Of a packed tuple; views it. Its addresses are those of no family where it names none: callers
// ask `is_whole` first.
Tuple tuple_of(const PackedTuple& packed);
bool is_whole(const PackedTuple& packed);

// Appends the nest `type`: CTA_TUPLE_ORIG, CTA_EXPECT_MASK …
void append_tuple(std::uint16_t type, std::uint8_t family, std::uint8_t protocol,
                  const Tuple& tuple, MessageBuilder& message);
void append_tuple(std::uint16_t type, const PackedTuple& packed, MessageBuilder& message);

}  // namespace nf::ct
