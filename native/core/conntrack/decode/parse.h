// Decodes one ctnetlink message into a Row, in one forward pass that checks every length. A
// malformed message gives false and does no other harm.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/conntrack/row.h"

namespace nf::ct {

// `payload` is what follows the nlmsghdr: nfgenmsg and attributes.
bool parse(const std::uint8_t* payload, std::size_t size, Row& row);

// One attribute of a flow's message, or one that a batch has kept unchanged.
bool parse_attribute(const Attribute& attribute, Row& row);

// Reads a tuple nest into one direction of the row. Also used for a master tuple and expectations.
bool parse_tuple(const Attribute& nest, Direction direction, Row& row);

}  // namespace nf::ct
