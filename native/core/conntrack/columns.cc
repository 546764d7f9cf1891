// Rows into columns, and the memory of a batch.
#include "core/conntrack/columns.h"

#include <arpa/inet.h>

#include <algorithm>

#include "core/conntrack/row_form.h"
#include "core/stream_copy.h"

namespace nf::ct {
namespace {

static_assert(RowBlock::kRows % kCacheLine == 0);

// An arena of this size does not stay in a nearby cache until it is read.
constexpr std::size_t kLargerThanCaches = std::size_t{32} << 20;

std::size_t round_rows(std::size_t rows) {
  return std::max<std::size_t>(64, (rows + 63) & ~std::size_t{63});
}

}  // namespace

bool Columns::move_to(std::size_t capacity) {
  Memory next;
  if (!next.resize(capacity * bytes_before(Column::count))) return false;
  for (std::size_t i = 0; i < kColumnCount && size_ > 0; i++) {
    const auto column = static_cast<Column>(i);
    // A group that no row has is all zero: copying would only touch its pages.
    if (kColumnInfo[i].group > top_group_) break;
    std::memcpy(next.data() + capacity * bytes_before(column), at(column),
                size_ * kColumnInfo[i].size);
  }
  arena_ = std::move(next);
  capacity_ = capacity;
  return true;
}

bool Columns::reserve(std::size_t rows) {
  if (rows <= capacity_) return true;
  const std::size_t first = capacity_ == 0 ? wanted_ : capacity_ + capacity_ / 2;
  return move_to(round_rows(std::max(rows, first)));
}

void Columns::compact() {
  if (round_rows(size_) * 2 <= capacity_) move_to(round_rows(size_));
}

// IPv6 addresses go to the side buffer; an IPv4 address is its own value.
bool Columns::index_addresses(const Row& row, RowForm& form) {
  std::uint32_t(&index)[kSides] = form.address;
  if (!row.ipv6()) {
    for (int side = 0; side < kSides; side++) index[side] = ntohl(row.address[side].words[0]);
    return true;
  }
  // Without NAT the reply tuple has the same two addresses: they are stored once.
  for (int side = 0; side < kSides; side++) {
    int same = 0;
    while (same < side &&
           std::memcmp(row.address[same].bytes, row.address[side].bytes, sizeof(Address)) != 0) {
      same++;
    }
    if (same < side) {
      index[side] = index[same];
      continue;
    }
    index[side] = static_cast<std::uint32_t>(addresses_.size() / sizeof(Address));
    if (!addresses_.append(row.address[side].bytes, sizeof(Address))) return false;
  }
  return true;
}

bool Columns::write_extra(const Row& row, std::size_t at_row) {
  if (row.extra_count == 0) return true;
  const std::uint32_t entry[2] = {static_cast<std::uint32_t>(at_row),
                                  static_cast<std::uint32_t>(extra_.size())};
  if (!extra_index_.append(entry, sizeof entry)) return false;
  for (int i = 0; i < row.extra_count; i++) {
    const Attribute& a = row.extra[i];
    const std::uint16_t header[2] = {static_cast<std::uint16_t>(a.size + kAttributeHeader), a.type};
    const std::uint8_t padding[4] = {};
    if (!extra_.append(header, sizeof header) || !extra_.append(a.data, a.size) ||
        !extra_.append(padding, align4(a.size) - a.size)) {
      return false;
    }
  }
  const std::uint32_t end = 0;
  return extra_.append(&end, sizeof end);
}

// Writes what does not go into the arena unchanged. Leaves nothing behind if it fails.
bool Columns::write_aside(const Row& row, std::size_t at_row, RowForm& form) {
  form.set_presence(row.presence);
  const std::size_t extra = extra_.size();
  const std::size_t extra_index = extra_index_.size();
  const std::size_t addresses = addresses_.size();
  if (index_addresses(row, form) && write_extra(row, at_row)) return true;
  extra_.truncate(extra);
  extra_index_.truncate(extra_index);
  addresses_.truncate(addresses);
  return false;
}

bool Columns::append(const Row& row) {
  RowForm form;
  if (!reserve(size_ + 1) || !write_aside(row, size_, form)) return false;
  top_group_ = std::max(top_group_, write_row(row, form, arena_.data(), capacity_, size_));
  if (!row.have(has::origCounters | has::replyCounters)) without_counters_++;
  size_++;
  return true;
}

bool Columns::stage(const Row& row, RowBlock& block) {
  RowForm form;
  if (!write_aside(row, size_ + block.used, form)) return false;
  const int group = write_row(row, form, block.bytes, RowBlock::kRows, block.used);
  block.top_group = std::max(block.top_group, group);
  if (!row.have(has::origCounters | has::replyCounters)) block.without_counters++;
  block.used++;
  return true;
}

bool Columns::append(RowBlock& block) {
  if (block.used == 0) return true;
  if (!reserve(size_ + block.used)) return false;
  const bool past_caches =
      block.full() && arena_.size() >= kLargerThanCaches && size_ % kCacheLine == 0;
  const auto move = [&](std::size_t before, std::size_t size) {
    std::uint8_t* to = arena_.data() + capacity_ * before + size_ * size;
    const std::uint8_t* from = block.bytes + RowBlock::kRows * before;
    if (past_caches) {
      stream_copy(to, from, RowBlock::kRows * size);
    } else {
      std::memcpy(to, from, block.used * size);
    }
  };
#define COLUMN(name, type, group, when, value) \
  if ((group) <= block.top_group) move(bytes_before(Column::name), sizeof(type));
  NF_COLUMNS(COLUMN)
#undef COLUMN
  if (past_caches) end_stream_copy();
  top_group_ = std::max(top_group_, block.top_group);
  without_counters_ += block.without_counters;
  size_ += block.used;
  // What the next rows leave out must read as 0. The columns of the first group are always written.
  std::memset(block.bytes + RowBlock::kRows * bytes_through_group(0), 0,
              RowBlock::kRows * (bytes_through_group(block.top_group) - bytes_through_group(0)));
  block.used = 0;
  block.without_counters = 0;
  block.top_group = 0;
  return true;
}

void Columns::merge(std::size_t row, const Row& with) {
  const bool before = counted(row);
  // An event is partial: what it does not carry keeps its earlier value.
  const std::uint64_t merged = presence(row) | (with.presence & kMerged);
  top_group_ = std::max(top_group_, merge_row(with, arena_.data(), capacity_, row));
  set(Column::presence, row, static_cast<std::uint32_t>(merged));
  if (merged >> 32 != 0) {
    set(Column::presenceMore, row, static_cast<std::uint32_t>(merged >> 32));
    top_group_ = std::max(top_group_, group_of(Column::presenceMore));
  }
  if (!before && counted(row)) without_counters_--;
}

void Columns::pop() {
  size_--;
  if (!counted(size_)) without_counters_--;
  // What the next row leaves out must read as 0.
  for (std::size_t i = 0; i < kColumnCount; i++) {
    const std::size_t size = kColumnInfo[i].size;
    std::memset(at(static_cast<Column>(i)) + size_ * size, 0, size);
  }
  // IPv6 addresses that nothing points to any more stay, unseen. The batch frees them.
  if (extra_index_.size() == 0) return;
  std::uint32_t last[2] = {};
  std::memcpy(last, extra_index_.data() + extra_index_.size() - sizeof last, sizeof last);
  if (last[0] != size_) return;
  extra_.truncate(last[1]);
  extra_index_.truncate(extra_index_.size() - sizeof last);
}

}  // namespace nf::ct
