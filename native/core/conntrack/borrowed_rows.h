// Rows of a batch in memory that JavaScript owns. Its columns can be written there, and its buffers
// can be cut off. So every place is checked, and a row that makes no sense is no row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/conntrack/row.h"

namespace nf::ct {

class BorrowedRows {
 public:
  struct Memory {
    std::span<const std::uint8_t> arena;
    std::size_t capacity = 0;  // the rows that the arena has room for
    std::span<const std::uint8_t> addresses;
    std::span<const std::uint32_t> extra_index;  // pairs: a row, and an offset in `extra`
    std::span<const std::uint8_t> extra;
    bool events = false;  // the rows are events: some may be of other namespaces
  };

  explicit BorrowedRows(const Memory& memory) : memory_(memory) {}

  // False: there is no such row, or it is of no family. The row has views into the memory. Of its
  // rare attributes, it has those that are there (`presence` alone proves none).
  bool read(std::size_t at, Row& row) const;

 private:
  bool address(std::uint8_t family, std::uint32_t value, Address& out) const;
  std::span<const std::uint8_t> extra_of(std::size_t row) const;

  Memory memory_;
};

}  // namespace nf::ct
