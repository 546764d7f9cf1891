// Tests rows, and tells what single thing a part of a filter matches.
#include "core/conntrack/filter/filter.h"

#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <iterator>

namespace nf::ct {
namespace {

// IPv4 in the first word, whatever the others hold.
AddressNumber number_of(std::uint8_t family, const Address& address) {
  AddressNumber number{};
  for (int i = 0; i < (family == AF_INET6 ? 4 : 1); i++) number[i] = ntohl(address.words[i]);
  return number;
}

template <typename Value>
bool in_ranges(const std::vector<Range<Value>>& ranges, const Value& value) {
  const auto after = std::upper_bound(
      ranges.begin(), ranges.end(), value,
      [](const Value& left, const Range<Value>& right) { return left < right.from; });
  return after != ranges.begin() && !(std::prev(after)->to < value);
}

// The kernel's bitmap is an array of long in host order (nf_conntrack_labels.h). It may be shorter.
LabelMatch::Bits labels_of(const Row& row) {
  LabelMatch::Bits bits{};
  if (!row.have(has::labels)) return bits;
  for (std::uint32_t i = 0; i < 16; i++) {
    std::size_t byte = i;
    if constexpr (std::endian::native == std::endian::big) byte = i / 8 * 8 + 7 - i % 8;
    if (byte < row.labels.size) bits[i / 4] |= std::uint32_t{row.labels.data[byte]} << (i % 4 * 8);
  }
  return bits;
}

bool has_ports(const Row& row, int side) {
  return row.have(side == kOrigSrc || side == kOrigDst ? has::origPorts : has::replyPorts);
}

bool translated(const Row& row, Side original, Side mirrored) {
  if (std::memcmp(row.address[original].bytes, row.address[mirrored].bytes, row.ipv6() ? 16 : 4) !=
      0) {
    return true;
  }
  return row.have(has::origPorts | has::replyPorts) && row.port[original] != row.port[mirrored];
}

}  // namespace

bool source_translated(const Row& row) {
  if (translated(row, kOrigSrc, kReplyDst)) return true;
  // For ICMP a translation changes the id, as it changes the source port of other protocols.
  return row.have(has::origIcmp | has::replyIcmp) && row.port[kOrigSrc] != row.port[kReplySrc];
}
bool destination_translated(const Row& row) { return translated(row, kOrigDst, kReplySrc); }

bool AddressMatch::matches(std::uint8_t family, const Address& address) const {
  if (family == AF_INET) {
    if (in_ranges(v4, ntohl(address.words[0]))) return true;
  } else if (!v6.empty() && in_ranges(v6, number_of(family, address))) {
    return true;
  }
  if (masks.empty()) return false;
  const AddressNumber number = number_of(family, address);
  return std::any_of(masks.begin(), masks.end(), [&](const AddressMask& mask) {
    if (mask.family != family) return false;
    std::uint32_t differ = 0;
    for (int i = 0; i < 4; i++) differ |= (number[i] & mask.mask[i]) ^ mask.value[i];
    return differ == 0;
  });
}

std::optional<AddressMask> AddressMatch::single() const {
  if (v4.size() + v6.size() + masks.size() != 1) return std::nullopt;
  if (!masks.empty()) return masks[0];
  AddressMask found;
  AddressNumber last{};
  if (!v4.empty()) {
    found.family = AF_INET;
    found.value[0] = v4[0].from;
    last[0] = v4[0].to;
  } else {
    found.family = AF_INET6;
    found.value = v6[0].from;
    last = v6[0].to;
  }
  // It is a prefix if the bits in which the ends differ come last, all 0 in `from`, 1 in `to`.
  const int words = found.family == AF_INET6 ? 4 : 1;
  bool ended = false;
  for (int i = 0; i < words; i++) {
    const std::uint32_t differ = found.value[i] ^ last[i];
    const bool prefix = ended ? differ == 0xffffffffU : (differ & (differ + 1)) == 0;
    if (!prefix || (found.value[i] & differ) != 0) return std::nullopt;
    found.mask[i] = ~differ;
    ended = ended || differ != 0;
  }
  return found;
}

bool LabelMatch::matches(const Bits& labels) const {
  std::uint32_t lacking = 0;
  std::uint32_t wrong = 0;
  std::uint32_t found = 0;
  std::uint32_t wanted = 0;
  for (int i = 0; i < 4; i++) {
    lacking |= all[i] & ~labels[i];
    wrong |= none[i] & labels[i];
    found |= any[i] & labels[i];
    wanted |= any[i];
  }
  return lacking == 0 && wrong == 0 && (wanted == 0 || found != 0);
}

int Filter::single_protocol() const {
  if (protocol_count != 1) return -1;
  for (int i = 0; i < 4; i++) {
    if (protocols[i] != 0) return i * 64 + std::countr_zero(protocols[i]);
  }
  return -1;
}

bool Filter::matches(const Row& row) const {
  if (empty_) return true;
  if (family != 0 && row.family != family) return false;
  if (protocol_count != 0 && ((protocols[row.protocol / 64] >> (row.protocol % 64)) & 1) == 0) {
    return false;
  }
  if (mark.has_value() && (row.mark & mark_mask) != *mark) return false;
  if (status.has_value()) {
    if ((row.status & status->all) != status->all) return false;
    if (status->any != 0 && (row.status & status->any) == 0) return false;
    if ((row.status & status->none) != 0) return false;
  }
  if (tuples_ && !matches_tuples(row)) return false;
  return matches_any_side(row) && matches_rest(row) && matches_nested(row);
}

bool Filter::matches_any_side(const Row& row) const {
  bool address_fits = !host.has_value();
  bool port_fits = !any_port.has_value();
  for (int side = 0; side < kSides && !(address_fits && port_fits); side++) {
    address_fits = address_fits || host->matches(row.family, row.address[side]);
    port_fits = port_fits || (has_ports(row, side) && any_port->matches(row.port[side]));
  }
  return address_fits && port_fits;
}

bool Filter::matches_nested(const Row& row) const {
  const auto matching = [&](const Filter& filter) { return filter.matches(row); };
  if (!any.empty() && std::none_of(any.begin(), any.end(), matching)) return false;
  return std::none_of(excluded.begin(), excluded.end(), matching);
}

bool Filter::matches_tuples(const Row& row) const {
  for (int side = 0; side < kSides; side++) {
    if (address[side].has_value() && !address[side]->matches(row.family, row.address[side])) {
      return false;
    }
    if (port[side].has_value()) {
      if (!has_ports(row, side) || !port[side]->matches(row.port[side])) return false;
    }
  }
  return matches_icmp(row, kOrig) && matches_icmp(row, kReply);
}

bool Filter::matches_icmp(const Row& row, int direction) const {
  const auto& type = icmp_type[direction];
  const auto& code = icmp_code[direction];
  const auto& id = icmp_id[direction];
  if (!type.has_value() && !code.has_value() && !id.has_value()) return true;
  if (!row.have(direction == kOrig ? has::origIcmp : has::replyIcmp)) return false;
  const std::uint16_t type_code = row.port[direction == kOrig ? kOrigDst : kReplyDst];
  if (type.has_value() && type_code >> 8 != *type) return false;
  if (code.has_value() && (type_code & 0xff) != *code) return false;
  return !id.has_value() || row.port[direction == kOrig ? kOrigSrc : kReplySrc] == *id;
}

bool Filter::matches_rest(const Row& row) const {
  if (zone.has_value() && row.zone != *zone) return false;
  for (int direction = 0; direction < 2; direction++) {
    if (!tuple_zone[direction].has_value()) continue;
    if (!row.have(direction == kOrig ? has::origZone : has::replyZone)) return false;
    if (row.tuple_zone[direction] != *tuple_zone[direction]) return false;
  }
  if (state.has_value()) {
    if (!row.have(has::state) || row.state > 31) return false;
    std::uint32_t wanted = 0;
    if (row.protocol == IPPROTO_TCP) wanted = state->tcp;
    if (row.protocol == IPPROTO_SCTP) wanted = state->sctp;
    if (row.protocol == IPPROTO_DCCP) wanted = state->dccp;
    if (((wanted >> row.state) & 1) == 0) return false;
  }
  if (label.has_value() && !label->matches(labels_of(row))) return false;
  if (helper.has_value()) {
    if (row.helper.size == 0 || !row.have(has::helper)) return false;
    const auto* name = reinterpret_cast<const char*>(row.helper.data);
    if (std::string_view(name, ::strnlen(name, row.helper.size)) != *helper) return false;
  }
  if (nat.has_value()) {
    const bool src = source_translated(row);
    const bool dst = destination_translated(row);
    switch (*nat) {
      case NatMatch::kSrc:
        return src;
      case NatMatch::kDst:
        return dst;
      case NatMatch::kAny:
        return src || dst;
      case NatMatch::kNone:
        return !src && !dst;
    }
  }
  return true;
}

}  // namespace nf::ct
