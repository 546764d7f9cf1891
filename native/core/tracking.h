// Does the kernel track connections, and translate addresses, in this network namespace? It
// registers its hooks for each family on its own, when a rule asks for them. Where the kernel lists
// its hooks the answer is certain; where it does not, the rules are looked through for what asks.
// Reading changes nothing, and creates no table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nf {

enum class Verdict : std::uint8_t { kNo, kYes, kUnknown };

// One use of hooks (tracking, or translation), by family.
struct HookReport {
  Verdict ipv4 = Verdict::kNo;
  Verdict ipv6 = Verdict::kNo;
  Verdict bridge = Verdict::kNo;
  std::vector<std::string> found;  // "ip filter: conntrack", "ipv4 hook ipv4_conntrack_in" …
};

struct TrackingReport {
  bool from_hooks = false;  // the kernel was asked; else rules were read
  HookReport tracking;
  HookReport nat;
  std::vector<std::string> unknown;  // what could not be looked at, and why
};

// On a thread that is in the namespace.
TrackingReport find_tracking();

}  // namespace nf
