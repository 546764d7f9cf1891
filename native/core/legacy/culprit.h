// Which new rule the kernel refuses: it answers for a whole table with one errno. Tried in a
// network namespace that exists for this only, so that nothing of the real one is touched.
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

// The first new rule with which the kernel refuses the table with `code`; none where that cannot be
// told: without CAP_SYS_ADMIN, or because the refusal has to do with what only the real namespace
// has. The caller holds iptc_mutex().
std::optional<Culprit> find_culprit(const Plan& plan, const Snapshot& base, int code);

}  // namespace nf::xt
