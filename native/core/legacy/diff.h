// How to turn the rules of a chain into the wanted ones: which rules stay where they are (and so
// keep their counters exactly), and the operations by index for the rest. Knows nothing of bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "core/legacy/plan.h"

namespace nf::xt {

struct ChainOperation {
  enum Kind : std::uint8_t { kInsert, kReplace, kDelete, kZero } kind;
  std::uint32_t at = 0;    // 0-based, in the chain after the earlier operations
  std::uint32_t rule = 0;  // index into the wanted rules, for a deletion into the old rules
};

struct ChainDiff {
  std::vector<ChainOperation> operations;
  // Every rule that stays is zeroed, and there is one.
  bool zero_all = false;
  // How many list nodes libiptc walks to find the indexes: it has no other way.
  std::uint64_t steps = 0;
  // Rules that stay.
  std::uint32_t stay = 0;
};

// `wanted` of a chain that has the snapshot's rules first … first + count - 1.
ChainDiff diff_chain(const std::vector<PlanRule>& wanted, std::uint32_t first, std::uint32_t count);

}  // namespace nf::xt
