// Fuzzes the walk over a datagram and the reading of acknowledgements with their texts.
#include <cstring>
#include <memory>

#include "core/netlink/socket.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Aligned like a receive buffer, and of exact size.
  const std::unique_ptr<std::uint8_t[]> copy(new std::uint8_t[size == 0 ? 1 : size]);
  if (size > 0) std::memcpy(copy.get(), data, size);
  nf::MessageWalker walker(copy.get(), size);
  nf::MessageView view;
  while (walker.next(view)) {
    const auto acknowledgement = nf::read_acknowledgement(view);
    if (acknowledgement.text.find('\0') != std::string::npos) __builtin_trap();
  }
  return 0;
}
