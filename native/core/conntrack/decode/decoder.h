// Decoding of many messages. A table has few kinds of flows, and the kernel writes all flows of one
// kind with the same attributes in the same places: a message whose attribute headers are those of
// an earlier one is read from these places, without a walk over its attributes. Every other message
// goes through parse(), whose results these are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/conntrack/row.h"

namespace nf::ct {

class Shape;

class Decoder {
 public:
  Decoder();
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // As parse(): the same result for the same message, always.
  bool parse(const std::uint8_t* payload, std::size_t size, Row& row);

 private:
  void learn(const std::uint8_t* payload, std::size_t size, const Row& row);

  std::vector<std::unique_ptr<Shape>> shapes_;
  std::size_t learnt_ = 0;
};

}  // namespace nf::ct
