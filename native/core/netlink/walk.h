// Sends one dump request and reads all of its answers. Starts again as long as the kernel says that
// its list has changed meanwhile. Knows nothing of what the messages mean.
#pragma once

#include <cstdint>
#include <functional>

#include "core/netlink/message.h"
#include "core/netlink/socket.h"

namespace nf {

struct WalkRequest {
  std::uint16_t type = 0;   // NFNL_SUBSYS_* << 8 | NFNL_MSG_*
  std::uint8_t family = 0;  // NFPROTO_*, AF_UNSPEC for all
  std::function<void(MessageBuilder&)> attributes;
};

// Calls `restart` before each reading, and `each` for every message, with its family and its
// attributes. A refusal by the kernel is the error. EAGAIN if the list changed in every reading.
Result<void> walk(Socket& socket, const WalkRequest& request, const Cancel* cancel,
                  const char* operation, const std::function<void()>& restart,
                  const std::function<void(std::uint8_t family, AttributeCursor)>& each);

}  // namespace nf
