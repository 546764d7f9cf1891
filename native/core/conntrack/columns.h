// A batch of flows as columns in one arena, with the IPv6 addresses and the rare attributes in side
// buffers. Layout: row.h. Knows nothing of sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "core/conntrack/row.h"
#include "core/memory.h"

namespace nf::ct {

struct RowForm;

inline constexpr Column kAddressColumns[] = {Column::origSrc, Column::origDst, Column::replySrc,
                                             Column::replyDst};

// Up to 64 rows on their way into a batch, laid out as a batch of that capacity. A batch is written
// in as many memory pages at once as it has columns. Written row by row, each row would cost as
// many cache and TLB misses. The block stays in the nearest cache, and is copied to the columns one
// line at a time.
struct RowBlock {
  static constexpr std::size_t kRows = 64;
  alignas(64) std::uint8_t bytes[kRows * bytes_before(Column::count)] = {};
  std::size_t used = 0;
  std::size_t without_counters = 0;
  int top_group = 0;

  bool full() const { return used == kRows; }
};

class Columns {
 public:
  // Room for `rows` (rounded up to a multiple of 64). It grows if that is too little.
  explicit Columns(std::size_t rows = 0) : wanted_(rows) {}
  Columns(Columns&&) noexcept = default;
  Columns& operator=(Columns&&) noexcept = default;

  // False when the system has no memory; the batch stays as it was.
  bool append(const Row& row);
  // The same in two steps: rows go to a block that is not full, and the block to the batch. Nothing
  // else may be added to the batch in between.
  bool stage(const Row& row, RowBlock& block);
  bool append(RowBlock& block);
  // A row of another batch.
  bool append_from(const Columns& other, std::size_t row);
  // All rows of another batch except those in `skip` (ascending).
  bool absorb(const Columns& other, const std::vector<std::uint32_t>& skip);

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::size_t capacity() const { return capacity_; }
  // Bytes of the arena that JavaScript needs to see: groups without a row are left off.
  std::size_t arena_bytes() const { return capacity_ * bytes_through_group(top_group_); }
  std::size_t memory_bytes() const {
    return size_ * bytes_through_group(top_group_) + addresses_.size() + extra_.size() +
           extra_index_.size();
  }
  // Copies into an arena of the right size when much more was reserved than used.
  void compact();

  // A row as it was parsed. It has views into the batch: it is valid until the batch changes.
  Row read(std::size_t row) const;
  // One value, for a scan of many rows.
  template <typename T>
  T get(Column column, std::size_t row) const {
    T value{};
    std::memcpy(&value, at(column) + row * sizeof(T), sizeof(T));
    return value;
  }
  // Bits of `has`, of both words.
  std::uint64_t presence(std::size_t row) const;
  Address address(Side side, std::size_t row) const;
  // Finds an attribute of the row in the side buffer.
  bool extra(std::size_t row, std::uint16_t type, Attribute& out) const;

  // Merges a newer reading of the same flow into its row. What the reading has (counters, state …)
  // replaces what was there. What it leaves out stays. Tuples and rare attributes stay.
  void merge(std::size_t row, const Row& with);
  // Removes the last row.
  void pop();

  Memory take_arena() { return std::move(arena_); }
  GrowBuffer& addresses() { return addresses_; }
  GrowBuffer& extra_index() { return extra_index_; }
  GrowBuffer& extra_bytes() { return extra_; }
  bool any_without_counters() const { return without_counters_ > 0; }
  std::size_t without_counters() const { return without_counters_; }

 private:
  std::uint8_t* at(Column column) const { return arena_.data() + capacity_ * bytes_before(column); }
  template <typename T>
  void set(Column column, std::size_t row, T value) {
    std::memcpy(at(column) + row * sizeof(T), &value, sizeof(T));
  }
  bool counted(std::size_t row) const {
    constexpr std::uint64_t both = has::origCounters | has::replyCounters;
    static_assert(both >> 32 == 0);
    return (get<std::uint32_t>(Column::presence, row) & both) == both;
  }
  Address address_at(std::uint8_t family, std::uint32_t value) const;
  bool copy_rows(const Columns& other, std::size_t from, std::size_t to, std::uint32_t shift);
  bool copy_extra(const Columns& other, const std::vector<std::uint32_t>& skip, std::size_t base);
  const std::uint8_t* extra_of(std::size_t row) const;
  bool reserve(std::size_t rows);
  bool move_to(std::size_t capacity);
  bool index_addresses(const Row& row, RowForm& form);
  bool write_aside(const Row& row, std::size_t at_row, RowForm& form);
  bool write_extra(const Row& row, std::size_t at_row);

  Memory arena_;
  GrowBuffer addresses_;    // 16 bytes each; an address column of an IPv6 row is an index into it
  GrowBuffer extra_index_;  // {u32 row, u32 offset into extra_}, ascending rows
  GrowBuffer extra_;        // per row: attributes as the kernel sent them, then a u32 0
  std::size_t wanted_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  std::size_t without_counters_ = 0;
  int top_group_ = 0;
};

}  // namespace nf::ct
