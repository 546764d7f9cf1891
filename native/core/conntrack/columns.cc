// Rows into columns.
#include "core/conntrack/columns.h"

#include <arpa/inet.h>

#include <algorithm>

#include "core/stream_copy.h"

namespace nf::ct {
namespace {

static_assert(RowBlock::kRows % kCacheLine == 0);

// An arena of that size is not in a nearby cache when it is read.
constexpr std::size_t kLargerThanCaches = std::size_t{32} << 20;

std::size_t round_rows(std::size_t rows) {
  return std::max<std::size_t>(64, (rows + 63) & ~std::size_t{63});
}

constexpr std::uint8_t kIpv6 = 10;  // AF_INET6

constexpr Column kAddressColumns[] = {Column::origSrc, Column::origDst, Column::replySrc,
                                      Column::replyDst};
constexpr Column kPortColumns[] = {Column::origSrcPort, Column::origDstPort, Column::replySrcPort,
                                   Column::replyDstPort};

// Everything but rare attributes, into an arena that is all zero there. `address` is what goes into
// the address columns. Returns the highest group written.
int write_row(const Row& row, const std::uint32_t (&address)[kSides], std::uint8_t* arena,
              std::size_t capacity, std::size_t i) {
  const auto set = [&]<typename T>(Column column, std::size_t at, T value) {
    std::memcpy(arena + capacity * bytes_before(column) + at * sizeof(T), &value, sizeof(T));
  };
  set(Column::presence, i, row.presence);
  set(Column::id, i, row.id);
  set(Column::status, i, row.status);
  set(Column::timeout, i, row.timeout);
  set(Column::mark, i, row.mark);
  set(Column::use, i, row.use);
  for (int side = 0; side < kSides; side++) {
    set(kAddressColumns[side], i, address[side]);
    set(kPortColumns[side], i, row.port[side]);
  }
  set(Column::zone, i, row.zone);
  set(Column::family, i, row.family);
  set(Column::protocol, i, row.protocol);
  set(Column::state, i, row.state);
  int group = 0;
  if ((row.presence & (has::tcpWscale | has::tcpFlags)) != 0) {
    const bool scales = row.have(has::tcpWscale);
    const bool flags = row.have(has::tcpFlags);
    set(Column::tcpWscaleOrig, i, scales ? row.wscale[0] : std::uint8_t{0});
    set(Column::tcpWscaleReply, i, scales ? row.wscale[1] : std::uint8_t{0});
    set(Column::tcpFlagsOrig, i, flags ? row.tcp_flags[0] : std::uint8_t{0});
    set(Column::tcpFlagsReply, i, flags ? row.tcp_flags[1] : std::uint8_t{0});
    group = 1;
  }
  if (row.have(has::origCounters)) {
    set(Column::origPackets, i, row.counters[0]);
    set(Column::origBytes, i, row.counters[1]);
    group = 2;
  }
  if (row.have(has::replyCounters)) {
    set(Column::replyPackets, i, row.counters[2]);
    set(Column::replyBytes, i, row.counters[3]);
    group = 2;
  }
  if (row.have(has::start)) {
    set(Column::start, i, row.start);
    group = 3;
  }
  if (row.have(has::stop)) {
    set(Column::stop, i, row.stop);
    group = 4;
  }
  if (row.event_type != 0) {
    set(Column::type, i, row.event_type);
    set(Column::nsid, i, row.nsid);
    if (row.have(has::timestampEvent)) set(Column::timestampEvent, i, row.event_time);
    group = 5;
  }
  return group;
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
bool Columns::index_addresses(const Row& row, std::uint32_t (&index)[kSides]) {
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

// What does not go into the arena. Leaves nothing behind where it fails.
bool Columns::write_aside(const Row& row, std::size_t at_row, std::uint32_t (&index)[kSides]) {
  const std::size_t extra = extra_.size();
  const std::size_t extra_index = extra_index_.size();
  const std::size_t addresses = addresses_.size();
  if (index_addresses(row, index) && write_extra(row, at_row)) return true;
  extra_.truncate(extra);
  extra_index_.truncate(extra_index);
  addresses_.truncate(addresses);
  return false;
}

bool Columns::append(const Row& row) {
  std::uint32_t address[kSides] = {};
  if (!reserve(size_ + 1) || !write_aside(row, size_, address)) return false;
  top_group_ = std::max(top_group_, write_row(row, address, arena_.data(), capacity_, size_));
  if (!row.have(has::origCounters | has::replyCounters)) without_counters_++;
  size_++;
  return true;
}

bool Columns::stage(const Row& row, RowBlock& block) {
  std::uint32_t address[kSides] = {};
  if (!write_aside(row, size_ + block.used, address)) return false;
  const int group = write_row(row, address, block.bytes, RowBlock::kRows, block.used);
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
#define COLUMN(name, type, group) \
  if ((group) <= block.top_group) move(bytes_before(Column::name), sizeof(type));
  NF_COLUMNS(COLUMN)
#undef COLUMN
  if (past_caches) end_stream_copy();
  top_group_ = std::max(top_group_, block.top_group);
  without_counters_ += block.without_counters;
  size_ += block.used;
  // What the next rows leave out must read as 0; the columns of the first group are always written.
  std::memset(block.bytes + RowBlock::kRows * bytes_through_group(0), 0,
              RowBlock::kRows * (bytes_through_group(block.top_group) - bytes_through_group(0)));
  block.used = 0;
  block.without_counters = 0;
  block.top_group = 0;
  return true;
}

bool Columns::append_from(const Columns& other, std::size_t from) {
  if (!reserve(size_ + 1)) return false;
  for (std::size_t i = 0; i < kColumnCount; i++) {
    if (kColumnInfo[i].group > other.top_group_) break;
    const auto column = static_cast<Column>(i);
    const std::size_t size = kColumnInfo[i].size;
    std::memcpy(at(column) + size_ * size, other.at(column) + from * size, size);
  }
  if (other.get<std::uint8_t>(Column::family, from) == kIpv6) {
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
  constexpr std::uint32_t counted = has::origCounters | has::replyCounters;
  const auto presence = get<std::uint32_t>(Column::presence, size_);
  if ((presence & counted) != counted) without_counters_++;
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
  constexpr std::uint32_t counted = has::origCounters | has::replyCounters;
  const bool look = shift != 0 || other.addresses_.size() > 0 || other.without_counters_ > 0;
  for (std::size_t row = size_; look && row < size_ + count; row++) {
    if ((get<std::uint32_t>(Column::presence, row) & counted) != counted) without_counters_++;
    if (get<std::uint8_t>(Column::family, row) != kIpv6) continue;
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

void Columns::merge(std::size_t row, const Row& with) {
  const auto keep = get<std::uint32_t>(Column::presence, row);
  constexpr std::uint32_t rare = has::labels | has::helper | has::secctx | has::origSeqAdj |
                                 has::replySeqAdj | has::synproxy | has::master | has::sctp |
                                 has::dccp | has::unknown | has::origZone | has::replyZone;
  // An event is partial: what it does not carry keeps its earlier value.
  auto number = [&](Column column, std::uint32_t bit, std::uint32_t value) {
    if ((with.presence & bit) != 0) set(column, row, value);
  };
  number(Column::status, has::status, with.status);
  number(Column::timeout, has::timeout, with.timeout);
  number(Column::mark, has::mark, with.mark);
  number(Column::use, has::use, with.use);
  if (with.have(has::state)) set(Column::state, row, with.state);
  int group = top_group_;
  if (with.have(has::tcpWscale)) {
    set(Column::tcpWscaleOrig, row, with.wscale[0]);
    set(Column::tcpWscaleReply, row, with.wscale[1]);
    group = std::max(group, 1);
  }
  if (with.have(has::tcpFlags)) {
    set(Column::tcpFlagsOrig, row, with.tcp_flags[0]);
    set(Column::tcpFlagsReply, row, with.tcp_flags[1]);
    group = std::max(group, 1);
  }
  if (with.have(has::origCounters)) {
    set(Column::origPackets, row, with.counters[0]);
    set(Column::origBytes, row, with.counters[1]);
    group = std::max(group, 2);
  }
  if (with.have(has::replyCounters)) {
    set(Column::replyPackets, row, with.counters[2]);
    set(Column::replyBytes, row, with.counters[3]);
    group = std::max(group, 2);
  }
  if (with.have(has::start)) {
    set(Column::start, row, with.start);
    group = std::max(group, 3);
  }
  if (with.have(has::stop)) {
    set(Column::stop, row, with.stop);
    group = std::max(group, 4);
  }
  constexpr std::uint32_t counted = has::origCounters | has::replyCounters;
  if ((keep & counted) != counted && with.have(counted)) without_counters_--;
  top_group_ = group;
  set(Column::presence, row, keep | (with.presence & ~rare));
}

void Columns::pop() {
  size_--;
  const auto presence = get<std::uint32_t>(Column::presence, size_);
  constexpr std::uint32_t counted = has::origCounters | has::replyCounters;
  if ((presence & counted) != counted) without_counters_--;
  // What the next row leaves out must read as 0.
  for (std::size_t i = 0; i < kColumnCount; i++) {
    const std::size_t size = kColumnInfo[i].size;
    std::memset(at(static_cast<Column>(i)) + size_ * size, 0, size);
  }
  // IPv6 addresses that nothing points to any more stay behind: unseen, and freed with the batch.
  if (extra_index_.size() == 0) return;
  std::uint32_t last[2] = {};
  std::memcpy(last, extra_index_.data() + extra_index_.size() - sizeof last, sizeof last);
  if (last[0] != size_) return;
  extra_.truncate(last[1]);
  extra_index_.truncate(extra_index_.size() - sizeof last);
}

Address Columns::address(Side side, std::size_t row) const {
  Address result{};
  const auto value = get<std::uint32_t>(kAddressColumns[side], row);
  if (get<std::uint8_t>(Column::family, row) == 10) {
    std::memcpy(result.bytes, addresses_.data() + std::size_t{value} * sizeof(Address),
                sizeof(Address));
  } else {
    result.words[0] = htonl(value);
  }
  return result;
}

std::size_t store_lookup(const Row& row, std::uint8_t* arena, std::size_t capacity, std::size_t at,
                         std::span<std::uint8_t> extra) {
  std::uint8_t* addresses = arena + capacity * bytes_before(Column::count);
  std::uint32_t value[kSides] = {};
  for (int side = 0; side < kSides; side++) {
    // An IPv6 row has its own four slots behind the columns; an IPv4 address is its own value.
    const auto slot = static_cast<std::uint32_t>(at * kSides + static_cast<std::size_t>(side));
    value[side] = row.ipv6() ? slot : ntohl(row.address[side].words[0]);
    if (row.ipv6()) {
      std::memcpy(addresses + slot * sizeof(Address), row.address[side].bytes, sizeof(Address));
    }
  }
  write_row(row, value, arena, capacity, at);
  std::size_t used = 0;
  for (int i = 0; i < row.extra_count; i++) {
    const Attribute& a = row.extra[i];
    const std::size_t size = align4(kAttributeHeader + a.size);
    if (used + size > extra.size()) break;  // cannot be: a message is smaller than the buffer
    const std::uint16_t header[2] = {static_cast<std::uint16_t>(a.size + kAttributeHeader), a.type};
    std::memcpy(extra.data() + used, header, sizeof header);
    std::memcpy(extra.data() + used + kAttributeHeader, a.data, a.size);
    used += size;
  }
  return used;
}

const std::uint8_t* Columns::extra_of(std::size_t row) const {
  struct Entry {
    std::uint32_t row;
    std::uint32_t offset;
  };
  const auto* begin = reinterpret_cast<const Entry*>(extra_index_.data());
  const auto* end = begin + extra_index_.size() / sizeof(Entry);
  const auto* found = std::lower_bound(
      begin, end, row, [](const Entry& entry, std::size_t wanted) { return entry.row < wanted; });
  return found == end || found->row != row ? nullptr : extra_.data() + found->offset;
}

bool Columns::extra(std::size_t row, std::uint16_t type, Attribute& out) const {
  const std::uint8_t* begin = extra_of(row);
  if (begin == nullptr) return false;
  AttributeCursor cursor(begin, extra_.size() - static_cast<std::size_t>(begin - extra_.data()));
  while (cursor.next(out)) {
    if (out.type == type) return true;
  }
  return false;
}

}  // namespace nf::ct
