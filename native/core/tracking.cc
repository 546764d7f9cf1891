// Whether a namespace tracks and translates: from the kernel's list of hooks, or from its rules.
#include "core/tracking.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "core/hooks.h"
#include "core/tracking_rules.h"

namespace nf {
namespace {

constexpr const char* kOperation = "conntrack tracking";

const char* family_name(std::uint8_t family) {
  if (family == NFPROTO_IPV4) return "ipv4";
  return family == NFPROTO_IPV6 ? "ipv6" : "bridge";
}

void mark(Verdict& verdict, Verdict value) {
  if (verdict != Verdict::kYes) verdict = value;
}

void report_hooks(const std::vector<Hook>& hooks, TrackingReport& report) {
  report.from_hooks = true;
  for (const Hook& hook : hooks) {
    const HookUse use = use_of(hook);
    if (use == HookUse::kOther) continue;
    HookReport& part = use == HookUse::kTracking ? report.tracking : report.nat;
    // A bridge that tracks does so by itself: here the family is that of the hook, and no more.
    Verdict& verdict = hook.family == NFPROTO_IPV4   ? part.ipv4
                       : hook.family == NFPROTO_IPV6 ? part.ipv6
                                                     : part.bridge;
    verdict = Verdict::kYes;
    part.found.push_back(std::string(family_name(hook.family)) + " hook: " + hook.function);
  }
}

}  // namespace

void mark_found(HookReport& report, std::uint8_t family, std::string reason) {
  const bool inet = family == NFPROTO_INET || family == NFPROTO_BRIDGE;
  if (inet || family == NFPROTO_IPV4) report.ipv4 = Verdict::kYes;
  if (inet || family == NFPROTO_IPV6) report.ipv6 = Verdict::kYes;
  if (family == NFPROTO_BRIDGE) report.bridge = Verdict::kYes;
  if (std::ranges::find(report.found, reason) == report.found.end()) {
    report.found.push_back(std::move(reason));
  }
}

void mark_unknown(TrackingReport& report, std::uint8_t family, std::string reason) {
  for (HookReport* part : {&report.tracking, &report.nat}) {
    if (family != NFPROTO_IPV6) mark(part->ipv4, Verdict::kUnknown);
    if (family != NFPROTO_IPV4) mark(part->ipv6, Verdict::kUnknown);
    if (family == AF_UNSPEC) mark(part->bridge, Verdict::kUnknown);
  }
  // No bridge translates (nf_nat_proto.c has IPv4 and IPv6).
  report.nat.bridge = Verdict::kNo;
  if (std::ranges::find(report.unknown, reason) == report.unknown.end()) {
    report.unknown.push_back(std::move(reason));
  }
}

TrackingReport find_tracking() {
  TrackingReport report;
  auto socket = Socket::open(kOperation);
  if (!socket) {
    mark_unknown(report, AF_UNSPEC, std::string("netlink: ") + std::strerror(socket.error().code));
    scan_legacy_rules(report);
    return report;
  }
  constexpr std::uint8_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_BRIDGE};
  if (auto hooks = read_hooks(*socket, families, kOperation)) {
    report_hooks(*hooks, report);
    return report;
  }
  scan_legacy_rules(report);
  scan_nft_rules(*socket, report);
  return report;
}

}  // namespace nf
