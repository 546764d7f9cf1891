// Extensions that ask for connection tracking.
#include "core/xtables/tracking.h"

#include <linux/netfilter/xt_CT.h>

#include <algorithm>
#include <cstring>
#include <iterator>

namespace nf::xt {

// The extensions whose checkentry calls nf_ct_netns_get (net/netfilter/xt_*.c, net/ipv*/netfilter).
// Neither NOTRACK nor CT with --notrack does.
bool extension_tracks(std::string_view name, std::span<const std::uint8_t> data) {
  constexpr std::string_view names[] = {
      "conntrack", "state",    "connmark", "connbytes",   "connlimit",  "connlabel",
      "helper",    "cluster",  "CONNMARK", "CONNSECMARK", "SNAT",       "DNAT",
      "NETMAP",    "REDIRECT", "SYNPROXY", "CLUSTERIP",   "MASQUERADE",
  };
  if (name == "CT") {
    // The flags are the first field in each revision of its data.
    std::uint16_t flags = 0;
    if (data.size() < sizeof flags) return true;
    std::memcpy(&flags, data.data(), sizeof flags);
    return (flags & XT_CT_NOTRACK) == 0;
  }
  return std::ranges::find(names, name) != std::end(names);
}

}  // namespace nf::xt
