// Writes single rows into the caller's memory.
#include "core/conntrack/lookup_row.h"

#include <arpa/inet.h>

#include "core/conntrack/row_form.h"

namespace nf::ct {

std::size_t store_lookup(const Row& row, std::uint8_t* arena, std::size_t capacity, std::size_t at,
                         std::span<std::uint8_t> extra) {
  std::uint8_t* addresses = arena + capacity * bytes_before(Column::count);
  RowForm form;
  form.set_presence(row.presence);
  for (int side = 0; side < kSides; side++) {
    // An IPv6 row has its own four slots behind the columns; an IPv4 address is its own value.
    const auto slot = static_cast<std::uint32_t>(at * kSides + static_cast<std::size_t>(side));
    form.address[side] = row.ipv6() ? slot : ntohl(row.address[side].words[0]);
    if (row.ipv6()) {
      std::memcpy(addresses + slot * sizeof(Address), row.address[side].bytes, sizeof(Address));
    }
  }
  write_row(row, form, arena, capacity, at);
  std::size_t used = 0;
  for (int i = 0; i < row.extra_count; i++) {
    const Attribute& a = row.extra[i];
    const std::size_t size = align4(kAttributeHeader + a.size);
    if (used + size > extra.size()) break;  // never: a message is smaller than the buffer
    const std::uint16_t header[2] = {static_cast<std::uint16_t>(a.size + kAttributeHeader), a.type};
    std::memcpy(extra.data() + used, header, sizeof header);
    std::memcpy(extra.data() + used + kAttributeHeader, a.data, a.size);
    used += size;
  }
  return used;
}

}  // namespace nf::ct
