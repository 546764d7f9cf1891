// One rule as bytes: a bounds-checked walk, the portable form, and which bytes are content and
// which are the kernel's own. Knows the framing of an entry, not what its extensions mean.
//
// The portable form of an entry is the kernel's bytes, with two differences. The name field of a
// *standard* target holds the verdict or the chain ("ACCEPT", "DROP", "QUEUE", "RETURN", a chain,
// "" for none), and its verdict is 0. Offsets mean nothing outside the blob that they come from,
// and libiptc takes entries in this form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/xtables/fingerprint.h"
#include "core/xtables/layout.h"

namespace nf::xt {

// What a walk over one entry found. Offsets are from the start of the entry.
struct EntryView {
  std::size_t size = 0;
  std::size_t target = 0;       // offset of the target header
  std::size_t target_size = 0;  // with its header
  std::string_view target_name;
  std::uint8_t target_revision = 0;
};

// One match or target inside an entry.
struct Part {
  std::size_t offset = 0;  // of its header
  std::size_t size = 0;    // with the header
  std::string_view name;
  std::uint8_t revision = 0;
  bool target = false;
};

// The first thing that is wrong with the entry at `data` (of at most `available` bytes), or nullptr
// and `out` filled. No byte outside [data, data + available) is read.
const char* view_entry(const Layout& layout, const std::uint8_t* data, std::size_t available,
                       EntryView& out);

// Calls `visit(Part)` for every match of an entry that view_entry accepted.
template <typename Visit>
void for_each_match(const Layout& layout, const std::uint8_t* data, const EntryView& view,
                    Visit visit) {
  for (std::size_t at = layout.entry_size; at < view.target;) {
    Part part;
    part.offset = at;
    part.size = load16(data + at);
    const char* name = reinterpret_cast<const char*>(data + at + 2);
    part.name = std::string_view(name, ::strnlen(name, kNameSize));
    part.revision = data[at + 31];
    visit(part);
    at += part.size;
  }
}

inline Part target_of(const EntryView& view) {
  return {view.target, view.target_size, view.target_name, view.target_revision, true};
}

// The same for every match and for the target.
template <typename Visit>
void for_each_part(const Layout& layout, const std::uint8_t* data, const EntryView& view,
                   Visit visit) {
  for_each_match(layout, data, view, visit);
  visit(target_of(view));
}

// How many bytes of this extension's payload user space gave; what follows is the kernel's private
// state, which kernels before 4.11 also copy out (pointers, token buckets). The whole payload for
// everything that has no such tail.
std::size_t public_size(const Part& part);

// Clears the bytes behind the NUL of every name. The kernel writes a name and its NUL only
// (x_tables.c, xt_obj_to_user). The rest is what was in the reader's memory.
void clear_name_tails(const Layout& layout, std::uint8_t* data, const EntryView& view);

// The view of an entry that view_entry accepted.
EntryView view_of(const Layout& layout, const std::uint8_t* data);

// The content of a portable entry with clear name tails is everything except its counters,
// `comefrom` (the kernel's note of the hooks that reach the rule) and the private tails. It has
// three pieces: the bytes before `comefrom`, the matches, and the target with the bytes up to the
// next rule.
Digest hash_matches(const Layout& layout, const std::uint8_t* data, const EntryView& view);
Digest hash_target(const std::uint8_t* data, const EntryView& view);
// Hashes all three pieces.
void hash_entry(const Layout& layout, const std::uint8_t* data, const EntryView& view,
                Fingerprint& hash);
// Whether two portable entries have the same content in that sense; name tails do not matter.
bool same_content(const Layout& layout, const std::uint8_t* a, const std::uint8_t* b);

// The indexes of IP sets that a match or target refers to.
void collect_sets(const std::uint8_t* data, const Part& part, std::vector<std::uint16_t>& out);

// Whether this name, as the target of a portable entry, is a verdict.
bool is_verdict(std::string_view name);
// Null if a chain name can be written to the kernel and read back, otherwise what is wrong with it.
const char* bad_chain_name(std::string_view name);

}  // namespace nf::xt
