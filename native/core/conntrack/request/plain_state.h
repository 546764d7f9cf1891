// What a request says of a flow besides its tuples, where that is no more than most flows have:
// zone, timeout, mark, status, and of TCP its state and window scaling. For tables of flows.
//
// It writes the same bytes as library_state.h. It is a second writer for what that buys:
// createMany() of 100,000 flows takes 15 to 20 % less time with it (two slow cores, best rounds).
#pragma once

#include <cstdint>
#include <span>

#include "core/netlink/message.h"

namespace nf::ct {

// Appends the attributes; false, with nothing appended, when the fields hold something else, or of
// TCP only a part: append_library_state is asked then.
bool append_plain_state(std::uint8_t protocol, std::span<const std::uint8_t> fields,
                        MessageBuilder& message);

}  // namespace nf::ct
