// The names of ip_tables and ip6_tables, and the socket options by which both tell about their
// extensions. This folder knows nothing of a table's bytes.
#pragma once

#include <arpa/inet.h>
// Before the kernel's headers: libiptc's include it too, and only in this order do both fit.
#include <net/if.h>

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

namespace nf::xt {

struct Family {
  int family;  // AF_INET, AF_INET6; netfilter has the same numbers for them
  int level;   // of the socket options
  int revision_match, revision_target;
  const char* tool;  // what operations are called in errors
};

inline constexpr Family kIpv4Family{AF_INET, IPPROTO_IP, IPT_SO_GET_REVISION_MATCH,
                                    IPT_SO_GET_REVISION_TARGET, "iptables"};
inline constexpr Family kIpv6Family{AF_INET6, IPPROTO_IPV6, IP6T_SO_GET_REVISION_MATCH,
                                    IP6T_SO_GET_REVISION_TARGET, "ip6tables"};

}  // namespace nf::xt
