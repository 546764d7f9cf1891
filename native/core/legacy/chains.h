// A table's blob as chains and rules. One bounds-checked pass that keeps nothing. The caller
// says what to do with each: make a snapshot, or only count. Nothing in the blob is trusted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/xtables/entry.h"
#include "core/xtables/image.h"
#include "core/xtables/layout.h"

namespace nf::xt {

struct ChainHead {
  std::string_view name;   // points into the blob, or to kHookNames
  std::uint32_t hook = 0;  // hook number + 1 of a built-in chain, 0 of any other
  std::size_t start = 0;   // where a jump to it leads
};

struct ChainEnd {
  Policy policy = kPolicyNone;  // kPolicyNone of a chain that is not built in
  Counters counters;            // of the policy
};

// Reads the last entry of a chain. It is no rule, but a policy, or the return of a user's chain.
// Null, or what is wrong with it.
const char* read_end(const Layout& layout, const ipt_getinfo& info, std::uint32_t hook,
                     const std::uint8_t* blob, std::size_t at, const EntryView& view,
                     ChainEnd& out);

// Calls, in the order of the blob,
//   visitor.entry(at, view)  for every entry, before anything else is done with it
//   visitor.chain(head)      when a chain begins
//   visitor.rule(at, view)   for every rule of it
//   visitor.end(end)         when the chain has ended
// until something is wrong. Null, or what that is. `blob` is what the kernel sent for `info`.
template <typename Visitor>
const char* walk_chains(const Layout& layout, const ipt_getinfo& info,
                        std::span<const std::uint8_t> blob, Visitor& visitor) {
  std::uint32_t entries = 0;
  std::uint32_t hooks = 0;
  bool ended = false;
  bool open = false;
  std::uint32_t hook = 0;  // of the open chain
  // The last entry of a chain is no rule. So an entry is known to be a rule when the next one
  // comes.
  bool waiting = false;
  std::size_t last_at = 0;
  EntryView last;
  const auto close = [&]() -> const char* {
    if (!open) return nullptr;
    open = false;
    if (!waiting) return "a chain has no closing rule";
    waiting = false;
    ChainEnd end;
    if (const char* why = read_end(layout, info, hook, blob.data(), last_at, last, end);
        why != nullptr) {
      return why;
    }
    visitor.end(end);
    return nullptr;
  };
  for (std::size_t at = 0; at < blob.size(); entries++) {
    if (ended) return "there are entries behind the end of the table";
    EntryView view;
    if (const char* why = view_entry(layout, blob.data() + at, blob.size() - at, view);
        why != nullptr) {
      return why;
    }
    visitor.entry(at, view);
    if (view.target_name == XT_ERROR_TARGET) {
      if (view.target_size < kErrorSize) return "a chain head has a wrong size";
      if (const char* why = close(); why != nullptr) return why;
      if (at + view.size == blob.size()) {
        ended = true;
      } else {
        const auto* name = reinterpret_cast<const char*>(blob.data() + at + view.target + kHeader);
        const std::size_t size = ::strnlen(name, XT_FUNCTION_MAXNAMELEN);
        if (size == XT_FUNCTION_MAXNAMELEN) return "a chain's name does not end";
        open = true;
        hook = 0;
        visitor.chain(ChainHead{{name, size}, hook, at + view.size});
      }
    } else {
      for (std::uint32_t i = 0; i < NF_INET_NUMHOOKS; i++) {
        if ((info.valid_hooks & (1U << i)) == 0 || info.hook_entry[i] != at) continue;
        if (const char* why = close(); why != nullptr) return why;
        open = true;
        hook = i + 1;
        hooks |= 1U << i;
        visitor.chain(ChainHead{kHookNames[i], hook, at});
      }
      if (!open) return "a rule lies outside every chain";
      if (waiting) visitor.rule(last_at, last);
      waiting = true;
      last_at = at;
      last = view;
    }
    at += view.size;
  }
  if (!ended) return "the table does not end";
  // A dump that lost rules must never be taken for the table: writing it back would delete them.
  if (entries != info.num_entries) return "the kernel counts more or fewer entries than it sent";
  if (hooks != info.valid_hooks) return "a hook has no chain of its own";
  return nullptr;
}

}  // namespace nf::xt
