// Finds the new rule that the kernel refuses: the kernel gives one errno for a whole table. The
// rules are tried in a network namespace that exists for this only. Nothing real is touched.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/legacy/plan.h"
#include "core/legacy/snapshot.h"

namespace nf::xt {

struct Culprit {
  std::string chain;
  std::uint32_t index = 0;  // in the chain as planned
};

// The first new rule with which the kernel refuses the table with `code`. None if nobody can tell:
// without CAP_SYS_ADMIN, or if the refusal depends on what only the real namespace has. The caller
// holds iptc_mutex().
std::optional<Culprit> find_culprit(const Plan& plan, const Snapshot& base, int code);

}  // namespace nf::xt
