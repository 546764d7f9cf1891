// Does anything ask for connection tracking in this network namespace? The kernel registers its
// hooks only when a rule refers to conntrack or NAT, and does not tell whether it has: the rules
// are looked through by the names of what they use. Reading changes nothing, and creates no table.
#pragma once

#include <string>
#include <vector>

#include "core/result.h"

namespace nf {

struct TrackingEvidence {
  std::vector<std::string> found;    // "ip filter: conntrack", "nftables: ct" …
  std::vector<std::string> unknown;  // what could not be looked at, and why
};

// On a thread that is in the namespace.
TrackingEvidence find_tracking();

}  // namespace nf
