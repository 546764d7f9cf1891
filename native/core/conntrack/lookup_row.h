// Writes a row that is looked up alone into the caller's memory, without a batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/conntrack/row.h"

namespace nf::ct {

// The memory is an arena of `capacity` rows laid out as a batch, followed by four addresses per
// row. The rare attributes go to `extra`; returns their size.
inline constexpr std::size_t kLookupRowBytes = bytes_before(Column::count) + 4 * sizeof(Address);
std::size_t store_lookup(const Row& row, std::uint8_t* arena, std::size_t capacity, std::size_t at,
                         std::span<std::uint8_t> extra);

}  // namespace nf::ct
