// What nf_tables says about connection tracking and translation, if the kernel does not list its
// hooks.
#pragma once

#include "core/cancel.h"
#include "core/netlink/socket.h"
#include "core/tracking_report.h"

namespace nf::nft {

// In the network namespace of the socket. Tables of iptables-nft are read the same way.
void scan_nft_rules(Socket& socket, const Cancel* cancel, TrackingReport& report);

}  // namespace nf::nft
