// Adding to the report.
#include "core/tracking_report.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <sys/socket.h>

#include <algorithm>

namespace nf {
namespace {

void mark(Verdict& verdict, Verdict value) {
  if (verdict != Verdict::kYes) verdict = value;
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

}  // namespace nf
