// One dump request and all of its answers, read again from the start while the kernel says that
// what it walked has changed meanwhile. Knows nothing of what the messages mean.
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

// `restart` is called before each reading, `each` gets every message: its family, its attributes.
// A refusal of the kernel is the error; EAGAIN when the list changed in every reading.
Result<void> walk(Socket& socket, const WalkRequest& request, const Cancel* cancel,
                  const char* operation, const std::function<void()>& restart,
                  const std::function<void(std::uint8_t family, AttributeCursor)>& each);

}  // namespace nf
