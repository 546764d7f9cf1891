// Writes the packed fields of one flow (schema/fields.h), byte for byte as
// src/conntrack/input/field-packer.ts does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "core/conntrack/schema/fields.h"
#include "core/netlink/attribute.h"

namespace nf::ct {

// The flow is put together here, and appended to the others as a whole.
class FieldWriter {
 public:
  // A flow begins with its size, which `append_to` writes.
  void begin() { size_ = sizeof(std::uint32_t); }
  void append_to(std::vector<std::uint8_t>& out) {
    const auto size = static_cast<std::uint32_t>(size_ - sizeof(std::uint32_t));
    std::memcpy(bytes_, &size, sizeof size);
    out.insert(out.end(), bytes_, bytes_ + size_);
  }
  std::size_t size() const { return size_; }

  void bytes(Field field, std::span<const std::uint8_t> value) {
    std::uint8_t* at = next(field, value.size());
    if (!value.empty()) std::memcpy(at, value.data(), value.size());
  }
  void u8(Field field, std::uint8_t value) { number(field, value); }
  void u16(Field field, std::uint16_t value) { number(field, value); }
  void u32(Field field, std::uint32_t value) { number(field, value); }
  void u64(Field field, std::uint64_t value) { number(field, value); }

 private:
  // More than the largest flow needs: each field comes once, and the longest has 20 bytes.
  static constexpr std::size_t kRoom = 2048;
  static_assert(static_cast<std::size_t>(Field::count) * 24 < kRoom);

  template <typename T>
  void number(Field field, T value) {
    std::memcpy(next(field, sizeof value), &value, sizeof value);
  }
  // The header, and room for the payload. Its padding is 0.
  std::uint8_t* next(Field field, std::size_t size) {
    const std::uint16_t header[2] = {static_cast<std::uint16_t>(size),
                                     static_cast<std::uint16_t>(field)};
    std::uint8_t* at = bytes_ + size_;
    const std::size_t whole = sizeof header + align4(size);
    std::memset(at + whole - sizeof(std::uint32_t), 0, sizeof(std::uint32_t));
    std::memcpy(at, header, sizeof header);
    size_ += whole;
    return at + sizeof header;
  }

  std::uint8_t bytes_[kRoom];
  std::size_t size_ = 0;
};

}  // namespace nf::ct
