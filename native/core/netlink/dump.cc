// Looking for the end of a dump.
#include "core/netlink/dump.h"

namespace nf {

bool DumpAnswer::ends(std::span<const std::uint8_t> bytes) const {
  MessageWalker walker(bytes.data(), bytes.size());
  for (MessageView message; walker.next(message);) {
    if (message.header->nlmsg_seq == sequence_ && is_end(message)) return true;
  }
  return false;
}

}  // namespace nf
