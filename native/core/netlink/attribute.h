// Reading netlink attributes: every length is checked before a byte is read, every load is a memcpy
// (payloads are 4-aligned at best). Knows nothing of conntrack.
#pragma once

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace nf {

inline constexpr std::size_t kAttributeHeader = 4;
inline constexpr std::size_t align4(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

struct Attribute {
  std::uint16_t type = 0;  // without the NESTED and NET_BYTEORDER bits
  std::uint16_t size = 0;  // of the payload
  const std::uint8_t* data = nullptr;

  std::uint8_t u8() const { return *data; }
  std::uint16_t be16() const {
    std::uint16_t value = 0;
    std::memcpy(&value, data, sizeof value);
    return ntohs(value);
  }
  std::uint32_t u32() const {
    std::uint32_t value = 0;
    std::memcpy(&value, data, sizeof value);
    return value;
  }
  std::uint32_t be32() const { return ntohl(u32()); }
  std::uint64_t be64() const {
    std::uint64_t value = 0;
    std::memcpy(&value, data, sizeof value);
    return be64toh(value);
  }
  // Up to the NUL, or to the end if there is none.
  std::string_view text() const {
    const auto* text = reinterpret_cast<const char*>(data);
    return {text, ::strnlen(text, size)};
  }
};

// Walks a run of attributes. `next` is false at the end and on a malformed length; `intact()` tells
// which it was.
class AttributeCursor {
 public:
  AttributeCursor(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  explicit AttributeCursor(const Attribute& nest) : AttributeCursor(nest.data, nest.size) {}

  bool next(Attribute& out) {
    const auto left = static_cast<std::size_t>(end_ - at_);
    if (left < kAttributeHeader) return false;
    std::uint16_t length = 0;
    std::uint16_t type = 0;
    std::memcpy(&length, at_, sizeof length);
    std::memcpy(&type, at_ + 2, sizeof type);
    if (length < kAttributeHeader || length > left) {
      intact_ = false;
      return false;
    }
    out.type = type & NLA_TYPE_MASK;
    out.size = static_cast<std::uint16_t>(length - kAttributeHeader);
    out.data = at_ + kAttributeHeader;
    const std::size_t step = align4(length);
    at_ = step < left ? at_ + step : end_;
    return true;
  }
  bool intact() const { return intact_; }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool intact_ = true;
};

}  // namespace nf
