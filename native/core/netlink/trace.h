// Every message sent and received, told on standard error, where NODE_DEBUG names conntrack: the
// first thing that a bug report needs. Where it does not, it costs one branch for a datagram.
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

// The messages of a datagram, a line each: type, flags, sequence, errno, attributes. Bytes that are
// no message are told as such. Attributes are numbers, as the kernel's headers have them, with what
// they hold: other attributes in braces, or up to 32 bytes in hexadecimal.
std::string describe(std::string_view way, const void* data, std::size_t size);

// Tells of a datagram on standard error; `socket` is its descriptor.
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
