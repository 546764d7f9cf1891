// What a table holds, and how often: rules by chain and content, chains by policy. Shows whether an
// edit is in a table that somebody else has changed too.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "core/legacy/snapshot.h"
#include "core/xtables/layout.h"

namespace nf::xt {

using Contents = std::unordered_map<std::uint64_t, std::int64_t>;

void count_chain(Contents& contents, std::string_view name, std::uint32_t policy);
// `entry` is in portable form.
void count_rule(Contents& contents, std::string_view chain, const Layout& layout,
                const std::uint8_t* entry);
Contents contents_of(const Snapshot& snapshot);

// An edit turned `before` into `after`, and another writer changed the table too. Does the table
// show all that the edit added and removed, or nothing of it? With kPart nobody can tell.
enum class Shows { kAll, kNothing, kPart };
Shows shows_edit(const Contents& before, const Contents& after, const Contents& now);

}  // namespace nf::xt
