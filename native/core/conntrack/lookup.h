// Looking flows up by tuple, one at a time or many in pipelined batches.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/conntrack/columns.h"
#include "core/netlink/exchange.h"

namespace nf::ct {

// Per tuple: the row of the result, or kAbsent.
inline constexpr std::int32_t kAbsent = -1;

struct LookupResult {
  Columns columns;
  std::vector<std::int32_t> rows;
  std::uint64_t undecodable = 0;
};

// ENOENT is an answer (kAbsent); any other refusal fails the whole lookup.
Result<LookupResult> look_up(Socket& socket, const Cancel* cancel,
                             std::span<const PackedTuple> tuples, bool zero_counters);

// One tuple, on the calling thread, no allocation but the request: `row` views `buffer`. False: no
// such flow.
Result<bool> look_up_one(Socket& socket, const PackedTuple& tuple, MessageBuilder& request,
                         std::span<std::uint8_t> buffer, Row& row);

}  // namespace nf::ct
