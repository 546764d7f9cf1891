// Numbering match lists and targets.
#include "core/xtables/parts.h"

#include "core/xtables/entry.h"

namespace nf::xt {

RuleParts Parts::add(const std::uint8_t* blob, std::size_t at, Fingerprint& hash,
                     std::vector<std::uint16_t>* sets) {
  const std::uint8_t* entry = blob + at;
  const std::size_t target = load16(entry + layout_.target_offset);
  const std::size_t size = load16(entry + layout_.next_offset);
  const std::uint32_t is_goto = entry[layout_.flags] & layout_.goto_flag;
  const auto matches =
      match_lists_.number(blob, at + layout_.entry_size, target - layout_.entry_size, 0);
  const auto end = targets_.number(blob, at + target, size - target, is_goto);
  if (matches.fresh) {
    const EntryView view = view_of(layout_, entry);
    match_digests_.push_back(hash_matches(layout_, entry, view));
    if (sets != nullptr) {
      for_each_match(layout_, entry, view,
                     [&](const Part& part) { collect_sets(entry, part, *sets); });
    }
  }
  if (end.fresh) {
    const EntryView view = view_of(layout_, entry);
    target_digests_.push_back(hash_target(entry, view));
    if (sets != nullptr) collect_sets(entry, target_of(view), *sets);
  }
  hash.add(entry, layout_.comefrom);
  hash.add(match_digests_[matches.id]);
  hash.add(target_digests_[end.id]);
  return {matches.id, end.id};
}

}  // namespace nf::xt
