// Reads rows that JavaScript owns.
#include "core/conntrack/borrowed_rows.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>

#include "core/conntrack/decode/parse.h"
#include "core/conntrack/row_form.h"

namespace nf::ct {
namespace {

// Attributes without a column, or without the whole value in one.
constexpr std::uint64_t kAside = has::origZone | has::replyZone | has::labels | has::helper |
                                 has::secctx | has::origSeqAdj | has::replySeqAdj | has::synproxy |
                                 has::master | has::sctp | has::dccp | has::unknown |
                                 has::helperInfo;

}  // namespace

bool BorrowedRows::address(std::uint8_t family, std::uint32_t value, Address& out) const {
  out = {};
  if (family == AF_INET) {
    out.words[0] = htonl(value);
    return true;
  }
  const std::size_t at = std::size_t{value} * sizeof(Address);
  if (at + sizeof(Address) > memory_.addresses.size()) return false;
  std::memcpy(out.bytes, memory_.addresses.data() + at, sizeof(Address));
  return true;
}

std::span<const std::uint8_t> BorrowedRows::extra_of(std::size_t row) const {
  const auto& index = memory_.extra_index;
  std::size_t low = 0;
  std::size_t high = index.size() / 2;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (index[middle * 2] < row) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low * 2 + 1 >= index.size() || index[low * 2] != row) return {};
  return memory_.extra.subspan(std::min<std::size_t>(index[low * 2 + 1], memory_.extra.size()));
}

bool BorrowedRows::read(std::size_t at, Row& row) const {
  if (at >= memory_.capacity || memory_.capacity * bytes_through_group(0) > memory_.arena.size()) {
    return false;
  }
  row = {};
  row.nsid = -1;
  const auto* family = memory_.arena.data() + memory_.capacity * bytes_before(Column::family) + at;
  row.family = *family;
  if (row.family != AF_INET && row.family != AF_INET6) return false;
  // What the columns do not have is parsed again, before the columns are read: an attribute may
  // have a value that has a column as well.
  Attribute kept[Row::kMaxExtra];
  int count = 0;
  std::uint64_t found = 0;
  if (const auto extra = extra_of(at); !extra.empty()) {
    AttributeCursor cursor(extra.data(), extra.size());
    while (count < Row::kMaxExtra && cursor.next(kept[count])) {
      row.extra_count = 0;
      parse_attribute(kept[count++], row);
    }
    found = row.presence;
  }
  std::copy_n(kept, count, row.extra);
  row.extra_count = count;
  RowForm form;
  read_row(memory_.arena, memory_.capacity, at, row, form);
  row.presence &= ~kAside | found;
  for (int side = 0; side < kSides; side++) {
    if (!address(row.family, form.address[side], row.address[side])) return false;
  }
  return true;
}

}  // namespace nf::ct
