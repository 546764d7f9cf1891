// Choosing split predicates.
#include "core/conntrack/dump/split.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace nf::ct {
namespace {

// One way to cut the table in two: rows with the bit and rows without.
struct Cut {
  const char* name;
  bool changes;  // can a living flow change sides?
  int bit;       // of mark; -1 for none
  std::uint32_t status;
  bool family;

  bool side(const Columns& rows, std::size_t row) const {
    if (family) return rows.get<std::uint8_t>(Column::family, row) == AF_INET6;
    if (status != 0) return (rows.get<std::uint32_t>(Column::status, row) & status) != 0;
    return ((rows.get<std::uint32_t>(Column::mark, row) >> bit) & 1) != 0;
  }
  void apply(bool set, Split& split) const {
    if (family) {
      split.family = set ? AF_INET6 : AF_INET;
    } else if (status != 0) {
      split.status_mask |= status;
      if (set) split.status |= status;
    } else {
      split.mark_mask |= 1U << bit;
      if (set) split.mark |= 1U << bit;
    }
  }
  std::string text() const {
    return bit >= 0 ? std::string(name) + " bit " + std::to_string(bit) : std::string(name);
  }
};

std::vector<Cut> usable_cuts(const Filter& filter) {
  std::vector<Cut> cuts;
  if (filter.family == 0) cuts.push_back({"family", false, -1, 0, true});
  // The kernel compares CTA_STATUS from 5.15 on (9344988d2979). Before, every socket would ignore
  // it.
  if (kernel_version().at_least(5, 15)) {
    const std::uint32_t decided =
        filter.status.has_value() ? filter.status->all | filter.status->none : 0;
    const Cut status_cuts[] = {
        {"src_nat", false, -1, IPS_SRC_NAT, false},
        {"dst_nat", false, -1, IPS_DST_NAT, false},
        {"assured", true, -1, IPS_ASSURED, false},
        {"seen_reply", true, -1, IPS_SEEN_REPLY, false},
    };
    for (const Cut& cut : status_cuts) {
      if ((decided & cut.status) == 0) cuts.push_back(cut);
    }
  }
  for (int bit = 0; bit < 32; bit++) {
    if ((filter.mark_mask >> bit & 1) == 0) cuts.push_back({"mark", true, bit, 0, false});
  }
  return cuts;
}

// A cut that cannot change is preferred if it is at most this much less even than the best.
constexpr double kTolerance = 0.05;

struct Choice {
  std::vector<Cut> cuts;
  double largest = 1;
  bool changes = false;
};

double largest_part(const Columns& sample, const std::vector<Cut>& cuts) {
  std::array<std::size_t, 16> counts{};
  for (std::size_t row = 0; row < sample.size(); row++) {
    std::size_t part = 0;
    for (std::size_t i = 0; i < cuts.size(); i++) {
      part |= static_cast<std::size_t>(cuts[i].side(sample, row)) << i;
    }
    counts[part]++;
  }
  return static_cast<double>(*std::max_element(counts.begin(), counts.end())) /
         static_cast<double>(sample.size());
}

// Adds the cut that makes the largest part smallest.
bool refine(const Columns& sample, const std::vector<Cut>& candidates, Choice& choice) {
  Choice best_fixed = choice;
  Choice best_any = choice;
  for (const Cut& cut : candidates) {
    std::vector<Cut> cuts = choice.cuts;
    cuts.push_back(cut);
    const double largest = largest_part(sample, cuts);
    Choice& best = cut.changes ? best_any : best_fixed;
    if (largest < best.largest) best = {cuts, largest, choice.changes || cut.changes};
  }
  const bool fixed = best_fixed.largest <= best_any.largest + kTolerance;
  Choice& better = fixed ? best_fixed : best_any;
  if (better.cuts.size() == choice.cuts.size()) return false;
  choice = std::move(better);
  return true;
}

}  // namespace

SplitPlan plan_split(const Columns& sample, const Filter& filter, int sockets) {
  SplitPlan plan;
  if (sample.empty()) return plan;
  const std::vector<Cut> candidates = usable_cuts(filter);
  Choice choice;
  for (int parts = 2; parts <= std::min(sockets, 16); parts *= 2) {
    if (!refine(sample, candidates, choice)) break;
  }
  if (choice.cuts.empty()) return plan;
  plan.largest = choice.largest;
  plan.mutable_ = choice.changes;
  const std::size_t parts = std::size_t{1} << choice.cuts.size();
  for (std::size_t part = 0; part < parts; part++) {
    Split split;
    // The part with the bit set comes first. If a flow was seen on both sides, the newer reading is
    // kept then, because assured and seen_reply are only ever set.
    for (std::size_t i = 0; i < choice.cuts.size(); i++) {
      choice.cuts[i].apply((part >> i & 1) == 0, split);
    }
    plan.parts.push_back(split);
  }
  for (const Cut& cut : choice.cuts) {
    if (!plan.description.empty()) plan.description += " and ";
    plan.description += cut.text();
  }
  return plan;
}

}  // namespace nf::ct
