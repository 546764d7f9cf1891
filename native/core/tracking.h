// Does the kernel track connections, and translate addresses, in this network namespace? It
// registers its hooks for each family separately, when a rule asks for them. If the kernel lists
// its hooks, the answer is certain. If not, the rules are searched for those that ask. Reading
// changes nothing, and creates no table.
#pragma once

#include "core/cancel.h"
#include "core/tracking_report.h"

namespace nf {

// On a thread that is in the namespace. `cancel` may be null.
TrackingReport find_tracking(const Cancel* cancel);

}  // namespace nf
