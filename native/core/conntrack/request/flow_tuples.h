// The parts of a request that say which flow and how it is translated: tuples and NAT ranges.
#pragma once

#include <cstdint>
#include <span>

#include "core/netlink/message.h"
#include "core/result.h"

namespace nf::ct {

// Appends CTA_TUPLE_ORIG, _REPLY and _MASTER, CTA_NAT_SRC and _DST, as far as the packed fields
// have them. EINVAL when they do not make a whole tuple; the message is of no use then.
Result<void> append_tuples(std::span<const std::uint8_t> fields, MessageBuilder& message);

}  // namespace nf::ct
