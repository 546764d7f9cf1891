// Copies rows of one batch into another.
#include <sys/socket.h>

#include <algorithm>

#include "core/conntrack/columns.h"

namespace nf::ct {

bool Columns::append_from(const Columns& other, std::size_t from) {
  if (!reserve(size_ + 1)) return false;
  for (std::size_t i = 0; i < kColumnCount; i++) {
    if (kColumnInfo[i].group > other.top_group_) break;
    const auto column = static_cast<Column>(i);
    const std::size_t size = kColumnInfo[i].size;
    std::memcpy(at(column) + size_ * size, other.at(column) + from * size, size);
  }
  if (other.get<std::uint8_t>(Column::family, from) == AF_INET6) {
    for (int side = 0; side < kSides; side++) {
      const Address address = other.address(static_cast<Side>(side), from);
      set(kAddressColumns[side], size_,
          static_cast<std::uint32_t>(addresses_.size() / sizeof(Address)));
      if (!addresses_.append(address.bytes, sizeof address)) return false;
    }
  }
  if (const std::uint8_t* begin = other.extra_of(from)) {
    const auto* at_byte = begin;
    std::uint32_t entry[2] = {static_cast<std::uint32_t>(size_),
                              static_cast<std::uint32_t>(extra_.size())};
    AttributeCursor cursor(
        begin, other.extra_.size() - static_cast<std::size_t>(begin - other.extra_.data()));
    for (Attribute a; cursor.next(a);) at_byte = a.data + align4(a.size);
    const std::uint32_t end = 0;
    if (!extra_index_.append(entry, sizeof entry) ||
        !extra_.append(begin, static_cast<std::size_t>(at_byte - begin)) ||
        !extra_.append(&end, sizeof end)) {
      return false;
    }
  }
  top_group_ = std::max(top_group_, other.top_group_);
  if (!counted(size_)) without_counters_++;
  size_++;
  return true;
}

bool Columns::copy_rows(const Columns& other, std::size_t from, std::size_t to,
                        std::uint32_t shift) {
  const std::size_t count = to - from;
  if (!reserve(size_ + count)) return false;
  for (std::size_t i = 0; i < kColumnCount && count > 0; i++) {
    if (kColumnInfo[i].group > other.top_group_) break;
    const auto column = static_cast<Column>(i);
    const std::size_t size = kColumnInfo[i].size;
    std::memcpy(at(column) + size_ * size, other.at(column) + from * size, count * size);
  }
  const bool look = shift != 0 || other.addresses_.size() > 0 || other.without_counters_ > 0;
  for (std::size_t row = size_; look && row < size_ + count; row++) {
    if (!counted(row)) without_counters_++;
    if (get<std::uint8_t>(Column::family, row) != AF_INET6) continue;
    for (const Column column : kAddressColumns) {
      set(column, row, get<std::uint32_t>(column, row) + shift);
    }
  }
  size_ += count;
  return true;
}

bool Columns::copy_extra(const Columns& other, const std::vector<std::uint32_t>& skip,
                         std::size_t base) {
  auto skipped = skip.begin();
  for (std::size_t i = 0; i < other.extra_index_.size(); i += 2 * sizeof(std::uint32_t)) {
    std::uint32_t entry[2] = {};
    std::memcpy(entry, other.extra_index_.data() + i, sizeof entry);
    while (skipped != skip.end() && *skipped < entry[0]) ++skipped;
    if (skipped != skip.end() && *skipped == entry[0]) continue;
    std::size_t end = other.extra_.size();
    if (i + 2 * sizeof entry <= other.extra_index_.size()) {
      std::uint32_t next[2] = {};
      std::memcpy(next, other.extra_index_.data() + i + sizeof entry, sizeof next);
      end = next[1];
    }
    const auto before = static_cast<std::uint32_t>(skipped - skip.begin());
    const std::uint32_t moved[2] = {static_cast<std::uint32_t>(base + entry[0] - before),
                                    static_cast<std::uint32_t>(extra_.size())};
    if (!extra_index_.append(moved, sizeof moved) ||
        !extra_.append(other.extra_.data() + entry[1], end - entry[1])) {
      return false;
    }
  }
  return true;
}

bool Columns::absorb(const Columns& other, const std::vector<std::uint32_t>& skip) {
  const std::size_t base = size_;
  const auto shift = static_cast<std::uint32_t>(addresses_.size() / sizeof(Address));
  if (!addresses_.append(other.addresses_.data(), other.addresses_.size())) return false;
  top_group_ = std::max(top_group_, other.top_group_);
  std::size_t from = 0;
  for (const std::uint32_t row : skip) {
    if (!copy_rows(other, from, row, shift)) return false;
    from = row + std::size_t{1};
  }
  return copy_rows(other, from, other.size_, shift) && copy_extra(other, skip, base);
}

}  // namespace nf::ct
