// Flows that two parts of a dump both have, because they changed sides of a split while the parts
// were read. Knows columns, not how they were read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/conntrack/columns.h"

namespace nf::ct {

// A rough set of CTA_IDs. An id that is not in it was not added. An id that is in it perhaps was.
class IdSieve {
 public:
  // Holds `ids` with few false answers (about one in thirty). Without ids: holds nothing.
  explicit IdSieve(std::size_t ids = 0);
  void add(std::uint32_t id) {
    const std::uint32_t slot = slot_of(id);
    words_[slot / 64] |= std::uint64_t{1} << (slot % 64);
  }
  void add_all(const Columns& columns);
  // Adds another sieve of the same size.
  void add_all(const IdSieve& other);
  bool may_have(std::uint32_t id) const {
    const std::uint32_t slot = slot_of(id);
    return (words_[slot / 64] >> (slot % 64) & 1) != 0;
  }

 private:
  std::uint32_t slot_of(std::uint32_t id) const { return (id * 0x9e3779b1U) >> shift_; }

  unsigned shift_;
  std::vector<std::uint64_t> words_;
};

struct DumpPart {
  Columns columns;
  IdSieve ids{};  // of its rows, all parts' of one size; the last part needs none
};

// For each part: the rows, ascending, whose flow an earlier part has too. Adds to the sieves.
std::vector<std::vector<std::uint32_t>> find_doubles(std::span<DumpPart> parts);

}  // namespace nf::ct
