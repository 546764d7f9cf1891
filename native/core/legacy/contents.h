// What a table holds, each thing with how often: rules by chain and content, chains by policy.
// Tells whether an edit is in a table that somebody else has changed as well.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "core/legacy/layout.h"
#include "core/legacy/snapshot.h"

namespace nf::xt {

using Contents = std::unordered_map<std::uint64_t, std::int64_t>;

void count_chain(Contents& contents, std::string_view name, std::uint32_t policy);
// `entry` is in portable form.
void count_rule(Contents& contents, std::string_view chain, const Layout& layout,
                const std::uint8_t* entry);
Contents contents_of(const Snapshot& snapshot);

// Whether a table that another writer has changed as well still shows an edit that turned `before`
// into `after`: all of what it added and took away, or nothing of it. Neither, and nobody can tell.
enum class Shows { kAll, kNothing, kPart };
Shows shows_edit(const Contents& before, const Contents& after, const Contents& now);

}  // namespace nf::xt
