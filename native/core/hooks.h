// The netfilter hooks that are registered in a network namespace, as the kernel lists them
// (nfnetlink_hook, Linux 5.14, CONFIG_NETFILTER_NETLINK_HOOK), and which of them track connections
// or translate addresses. The hooks decide what happens to packets: no rule has to be read.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/netlink/attribute.h"
#include "core/netlink/socket.h"
#include "core/result.h"

namespace nf {

struct Hook {
  std::uint8_t family = 0;    // NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_BRIDGE
  std::uint32_t point = 0;    // NF_INET_PRE_ROUTING …, NF_BR_PRE_ROUTING …
  std::int32_t priority = 0;  // NF_IP_PRI_CONNTRACK is -200
  std::string function;       // "ipv4_conntrack_in"; empty if the kernel has no symbols
  std::string module;         // empty if it is built in
};

enum class HookUse : std::uint8_t { kOther, kTracking, kNat };
HookUse use_of(const Hook& hook);

// One hook of a list, from the attributes of its message.
Hook decode_hook(std::uint8_t family, AttributeCursor attributes);

// Every hook of these families, in the network namespace of the socket. Needs CAP_NET_ADMIN in it.
// EOPNOTSUPP if the kernel has no such list, or the list has no names of functions.
Result<std::vector<Hook>> read_hooks(Socket& socket, std::span<const std::uint8_t> families,
                                     const char* operation);

}  // namespace nf
