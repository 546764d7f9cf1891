// Reading the list of hooks.
#include "core/hooks.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "core/netlink/walk.h"

namespace nf {
namespace {

// linux/netfilter/nfnetlink_hook.h, which headers before 5.14 lack.
constexpr std::uint16_t kSubsystem = 12;  // NFNL_SUBSYS_HOOK
constexpr std::uint16_t kGet = 0;         // NFNL_MSG_HOOK_GET
enum : std::uint16_t { kPoint = 1, kPriority = 2, kFunction = 4, kModule = 5 };

// A function that kallsyms does not know is printed as a number.
bool named(const Hook& hook) {
  return !hook.function.empty() && (hook.function[0] < '0' || hook.function[0] > '9');
}

}  // namespace

// Tracking hooks look up a packet's flow. The hooks that confirm flows are registered together with
// them. Other hooks have names that begin alike: ipv4_conntrack_defrag, which TPROXY and the match
// `socket` register, tracks nothing (nf_conntrack_proto.c, nf_conntrack_bridge.c,
// nf_defrag_ipv4.c).
HookUse use_of(const Hook& hook) {
  constexpr std::string_view tracking[] = {"ipv4_conntrack_in", "ipv4_conntrack_local",
                                           "ipv6_conntrack_in", "ipv6_conntrack_local",
                                           "nf_ct_bridge_pre"};
  // A compiler may have added ".llvm.123" or the like.
  const std::string_view name = std::string_view(hook.function).substr(0, hook.function.find('.'));
  if (std::ranges::find(tracking, name) != std::end(tracking)) return HookUse::kTracking;
  // nf_nat_proto.c: nf_nat_ipv4_pre_routing, nf_nat_ipv6_out …
  if (name.starts_with("nf_nat_ipv4_") || name.starts_with("nf_nat_ipv6_")) return HookUse::kNat;
  return HookUse::kOther;
}

Hook decode_hook(std::uint8_t family, AttributeCursor attributes) {
  Hook hook;
  hook.family = family;
  for (Attribute a; attributes.next(a);) {
    if (a.type == kPoint && a.size >= 4) hook.point = a.be32();
    if (a.type == kPriority && a.size >= 4) hook.priority = static_cast<std::int32_t>(a.be32());
    if (a.type == kFunction) hook.function = a.text();
    if (a.type == kModule) hook.module = a.text();
  }
  return hook;
}

Result<std::vector<Hook>> read_hooks(Socket& socket, std::span<const std::uint8_t> families,
                                     const char* operation) {
  std::vector<Hook> hooks;
  for (const std::uint8_t family : families) {
    for (std::uint32_t point = 0; point < NF_INET_NUMHOOKS; point++) {
      const std::size_t before = hooks.size();
      WalkRequest request;
      request.type = static_cast<std::uint16_t>(kSubsystem << 8 | kGet);
      request.family = family;
      request.attributes = [point](MessageBuilder& message) { message.be32(kPoint, point); };
      auto walked = walk(
          socket, request, nullptr, operation, [&] { hooks.resize(before); },
          [&](std::uint8_t of, AttributeCursor attributes) {
            hooks.push_back(decode_hook(of, attributes));
          });
      if (!walked) {
        // nfnetlink.c: EINVAL for a subsystem that nobody registered.
        if (walked.error().code == EINVAL) {
          return fail(EOPNOTSUPP, operation, "the kernel has no nfnetlink_hook");
        }
        return walked.error();
      }
    }
  }
  for (const Hook& hook : hooks) {
    if (!named(hook)) return fail(EOPNOTSUPP, operation, "the kernel does not name its hooks");
  }
  return hooks;
}

}  // namespace nf
