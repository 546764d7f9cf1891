// The parts of a request that say which flow and how it is translated: tuples and NAT ranges.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/conntrack/request/tuple.h"
#include "core/netlink/message.h"
#include "core/result.h"

namespace nf::ct {

struct Translation {
  std::span<const std::uint8_t> address;
  std::optional<std::uint16_t> port;
};

// Views into the fields.
struct FlowTuples {
  std::uint8_t family = 0;
  std::uint8_t protocol = 0;
  Tuple orig;
  Tuple reply;
  Tuple master;
  std::optional<std::uint8_t> master_protocol;
  Translation src;
  Translation dst;
};

// Reads packed fields. EINVAL if they do not name a flow.
Result<FlowTuples> read_tuples(std::span<const std::uint8_t> fields);

// Appends CTA_TUPLE_ORIG, _REPLY and _MASTER, CTA_NAT_SRC and _DST, as many as are given.
void append_tuples(const FlowTuples& tuples, MessageBuilder& message);

}  // namespace nf::ct
