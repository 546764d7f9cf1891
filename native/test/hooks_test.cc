// The kernel's list of hooks: one message of it, and what each hook is for.
#include "core/hooks.h"

#include <linux/netfilter.h>

#include "core/netlink/message.h"
#include "test/check.h"

namespace nf {
namespace {

Hook named(const char* function) {
  Hook hook;
  hook.function = function;
  return hook;
}

TEST(hook_is_decoded) {
  MessageBuilder message;
  message.string(5, "nf_conntrack");       // NFNLA_HOOK_MODULE_NAME
  message.string(4, "ipv4_conntrack_in");  // NFNLA_HOOK_FUNCTION_NAME
  message.be32(1, NF_INET_LOCAL_OUT);      // NFNLA_HOOK_HOOKNUM
  message.be32(2, static_cast<std::uint32_t>(-200));
  message.string(9, "of a later kernel");
  const Hook hook = decode_hook(NFPROTO_IPV4, AttributeCursor(message.data(), message.size()));
  CHECK_EQUAL(hook.family, NFPROTO_IPV4);
  CHECK_EQUAL(hook.point, static_cast<std::uint32_t>(NF_INET_LOCAL_OUT));
  CHECK_EQUAL(hook.priority, -200);
  CHECK_EQUAL(hook.function, "ipv4_conntrack_in");
  CHECK_EQUAL(hook.module, "nf_conntrack");
}

TEST(hook_of_short_attributes_is_empty) {
  MessageBuilder message;
  message.u8(1, 3);
  message.u8(2, 3);
  const Hook hook = decode_hook(NFPROTO_IPV6, AttributeCursor(message.data(), message.size()));
  CHECK_EQUAL(hook.point, 0U);
  CHECK_EQUAL(hook.priority, 0);
  CHECK(hook.function.empty() && hook.module.empty());
}

// The names of Linux 5.14 to 6.18 (nf_conntrack_proto.c, nf_conntrack_bridge.c, nf_nat_proto.c),
// and other names from the same list.
TEST(hooks_are_told_apart_by_name) {
  for (const char* name :
       {"ipv4_conntrack_in", "ipv4_conntrack_local", "ipv6_conntrack_in", "ipv6_conntrack_local",
        "nf_ct_bridge_pre", "ipv4_conntrack_in.cfi_jt"}) {
    CHECK(use_of(named(name)) == HookUse::kTracking);
  }
  for (const char* name :
       {"nf_nat_ipv4_pre_routing", "nf_nat_ipv4_in", "nf_nat_ipv4_local_in", "nf_nat_ipv4_out",
        "nf_nat_ipv4_local_fn", "nf_nat_ipv6_in", "nf_nat_ipv6_out", "nf_nat_ipv6_fn"}) {
    CHECK(use_of(named(name)) == HookUse::kNat);
  }
  for (const char* name : {"", "ipt_do_table", "nft_do_chain_inet", "nft_nat_do_chain",
                           "ipv4_conntrack_defrag", "ipv6_defrag", "ipv4_confirm", "nf_confirm",
                           "iptable_nat_do_chain", "selinux_ip_output", "ip_vs_in_hook"}) {
    CHECK(use_of(named(name)) == HookUse::kOther);
  }
}

}  // namespace
}  // namespace nf
