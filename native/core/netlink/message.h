// Building netlink requests: several messages one after another in one buffer, each a header, an
// nfgenmsg and attributes. Knows nothing of conntrack.
#pragma once

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "core/netlink/attribute.h"

namespace nf {

class MessageBuilder {
 public:
  // Starts a message. `res_id` is host order.
  void begin(std::uint16_t type, std::uint16_t flags, std::uint32_t seq, std::uint8_t family,
             std::uint8_t version = NFNETLINK_V0, std::uint16_t res_id = 0) {
    start_ = size_;
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = flags;
    header.nlmsg_seq = seq;
    append(&header, sizeof header);
    nfgenmsg generic{};
    generic.nfgen_family = family;
    generic.version = version;
    generic.res_id = htons(res_id);
    append(&generic, sizeof generic);
    count_++;
  }
  // Ends the message: its length is written now. More may be appended before another call of this.
  void end() {
    const auto length = static_cast<std::uint32_t>(size_ - start_);
    std::memcpy(&bytes_[start_], &length, sizeof length);
  }
  // Attributes made elsewhere, already aligned.
  void raw(const std::vector<std::uint8_t>& attributes) {
    append(attributes.data(), attributes.size());
  }
  // Adds flags to the last message that was ended.
  void add_flags(std::uint16_t flags) {
    std::uint16_t now = 0;
    std::memcpy(&now, &bytes_[start_ + offsetof(nlmsghdr, nlmsg_flags)], sizeof now);
    now = static_cast<std::uint16_t>(now | flags);
    std::memcpy(&bytes_[start_ + offsetof(nlmsghdr, nlmsg_flags)], &now, sizeof now);
  }
  // A whole message made elsewhere (by libnetfilter_conntrack), header included.
  void message(const void* data, std::size_t size) {
    start_ = size_;
    append(data, size);
    count_++;
  }

  void bytes(std::uint16_t type, const void* data, std::size_t size) {
    const std::size_t at = grow(kAttributeHeader + align4(size));
    const auto length = static_cast<std::uint16_t>(kAttributeHeader + size);
    std::memcpy(&bytes_[at], &length, sizeof length);
    std::memcpy(&bytes_[at + 2], &type, sizeof type);
    if (size > 0) std::memcpy(&bytes_[at + kAttributeHeader], data, size);
  }
  void u8(std::uint16_t type, std::uint8_t value) { bytes(type, &value, sizeof value); }
  void u32(std::uint16_t type, std::uint32_t value) { bytes(type, &value, sizeof value); }
  void be16(std::uint16_t type, std::uint16_t value) {
    value = htons(value);
    bytes(type, &value, sizeof value);
  }
  void be32(std::uint16_t type, std::uint32_t value) { u32(type, htonl(value)); }
  void be64(std::uint16_t type, std::uint64_t value) {
    value = htobe64(value);
    bytes(type, &value, sizeof value);
  }
  // With the terminating NUL, as the kernel's NLA_NUL_STRING wants it.
  void string(std::uint16_t type, std::string_view text) {
    // The text need not have a NUL of its own: nothing behind it is read.
    const std::size_t at = grow(kAttributeHeader + align4(text.size() + 1));
    const auto length = static_cast<std::uint16_t>(kAttributeHeader + text.size() + 1);
    std::memcpy(&bytes_[at], &length, sizeof length);
    std::memcpy(&bytes_[at + 2], &type, sizeof type);
    if (!text.empty()) std::memcpy(&bytes_[at + kAttributeHeader], text.data(), text.size());
    bytes_[at + kAttributeHeader + text.size()] = 0;
  }
  // Returns where the nest began, for close_nest.
  std::size_t open_nest(std::uint16_t type) {
    const std::size_t at = size_;
    bytes(static_cast<std::uint16_t>(type | NLA_F_NESTED), nullptr, 0);
    return at;
  }
  void close_nest(std::size_t at) {
    const auto length = static_cast<std::uint16_t>(size_ - at);
    std::memcpy(&bytes_[at], &length, sizeof length);
  }

  const std::uint8_t* data() const { return bytes_.data(); }
  std::size_t size() const { return size_; }
  std::size_t count() const { return count_; }
  void clear() {
    size_ = 0;
    count_ = 0;
  }
  // Forgets what was appended since `size` was read (a message that failed to encode).
  void rewind(std::size_t size, std::size_t count) {
    size_ = size;
    count_ = count;
  }
  // The same. The last message that was ended before begins at `start`.
  void rewind(std::size_t size, std::size_t count, std::size_t start) {
    rewind(size, count);
    start_ = start;
  }

 private:
  void append(const void* data, std::size_t size) {
    if (size > 0) std::memcpy(&bytes_[grow(align4(size))], data, size);
  }
  // Makes room for `size` bytes, a multiple of four. The last four may be padding, so they are
  // zero. Returns where the room begins.
  std::size_t grow(std::size_t size) {
    const std::size_t at = size_;
    if (bytes_.size() - at < size) bytes_.resize(at + size + bytes_.size() + kFirstRoom);
    size_ = at + size;
    std::memset(bytes_.data() + size_ - 4, 0, 4);
    return at;
  }

  static constexpr std::size_t kFirstRoom = 256;
  std::vector<std::uint8_t> bytes_;  // has spare room: growing a vector byte by byte costs more
  std::size_t size_ = 0;
  std::size_t start_ = 0;
  std::size_t count_ = 0;
};

}  // namespace nf
