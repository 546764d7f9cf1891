// Splits a dump among several sockets. Each socket has a predicate that the kernel applies. The
// predicates are disjoint and together complete. They are chosen from a sample of the table, so
// that each socket gets about the same number of rows.
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
  // Whether a flow can change sides while the dump runs. Doubles are looked for then.
  bool mutable_ = false;
  // "src_nat", "assured and mark bit 0" …
  std::string description;
};

// `sockets`: how many are wanted (2 or more; powers of two are used). Prefers predicates that
// cannot change for a living flow (family, src_nat, dst_nat), if they are about as even as the
// best.
SplitPlan plan_split(const Columns& sample, const Filter& filter, int sockets);

// Expected time of a split dump, relative to one socket, for parts of equal cost, each on its own
// core. Every socket walks the whole table, and sends its share. The numbers come from the measured
// cost of a walked and of a sent flow (0.27 and 2.2 microseconds).
inline double expected_ratio(double largest) { return 0.12 + 0.88 * largest; }

}  // namespace nf::ct
