// The operations that turn one chain into another.
#include "core/legacy/diff.h"

#include <algorithm>

namespace nf::xt {
namespace {

// Marks the longest run of kept rules whose order did not change: these stay.
std::vector<bool> staying(const std::vector<PlanRule>& wanted, std::uint32_t first,
                          std::uint32_t count) {
  std::vector<bool> stays(wanted.size());
  std::vector<std::uint32_t> kept;  // indexes into wanted
  bool ordered = true;
  for (std::uint32_t i = 0; i < wanted.size(); i++) {
    const std::uint32_t base = wanted[i].base;
    if (base == kNone || base < first || base - first >= count) continue;
    if (!kept.empty() && wanted[kept.back()].base > base) ordered = false;
    kept.push_back(i);
  }
  if (ordered) {
    for (const std::uint32_t i : kept) stays[i] = true;
    return stays;
  }
  // Longest increasing subsequence by patience sorting, O(n log n).
  std::vector<std::uint32_t> piles;  // the top card of each pile, as an index into kept
  std::vector<std::uint32_t> previous(kept.size(), kNone);
  for (std::uint32_t i = 0; i < kept.size(); i++) {
    const std::uint32_t base = wanted[kept[i]].base;
    const auto pile = std::lower_bound(
        piles.begin(), piles.end(), base,
        [&](std::uint32_t top, std::uint32_t value) { return wanted[kept[top]].base < value; });
    if (pile != piles.begin()) previous[i] = *(pile - 1);
    if (pile == piles.end()) {
      piles.push_back(i);
    } else {
      *pile = i;
    }
  }
  for (std::uint32_t i = piles.empty() ? kNone : piles.back(); i != kNone; i = previous[i]) {
    stays[kept[i]] = true;
  }
  return stays;
}

}  // namespace

ChainDiff diff_chain(const std::vector<PlanRule>& wanted, std::uint32_t first,
                     std::uint32_t count) {
  ChainDiff diff;
  const std::vector<bool> stays = staying(wanted, first, count);
  std::uint32_t live = count;  // length of the chain after the operations so far
  std::uint32_t at = 0;
  std::uint32_t old = first;
  std::uint32_t zeroed = 0;
  std::vector<std::uint32_t> zero_at;

  const auto walk = [&](std::uint32_t index) {
    diff.steps += std::min(index, live - std::min(index, live));
  };
  // Turns the old rules [old, until) into the wanted rules [from, to), which are all new.
  const auto gap = [&](std::uint32_t until, std::uint32_t from, std::uint32_t to) {
    for (; old < until && from < to; old++, from++, at++) {
      diff.operations.push_back({ChainOperation::kReplace, at, from});
      walk(at);
    }
    for (; old < until; old++) {
      diff.operations.push_back({ChainOperation::kDelete, at, old});
      walk(at);
      live--;
    }
    for (; from < to; from++, at++) {
      diff.operations.push_back({ChainOperation::kInsert, at, from});
      walk(at);
      live++;
    }
  };

  std::uint32_t pending = 0;
  for (std::uint32_t i = 0; i < wanted.size(); i++) {
    if (!stays[i]) continue;
    gap(wanted[i].base, pending, i);
    pending = i + 1;
    old = wanted[i].base + 1;
    if (wanted[i].zeroed) zeroed++;
    at++;
    diff.stay++;
  }
  gap(first + count, pending, static_cast<std::uint32_t>(wanted.size()));

  diff.zero_all = zeroed != 0 && zeroed == diff.stay;
  if (zeroed != 0 && !diff.zero_all) {
    for (std::uint32_t i = 0; i < wanted.size(); i++) {
      if (!stays[i] || !wanted[i].zeroed) continue;
      // After all operations above, the wanted index is the index in the chain.
      diff.operations.push_back({ChainOperation::kZero, i, i});
      diff.steps += i;
    }
  }
  return diff;
}

}  // namespace nf::xt
