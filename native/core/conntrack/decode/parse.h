// Decoding of one ctnetlink message into a Row: one forward pass, every length checked, a malformed
// message is a false return and never more than that.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/conntrack/row.h"

namespace nf::ct {

// `payload` is what follows the nlmsghdr: nfgenmsg and attributes.
bool parse(const std::uint8_t* payload, std::size_t size, Row& row);

// One attribute of a flow's message; also one that a batch has kept as it came.
bool parse_attribute(const Attribute& attribute, Row& row);

// Reads a tuple nest into one direction of the row. Also used for a master tuple and expectations.
bool parse_tuple(const Attribute& nest, Direction direction, Row& row);

}  // namespace nf::ct
