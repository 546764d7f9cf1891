// How much the legacy tables of a network namespace hold: what the choice of a backend needs. Their
// rules are not kept in memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "core/result.h"
#include "core/xtables/layout.h"

namespace nf::xt {

struct TableLook {
  std::string name;
  std::uint32_t rules = 0;   // without policies
  std::uint32_t chains = 0;  // built-in and other chains
  bool own_chains = false;   // one of them is not built in
  bool drops = false;        // a policy is DROP
};

// Counts what the kernel sent for `info`. Null, or what is wrong with it.
const char* count_table(const Layout& layout, const ipt_getinfo& info,
                        std::span<const std::uint8_t> blob, TableLook& out);

// Every table that the network namespace of the calling thread has, in the kernel's order. Makes no
// table, and loads no module. EACCES as in registered_tables().
Result<std::vector<TableLook>> look_at_tables(const Layout& layout, const Cancel* cancel);

}  // namespace nf::xt
