// Prints every message that is sent or received to standard error, if NODE_DEBUG names conntrack: a
// bug report needs this first. Otherwise it costs one branch for a datagram.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace nf::trace {

// Whether NODE_DEBUG names conntrack. It is read once.
bool wanted();

// Whether a list for NODE_DEBUG names conntrack, as Node reads it: separated by commas, case does
// not count, `*` stands for anything.
bool names_conntrack(std::string_view list);

// The messages of a datagram, one per line: type, flags, sequence, errno, attributes. Bytes that
// are no message get a line too. An attribute is the number from the kernel's headers and what it
// holds: other attributes in braces, or up to 32 bytes in hexadecimal.
std::string describe(std::string_view way, const void* data, std::size_t size);

// Prints a datagram to standard error. `socket` is its descriptor.
void tell(std::string_view way, int socket, const void* data, std::size_t size);

inline void sent(int socket, const void* data, std::size_t size) {
  if (wanted()) [[unlikely]]
    tell("sent", socket, data, size);
}
inline void received(int socket, const void* data, std::size_t size) {
  if (wanted()) [[unlikely]]
    tell("received", socket, data, size);
}

}  // namespace nf::trace
