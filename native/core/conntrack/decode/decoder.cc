// Which shapes are kept, and for how long.
#include "core/conntrack/decode/decoder.h"

#include "core/conntrack/decode/parse.h"
#include "core/conntrack/decode/shape.h"

namespace nf::ct {
namespace {

// Both families with TCP, UDP, ICMP and others, with and without counters or a zone.
constexpr std::size_t kShapes = 16;
// After that many, more kinds come than can be kept: learning costs more than it saves.
constexpr std::size_t kLearnAtMost = 256;

}  // namespace

Decoder::Decoder() = default;
Decoder::~Decoder() = default;

bool Decoder::parse(const std::uint8_t* payload, std::size_t size, Row& row) {
  for (const auto& shape : shapes_) {
    if (!shape->fits(payload, size)) continue;
    shape->read(payload, row);
    return true;
  }
  if (!ct::parse(payload, size, row)) return false;
  if (row.extra_count == 0 && learnt_ < kLearnAtMost) learn(payload, size, row);
  return true;
}

void Decoder::learn(const std::uint8_t* payload, std::size_t size, const Row& row) {
  auto shape = std::make_unique<Shape>();
  learnt_++;
  if (!shape->learn(payload, size, row)) return;
  if (shapes_.size() < kShapes) {
    shapes_.push_back(std::move(shape));
  } else {
    shapes_[learnt_ % kShapes] = std::move(shape);
  }
}

}  // namespace nf::ct
