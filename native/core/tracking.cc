// Whether a namespace tracks and translates: from the kernel's list of hooks, or from its rules.
#include "core/tracking.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <sys/socket.h>

#include <cstring>

#include "core/hooks.h"
#include "core/legacy/tracking.h"
#include "core/netlink/socket.h"
#include "core/nftables/tracking.h"
#include "core/operation.h"

namespace nf {
namespace {

const char* family_name(std::uint8_t family) {
  if (family == NFPROTO_IPV4) return "ipv4";
  return family == NFPROTO_IPV6 ? "ipv6" : "bridge";
}

void report_hooks(const std::vector<Hook>& hooks, TrackingReport& report) {
  report.from_hooks = true;
  for (const Hook& hook : hooks) {
    const HookUse use = use_of(hook);
    if (use == HookUse::kOther) continue;
    HookReport& part = use == HookUse::kTracking ? report.tracking : report.nat;
    // A bridge tracks by itself, so its hook says nothing about another family.
    Verdict& verdict = hook.family == NFPROTO_IPV4   ? part.ipv4
                       : hook.family == NFPROTO_IPV6 ? part.ipv6
                                                     : part.bridge;
    verdict = Verdict::kYes;
    part.found.push_back(std::string(family_name(hook.family)) + " hook: " + hook.function);
  }
}

}  // namespace

TrackingReport find_tracking(const Cancel* cancel) {
  TrackingReport report;
  auto socket = Socket::open(operation::kTracking);
  if (!socket) {
    mark_unknown(report, AF_UNSPEC, std::string("netlink: ") + std::strerror(socket.error().code));
    xt::scan_legacy_rules(cancel, report);
    return report;
  }
  constexpr std::uint8_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_BRIDGE};
  if (auto hooks = read_hooks(*socket, families, operation::kTracking)) {
    report_hooks(*hooks, report);
    return report;
  }
  xt::scan_legacy_rules(cancel, report);
  nft::scan_nft_rules(*socket, cancel, report);
  return report;
}

}  // namespace nf
