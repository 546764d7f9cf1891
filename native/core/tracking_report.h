// What is known about tracking and translation in a network namespace. The code that looks at the
// kernel's hooks, at the legacy tables and at nf_tables fills it.
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
  bool from_hooks = false;  // the kernel was asked; otherwise rules were read
  HookReport tracking;
  HookReport nat;
  std::vector<std::string> unknown;  // what could not be looked at, and why
};

// Marks the families that a request of `family` (NFPROTO_*, NFPROTO_INET for both) registers hooks
// for (nf_conntrack_proto.c: nf_ct_netns_get), and notes the reason once.
void mark_found(HookReport& report, std::uint8_t family, std::string reason);
// What could not be looked at in `family` (AF_UNSPEC for all).
void mark_unknown(TrackingReport& report, std::uint8_t family, std::string reason);

}  // namespace nf
