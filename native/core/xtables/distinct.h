// Numbers the different contents of byte ranges in one buffer. Rules repeat their matches and their
// targets, so a reader decodes each only once. Hashes find candidates, and then bytes are compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/xtables/fingerprint.h"

namespace nf::xt {

class Distinct {
 public:
  struct Found {
    std::uint32_t id = 0;
    bool fresh = false;  // seen for the first time
  };

  // The number of the content of `size` bytes at `at` of the buffer that begins at `base`, counted
  // from 0. The same bytes with another `mark` are another content. Ranges of earlier calls must
  // still hold what they held then.
  Found number(const std::uint8_t* base, std::size_t at, std::size_t size, std::uint32_t mark) {
    if (ranges_.size() * 2 >= slots_.size()) grow();
    Fingerprint hash;
    hash.add(mark);
    hash.add(base + at, size);
    const std::uint64_t key = hash.digest()[0];
    for (std::size_t slot = key & mask();; slot = (slot + 1) & mask()) {
      if (slots_[slot] == kFree) {
        const auto id = static_cast<std::uint32_t>(ranges_.size());
        slots_[slot] = id;
        ranges_.push_back({key, at, size, mark});
        return {id, true};
      }
      const Range& range = ranges_[slots_[slot]];
      if (range.key == key && range.size == size && range.mark == mark &&
          std::memcmp(base + range.at, base + at, size) == 0) {
        return {slots_[slot], false};
      }
    }
  }

  std::size_t size() const { return ranges_.size(); }

 private:
  struct Range {
    std::uint64_t key;
    std::size_t at;
    std::size_t size;
    std::uint32_t mark;
  };
  static constexpr std::uint32_t kFree = 0xffffffff;

  std::size_t mask() const { return slots_.size() - 1; }
  void grow() {
    slots_.assign(slots_.empty() ? 64 : slots_.size() * 4, kFree);
    for (std::uint32_t id = 0; id < ranges_.size(); id++) {
      std::size_t slot = ranges_[id].key & mask();
      while (slots_[slot] != kFree) slot = (slot + 1) & mask();
      slots_[slot] = id;
    }
  }

  std::vector<std::uint32_t> slots_;  // a power of two, at most half full
  std::vector<Range> ranges_;
};

}  // namespace nf::xt
