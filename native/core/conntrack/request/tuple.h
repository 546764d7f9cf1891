// The only writer of tuples into requests.
#pragma once

#include <cstdint>

#include "core/conntrack/schema/packed_tuple.h"
#include "core/conntrack/tuple.h"
#include "core/netlink/message.h"

namespace nf::ct {

// The parts of a packed tuple, as views of it. If it names no family, the addresses mean nothing:
// callers ask `is_whole` first.
Tuple tuple_of(const PackedTuple& packed);
bool is_whole(const PackedTuple& packed);

// Appends the nest `type`: CTA_TUPLE_ORIG, CTA_EXPECT_MASK …
void append_tuple(std::uint16_t type, std::uint8_t family, std::uint8_t protocol,
                  const Tuple& tuple, MessageBuilder& message);
void append_tuple(std::uint16_t type, const PackedTuple& packed, MessageBuilder& message);

}  // namespace nf::ct
