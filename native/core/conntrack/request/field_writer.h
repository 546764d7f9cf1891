// Writes packed fields (schema/fields.h), byte for byte as src/conntrack/input/field-packer.ts
// does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "core/conntrack/schema/fields.h"
#include "core/netlink/attribute.h"

namespace nf::ct {

class FieldWriter {
 public:
  explicit FieldWriter(std::vector<std::uint8_t>& out) : out_(out) {}

  // A flow: its size, which `end` writes, then its fields.
  void begin() {
    begin_ = out_.size();
    out_.resize(begin_ + sizeof(std::uint32_t));
  }
  void end() {
    const auto size = static_cast<std::uint32_t>(out_.size() - begin_ - sizeof(std::uint32_t));
    std::memcpy(&out_[begin_], &size, sizeof size);
  }
  // Forgets the flow that was begun.
  void drop() { out_.resize(begin_); }

  void bytes(Field field, std::span<const std::uint8_t> value) {
    const std::size_t at = out_.size();
    const std::uint16_t header[2] = {static_cast<std::uint16_t>(value.size()),
                                     static_cast<std::uint16_t>(field)};
    out_.resize(at + sizeof header + align4(value.size()));
    std::memcpy(&out_[at], header, sizeof header);
    if (!value.empty()) std::memcpy(&out_[at + sizeof header], value.data(), value.size());
  }
  void u8(Field field, std::uint8_t value) { number(field, value); }
  void u16(Field field, std::uint16_t value) { number(field, value); }
  void u32(Field field, std::uint32_t value) { number(field, value); }
  void u64(Field field, std::uint64_t value) { number(field, value); }

 private:
  template <typename T>
  void number(Field field, T value) {
    std::uint8_t raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    bytes(field, raw);
  }

  std::vector<std::uint8_t>& out_;
  std::size_t begin_ = 0;
};

}  // namespace nf::ct
