// Fuzzes the decoder that remembers shapes: two messages one after the other, and each must read as
// parse() reads it. Input: u16 size of the first message, then both.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/conntrack/decode/decoder.h"
#include "core/conntrack/decode/parse.h"
#include "test/rows.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::uint16_t split = 0;
  if (size < sizeof split) return 0;
  std::memcpy(&split, data, sizeof split);
  data += sizeof split;
  size -= sizeof split;
  const std::size_t first = split < size ? split : size;
  // Of exact size each, so that a read behind the end is seen.
  const std::vector<std::uint8_t> messages[] = {{data, data + first}, {data + first, data + size}};
  nf::ct::Decoder decoder;
  nf::ct::Row fast{};
  nf::ct::Row plain{};
  for (const int i : {0, 1, 0, 1}) {
    const auto& message = messages[i];
    const bool read = decoder.parse(message.data(), message.size(), fast);
    if (read != nf::ct::parse(message.data(), message.size(), plain)) std::abort();
    if (read && !nf::test::same_row(fast, plain)) std::abort();
  }
  return 0;
}
