// Finds flows that several parts of a dump have. Sieves of ids come first, so that only a few of a
// million rows are looked at twice. Then tuple and zone decide.
#include "core/conntrack/dump/doubles.h"

#include <algorithm>
#include <bit>

#include "core/conntrack/request/tuple_request.h"

namespace nf::ct {
namespace {

struct Place {
  std::uint32_t id;
  std::uint32_t row;
  std::size_t part;
};

std::uint32_t id_at(const Columns& columns, std::size_t row) {
  return columns.get<std::uint32_t>(Column::id, row);
}

// The rows of a part whose id the sieve may have.
void collect(const Columns& columns, std::size_t part, const IdSieve& ids,
             std::vector<Place>& into) {
  for (std::size_t row = 0; row < columns.size(); row++) {
    const std::uint32_t id = id_at(columns, row);
    if (ids.may_have(id)) into.push_back({id, static_cast<std::uint32_t>(row), part});
  }
}

// CTA_ID is a 32-bit hash: among a million flows about a hundred share one. Tuple and zone decide.
bool same_flow(const Columns& a, std::size_t a_row, const Columns& b, std::size_t b_row) {
  const PackedTuple first = pack_tuple(a.read(a_row));
  const PackedTuple second = pack_tuple(b.read(b_row));
  return std::memcmp(&first, &second, sizeof first) == 0;
}

}  // namespace

IdSieve::IdSieve(std::size_t ids) {
  constexpr std::size_t kFewest = 64;
  constexpr std::size_t kMost = std::size_t{1} << 27;  // 16 MiB
  const std::size_t bits = std::bit_ceil(std::clamp(ids * 32, kFewest, kMost));
  shift_ = 32 - static_cast<unsigned>(std::countr_zero(bits));
  words_.resize(bits / 64);
}

void IdSieve::add_all(const Columns& columns) {
  for (std::size_t row = 0; row < columns.size(); row++) add(id_at(columns, row));
}

void IdSieve::add_all(const IdSieve& other) {
  for (std::size_t i = 0; i < words_.size(); i++) words_[i] |= other.words_[i];
}

std::vector<std::vector<std::uint32_t>> find_doubles(std::span<DumpPart> parts) {
  std::vector<std::vector<std::uint32_t>> doubles(parts.size());
  std::vector<Place> suspects;
  for (std::size_t p = 1; p < parts.size(); p++) {
    if (p > 1) parts[0].ids.add_all(parts[p - 1].ids);
    collect(parts[p].columns, p, parts[0].ids, suspects);
  }
  if (suspects.empty()) return doubles;
  IdSieve wanted(suspects.size());
  for (const Place& suspect : suspects) wanted.add(suspect.id);
  std::vector<Place> known;
  for (std::size_t p = 0; p + 1 < parts.size(); p++) collect(parts[p].columns, p, wanted, known);
  std::sort(known.begin(), known.end(), [](const Place& a, const Place& b) { return a.id < b.id; });
  for (const Place& suspect : suspects) {
    auto other = std::lower_bound(known.begin(), known.end(), suspect.id,
                                  [](const Place& a, std::uint32_t id) { return a.id < id; });
    for (; other != known.end() && other->id == suspect.id; ++other) {
      if (other->part >= suspect.part) continue;
      if (!same_flow(parts[other->part].columns, other->row, parts[suspect.part].columns,
                     suspect.row)) {
        continue;
      }
      doubles[suspect.part].push_back(suspect.row);
      break;
    }
  }
  return doubles;
}

}  // namespace nf::ct
