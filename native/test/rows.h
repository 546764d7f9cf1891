// Whether two rows are the same, for tests: everything that a reader of a batch could see.
#pragma once

#include <cstring>
#include <vector>

#include "core/conntrack/lookup_row.h"

namespace nf::test {

// A row as its columns, its addresses and its rare attributes.
inline std::vector<std::uint8_t> seen_of(const ct::Row& row) {
  constexpr std::size_t kCapacity = 64;
  std::vector<std::uint8_t> bytes(kCapacity * ct::kLookupRowBytes);
  std::vector<std::uint8_t> extra(4096);
  extra.resize(ct::store_lookup(row, bytes.data(), kCapacity, 0, extra));
  bytes.insert(bytes.end(), extra.begin(), extra.end());
  return bytes;
}

inline bool same_row(const ct::Row& a, const ct::Row& b) {
  if (a.presence != b.presence || a.family != b.family || a.extra_count != b.extra_count) {
    return false;
  }
  if (std::memcmp(a.tuple_zone, b.tuple_zone, sizeof a.tuple_zone) != 0) return false;
  if (std::memcmp(a.address, b.address, sizeof a.address) != 0) return false;
  if (a.helper.size != b.helper.size || a.event_time != b.event_time) return false;
  return a.nsid == b.nsid && a.event_type == b.event_type && seen_of(a) == seen_of(b);
}

}  // namespace nf::test
