// Builds one portable entry: the head field by field, then matches, then the target. Knows the
// framing of an entry, and where the fields of its head are.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "core/xtables/image.h"
#include "core/xtables/layout.h"

namespace nf::nft {

class EntryBuilder {
 public:
  // Appends to `bytes`.
  EntryBuilder(const xt::Layout& layout, std::vector<std::uint8_t>& bytes)
      : layout_(layout), bytes_(bytes), start_(bytes.size()) {
    bytes_.resize(start_ + layout_.entry_size);
  }

  // Of the head. The pointer is valid until the next match.
  std::uint8_t* head() { return bytes_.data() + start_; }
  void negate(std::uint8_t flag) { head()[layout_.inverted] |= flag; }

  // The offset of the payload of a new match, which is zero.
  std::size_t match(std::string_view name, std::uint8_t revision, std::size_t size) {
    return part(name, revision, size);
  }
  std::uint8_t* payload(std::size_t at) { return bytes_.data() + at; }

  bool has_target() const { return target_ != 0; }
  // The same for the target, after all matches.
  std::size_t target(std::string_view name, std::uint8_t revision, std::size_t size) {
    target_ = bytes_.size() - start_;
    return part(name, revision, size);
  }
  // A verdict, a chain, or "" for none.
  void standard(std::string_view name) { target(name, 0, xt::kStandardSize - xt::kHeader); }

  // False if the kernel could not have such an entry: its size is 16 bits.
  bool finish(const xt::Counters& counters) {
    const std::size_t size = bytes_.size() - start_;
    if (size > UINT16_MAX) return false;
    store16(layout_.target_offset, target_);
    store16(layout_.next_offset, size);
    xt::store_counters(head() + layout_.counters, counters);
    return true;
  }

  // Forgets everything but the counters.
  void blank(const xt::Counters& counters) {
    bytes_.resize(start_);
    bytes_.resize(start_ + layout_.entry_size);
    standard("");
    finish(counters);
  }

 private:
  std::size_t part(std::string_view name, std::uint8_t revision, std::size_t size) {
    const std::size_t at = bytes_.size();
    const std::size_t whole = xt::kHeader + xt::align8(size);
    bytes_.resize(at + whole);
    std::uint8_t* header = bytes_.data() + at;
    const auto length = static_cast<std::uint16_t>(whole);
    std::memcpy(header, &length, sizeof length);
    std::memcpy(header + 2, name.data(), std::min(name.size(), xt::kNameSize - 1));
    header[31] = revision;
    return at + xt::kHeader;
  }
  void store16(std::size_t at, std::size_t value) {
    const auto number = static_cast<std::uint16_t>(value);
    std::memcpy(head() + at, &number, sizeof number);
  }

  const xt::Layout& layout_;
  std::vector<std::uint8_t>& bytes_;
  const std::size_t start_;
  std::size_t target_ = 0;  // 0: none yet
};

}  // namespace nf::nft
