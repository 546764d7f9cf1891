// Splitting a dump among several sockets: predicates that the kernel applies, disjoint and together
// complete, chosen from a sample of the table so that each socket sends about the same number of
// rows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/conntrack/columns.h"
#include "core/conntrack/filter/kernel_filter.h"

namespace nf::ct {

struct SplitPlan {
  // One per socket; empty when splitting does not pay.
  std::vector<Split> parts;
  // The largest part's share of the sample.
  double largest = 1;
  // Whether a flow can change sides while the dump runs: then doubles are looked for.
  bool mutable_ = false;
  // "src_nat", "assured and mark bit 0" …
  std::string description;
};

// `sockets`: how many are wanted (2 or more; powers of two are used). Prefers what cannot change of
// a living flow (family, src_nat, dst_nat) where it splits about as evenly as the best.
SplitPlan plan_split(const Columns& sample, const Filter& filter, int sockets);

// Expected time of a split dump against that of one socket, for parts of equal cost on cores of
// their own: every socket walks the whole table, and sends its share. From the measured cost of a
// walked and of a sent flow (0.27 and 2.2 microseconds).
inline double expected_ratio(double largest) { return 0.12 + 0.88 * largest; }

}  // namespace nf::ct
