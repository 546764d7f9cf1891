// The tables of iptables in nf_tables, and their base chains, as iptables-nft makes them: hook,
// priority and type. A chain with such a name and another hook is not iptables'.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/xtables/image.h"

namespace nf::nft {

struct BuiltinChain {
  std::uint32_t hook;  // NF_INET_*
  std::int32_t priority;
  const char* type;

  std::string_view name() const { return xt::kHookNames[hook]; }
};

struct BuiltinTable {
  std::string_view name;
  std::span<const BuiltinChain> chains;  // in the order of the hooks
  std::int32_t other_priority = 0;       // that some release writes; 0: none

  const BuiltinChain* find(std::string_view chain) const {
    for (const BuiltinChain& one : chains) {
      if (one.name() == chain) return &one;
    }
    return nullptr;
  }
  // Whether a base chain is as iptables-nft makes it.
  bool has(std::string_view chain, std::string_view type, std::uint32_t hook,
           std::int32_t priority) const {
    const BuiltinChain* builtin = find(chain);
    return builtin != nullptr && type == builtin->type && hook == builtin->hook &&
           (priority == builtin->priority || (other_priority != 0 && priority == other_priority));
  }
};

inline constexpr BuiltinChain kRawChains[] = {
    {NF_INET_PRE_ROUTING, -300, "filter"},
    {NF_INET_LOCAL_OUT, -300, "filter"},
};
// The packets of OUTPUT are routed again if the chain changes them.
inline constexpr BuiltinChain kMangleChains[] = {
    {NF_INET_PRE_ROUTING, -150, "filter"},  {NF_INET_LOCAL_IN, -150, "filter"},
    {NF_INET_FORWARD, -150, "filter"},      {NF_INET_LOCAL_OUT, -150, "route"},
    {NF_INET_POST_ROUTING, -150, "filter"},
};
inline constexpr BuiltinChain kNatChains[] = {
    {NF_INET_PRE_ROUTING, -100, "nat"},
    {NF_INET_LOCAL_IN, 100, "nat"},
    {NF_INET_LOCAL_OUT, -100, "nat"},
    {NF_INET_POST_ROUTING, 100, "nat"},
};
inline constexpr BuiltinChain kFilterChains[] = {
    {NF_INET_LOCAL_IN, 0, "filter"},
    {NF_INET_FORWARD, 0, "filter"},
    {NF_INET_LOCAL_OUT, 0, "filter"},
};
// The legacy table has 50 here.
inline constexpr BuiltinChain kSecurityChains[] = {
    {NF_INET_LOCAL_IN, 150, "filter"},
    {NF_INET_FORWARD, 150, "filter"},
    {NF_INET_LOCAL_OUT, 150, "filter"},
};
inline constexpr BuiltinTable kBuiltinTables[] = {
    {"filter", kFilterChains},         {"nat", kNatChains},
    {"mangle", kMangleChains},         {"raw", kRawChains},
    {"security", kSecurityChains, 50},
};

// nullptr: iptables has no table of that name.
inline const BuiltinTable* builtin_table(std::string_view name) {
  for (const BuiltinTable& table : kBuiltinTables) {
    if (table.name == name) return &table;
  }
  return nullptr;
}

}  // namespace nf::nft
