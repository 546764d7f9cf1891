// The packed fields (schema/fields.h) that write a flow that was read. src/conntrack/input has the
// rules of what is written, for flows as callers give them. Here are the same rules for rows, which
// need few of the checks: the bytes are the same, and a test compares them for every kind of flow.
// A row that would be refused there, or that is of an unusual kind, is left to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/conntrack/row.h"

namespace nf::ct {

// What a new flow needs besides its fields.
inline constexpr std::uint8_t kRowTranslated = 1;  // the kernel is to translate it
inline constexpr std::uint8_t kRowHasMaster = 2;   // it can be made only when its master is there
// No timeout was read. It is the field at `PackedRow::timeout`: the caller puts the seconds there.
inline constexpr std::uint8_t kRowUntimed = 4;

struct PackedRow {
  bool packed = false;      // false: the row is left to the caller, and nothing was appended
  std::uint8_t flags = 0;   // kRow… above
  std::size_t timeout = 0;  // where the four bytes of the timeout are in `out`
};

// Appends a new flow that is as the row: its size, then its fields.
PackedRow pack_new_flow(const Row& row, std::vector<std::uint8_t>& out);

// Appends what makes a flow that is there as the row, as far as an update can: its size, then the
// original tuple and the changes.
PackedRow pack_changed_flow(const Row& row, std::vector<std::uint8_t>& out);

}  // namespace nf::ct
