// A row as columns hold it. Only this file goes through the list of columns with a Row: to write
// one, to read one, and to merge one into another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "core/conntrack/row.h"

namespace nf::ct {

// What columns hold in another form than a Row does.
struct RowForm {
  std::uint32_t presence[2] = {};
  std::uint32_t address[kSides] = {};  // IPv4: the address; IPv6: where it is in the side buffer

  void set_presence(std::uint64_t bits) {
    presence[0] = static_cast<std::uint32_t>(bits);
    presence[1] = static_cast<std::uint32_t>(bits >> 32);
  }
  std::uint64_t bits() const { return presence[0] | std::uint64_t{presence[1]} << 32; }
};

// Whether a row has the value of a column.
struct Holds {
  std::uint64_t presence;
  bool event;

  bool operator()(std::uint64_t attribute) const { return (presence & attribute) != 0; }
  bool operator()(When when) const {
    switch (when) {
      case When::kAlways:
        return true;
      case When::kEvent:
        return event;
      case When::kMore:
        return presence >> 32 != 0;
    }
    return false;
  }
};

// Attributes that name a flow: they are the same in every reading of that flow.
inline constexpr std::uint64_t kNaming = has::id | has::zone | has::orig | has::reply |
                                         has::origPorts | has::replyPorts | has::origIcmp |
                                         has::replyIcmp;

namespace detail {

// 0 for attributes that name the flow, and for a When.
constexpr std::uint64_t merged(std::uint64_t attribute) { return attribute & ~kNaming; }
constexpr std::uint64_t merged(When) { return 0; }

constexpr std::uint64_t merged_attributes() {
  std::uint64_t all = 0;
#define COLUMN(name, type, group, when, value) all |= merged(when);
  NF_COLUMNS(COLUMN)
#undef COLUMN
  return all;
}

}  // namespace detail

// Attributes that have a column and do not name the flow: what a newer reading replaces.
inline constexpr std::uint64_t kMerged = detail::merged_attributes();

// Writes everything except rare attributes into row `at` of an arena of `capacity` rows. That row
// must be all zero. Returns the highest group written.
inline int write_row(const Row& row, const RowForm& form, std::uint8_t* arena, std::size_t capacity,
                     std::size_t at) {
  const Holds holds{row.presence, row.event_type != 0};
  int top = 0;
#define COLUMN(name, type, group, when, value)                                              \
  if ((group) == 0 || holds(when)) {                                                        \
    const type stored = value;                                                              \
    std::memcpy(arena + capacity * bytes_before(Column::name) + at * sizeof(type), &stored, \
                sizeof(type));                                                              \
    top = group;                                                                            \
  }
  NF_COLUMNS(COLUMN)
#undef COLUMN
  return top;
}

// The reverse of write_row. What the row does not have is left as it is, and so is what lies beyond
// the end of the arena: its last groups may be left off.
inline void read_row(std::span<const std::uint8_t> arena, std::size_t capacity, std::size_t at,
                     Row& row, RowForm& form) {
  const auto get = [&]<typename T>(Column column, T& to) {
    const std::size_t place = capacity * bytes_before(column) + at * sizeof(T);
    if (place + sizeof(T) <= arena.size()) std::memcpy(&to, arena.data() + place, sizeof(T));
  };
  get(Column::presence, form.presence[0]);
  get(Column::presenceMore, form.presence[1]);
  get(Column::type, row.event_type);
  row.presence = form.bits();
  const Holds holds{row.presence, row.event_type != 0};
#define COLUMN(name, type, group, when, value) \
  if ((group) == 0 || holds(when)) get(Column::name, value);
  NF_COLUMNS(COLUMN)
#undef COLUMN
}

// Replaces what a newer reading of the same flow has. Keeps what names the flow, and presence.
// Returns the highest group written.
inline int merge_row(const Row& row, std::uint8_t* arena, std::size_t capacity, std::size_t at) {
  const RowForm form;
  int top = 0;
#define COLUMN(name, type, group, when, value)                                              \
  if ((row.presence & detail::merged(when)) != 0) {                                         \
    const type stored = value;                                                              \
    std::memcpy(arena + capacity * bytes_before(Column::name) + at * sizeof(type), &stored, \
                sizeof(type));                                                              \
    top = group;                                                                            \
  }
  NF_COLUMNS(COLUMN)
#undef COLUMN
  return top;
}

}  // namespace nf::ct
