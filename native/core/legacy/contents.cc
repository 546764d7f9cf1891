// Counting what a table holds.
#include "core/legacy/contents.h"

#include "core/xtables/entry.h"
#include "core/xtables/fingerprint.h"

namespace nf::xt {

void count_chain(Contents& contents, std::string_view name, std::uint32_t policy) {
  Fingerprint hash;
  hash.add(name.data(), name.size());
  hash.add(policy);
  contents[hash.digest()[0]]++;
}

void count_rule(Contents& contents, std::string_view chain, const Layout& layout,
                const std::uint8_t* entry) {
  EntryView view;
  if (view_entry(layout, entry, load16(entry + layout.next_offset), view) != nullptr) return;
  Fingerprint hash;
  hash.add(chain.data(), chain.size());
  hash_entry(layout, entry, view, hash);
  contents[hash.digest()[0]]++;
}

Contents contents_of(const Snapshot& snapshot) {
  Contents contents;
  for (std::uint32_t i = 0; i < snapshot.chain_count(); i++) {
    const ChainRecord& chain = snapshot.chain(i);
    count_chain(contents, chain_name(chain.name), chain.policy);
    for (std::uint32_t k = 0; k < chain.count; k++) {
      count_rule(contents, chain_name(chain.name), snapshot.layout(),
                 snapshot.rule(chain.first + k));
    }
  }
  return contents;
}

Shows shows_edit(const Contents& before, const Contents& after, const Contents& now) {
  const auto count = [](const Contents& contents, std::uint64_t key) {
    const auto found = contents.find(key);
    return found == contents.end() ? 0 : found->second;
  };
  bool differs = false;
  bool all = true;
  bool nothing = true;
  const auto look = [&](std::uint64_t key) {
    const std::int64_t delta = count(after, key) - count(before, key);
    if (delta == 0) return;
    differs = true;
    const std::int64_t seen = count(now, key) - count(before, key);
    if (delta > 0 ? seen < delta : seen > delta) all = false;
    if (delta > 0 ? seen > 0 : seen < 0) nothing = false;
  };
  for (const auto& [key, unused] : after) look(key);
  for (const auto& [key, unused] : before) look(key);
  // An edit that only moves rules leaves no trace here.
  if (!differs) return Shows::kPart;
  if (all) return Shows::kAll;
  return nothing ? Shows::kNothing : Shows::kPart;
}

}  // namespace nf::xt
