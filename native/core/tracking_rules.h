// What the rules of a network namespace say about connection tracking and translation: the parts of
// find_tracking for kernels that do not list their hooks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/netlink/attribute.h"
#include "core/netlink/socket.h"
#include "core/tracking.h"

namespace nf {

// Marks the families that a request of `family` (NFPROTO_*, NFPROTO_INET for both) registers hooks
// for (nf_conntrack_proto.c: nf_ct_netns_get), and notes the reason once.
void mark_found(HookReport& report, std::uint8_t family, std::string reason);
// What could not be looked at in `family` (AF_UNSPEC for all).
void mark_unknown(TrackingReport& report, std::uint8_t family, std::string reason);

// Whether this match or target of iptables asks for tracking when a rule with it is loaded.
bool extension_tracks(std::string_view name, std::span<const std::uint8_t> data);

void scan_legacy_rules(TrackingReport& report);
void scan_nft_rules(Socket& socket, TrackingReport& report);

}  // namespace nf
