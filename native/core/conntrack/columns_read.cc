// Reads rows of a batch.
#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>

#include "core/conntrack/columns.h"
#include "core/conntrack/decode/parse.h"
#include "core/conntrack/row_form.h"

namespace nf::ct {

std::uint64_t Columns::presence(std::size_t row) const {
  std::uint64_t bits = get<std::uint32_t>(Column::presence, row);
  if (top_group_ >= group_of(Column::presenceMore)) {
    bits |= std::uint64_t{get<std::uint32_t>(Column::presenceMore, row)} << 32;
  }
  return bits;
}

Address Columns::address_at(std::uint8_t family, std::uint32_t value) const {
  Address result{};
  if (family == AF_INET6) {
    std::memcpy(result.bytes, addresses_.data() + std::size_t{value} * sizeof(Address),
                sizeof(Address));
  } else {
    result.words[0] = htonl(value);
  }
  return result;
}

Address Columns::address(Side side, std::size_t row) const {
  return address_at(get<std::uint8_t>(Column::family, row),
                    get<std::uint32_t>(kAddressColumns[side], row));
}

Row Columns::read(std::size_t at) const {
  Row row{};
  row.nsid = -1;
  row.family = get<std::uint8_t>(Column::family, at);
  // What the columns do not have is parsed again from the attributes that the batch kept of the
  // message. The columns are read after that, because a message may have an attribute twice.
  Attribute kept[Row::kMaxExtra];
  int count = 0;
  if (const std::uint8_t* begin = extra_of(at)) {
    AttributeCursor cursor(begin, extra_.size() - static_cast<std::size_t>(begin - extra_.data()));
    while (count < Row::kMaxExtra && cursor.next(kept[count])) {
      row.extra_count = 0;
      parse_attribute(kept[count++], row);
    }
  }
  std::copy_n(kept, count, row.extra);
  row.extra_count = count;
  RowForm form;
  read_row({arena_.data(), arena_.size()}, capacity_, at, row, form);
  for (int side = 0; side < kSides; side++) {
    row.address[side] = address_at(row.family, form.address[side]);
  }
  return row;
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
