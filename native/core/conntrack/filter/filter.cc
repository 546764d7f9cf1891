// Compiling packed filters and testing rows.
#include "core/conntrack/filter/filter.h"

#include <errno.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

#include "core/conntrack/schema/filter_words.h"

namespace nf::ct {
namespace {

Error bad(const char* what) { return fail(EINVAL, "conntrack filter", what); }

// Reads operands; `ok` turns false when the words end too early.
class Words {
 public:
  explicit Words(std::span<const std::uint32_t> words) : words_(words) {}
  bool more() const { return at_ < words_.size(); }
  std::uint32_t next() {
    if (at_ >= words_.size()) {
      ok_ = false;
      return 0;
    }
    return words_[at_++];
  }
  bool ok() const { return ok_; }

 private:
  std::span<const std::uint32_t> words_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

AddressNumber next_address(Words& words) {
  AddressNumber number;
  for (auto& word : number) word = words.next();
  return number;
}

// IPv4 in the first word, whatever the others hold.
AddressNumber number_of(std::uint8_t family, const Address& address) {
  AddressNumber number{};
  for (int i = 0; i < (family == AF_INET6 ? 4 : 1); i++) number[i] = ntohl(address.words[i]);
  return number;
}

// Ascending and separate, as a binary search needs it.
template <typename Value>
bool in_order(const std::vector<Range<Value>>& ranges) {
  for (std::size_t i = 0; i < ranges.size(); i++) {
    if (ranges[i].to < ranges[i].from) return false;
    if (i > 0 && !(ranges[i - 1].to < ranges[i].from)) return false;
  }
  return true;
}

template <typename Value>
bool in_ranges(const std::vector<Range<Value>>& ranges, const Value& value) {
  const auto after = std::upper_bound(
      ranges.begin(), ranges.end(), value,
      [](const Value& left, const Range<Value>& right) { return left < right.from; });
  return after != ranges.begin() && !(std::prev(after)->to < value);
}

bool read_address(Words& words, AddressMatch& match) {
  const std::uint32_t v4 = words.next();
  const std::uint32_t v6 = words.next();
  const std::uint32_t masks = words.next();
  if (v4 == 0 && v6 == 0 && masks == 0) return false;
  // The counts may be wrong, so no memory is reserved by them.
  for (std::uint32_t i = 0; i < v4 && words.ok(); i++) {
    const std::uint32_t from = words.next();
    match.v4.push_back({from, words.next()});
  }
  for (std::uint32_t i = 0; i < v6 && words.ok(); i++) {
    const AddressNumber from = next_address(words);
    match.v6.push_back({from, next_address(words)});
  }
  for (std::uint32_t i = 0; i < masks && words.ok(); i++) {
    const std::uint32_t family = words.next();
    if (family != AF_INET && family != AF_INET6) return false;
    AddressMask mask{static_cast<std::uint8_t>(family), next_address(words), {}};
    mask.mask = next_address(words);
    for (int k = 0; k < 4; k++) mask.value[k] &= mask.mask[k];
    match.masks.push_back(mask);
  }
  return in_order(match.v4) && in_order(match.v6);
}

bool read_ports(Words& words, PortMatch& match) {
  const std::uint32_t count = words.next();
  if (count == 0) return false;
  for (std::uint32_t i = 0; i < count && words.ok(); i++) {
    const std::uint32_t from = words.next();
    const std::uint32_t to = words.next();
    if (from > to || to > 65535) return false;
    match.ranges.push_back({static_cast<std::uint16_t>(from), static_cast<std::uint16_t>(to)});
  }
  if (!in_order(match.ranges)) return false;
  if (count == 1) return true;
  match.bits.resize(65536 / 64);
  for (const auto& range : match.ranges) {
    for (std::uint32_t port = range.from; port <= range.to; port++) {
      match.bits[port / 64] |= std::uint64_t{1} << (port % 64);
    }
  }
  return true;
}

bool has_label(const Attribute& labels, std::uint32_t bit) {
  // The kernel's bitmap is an array of long in host order (nf_conntrack_labels.h).
  std::size_t byte = bit / 8;
  if constexpr (std::endian::native == std::endian::big) {
    byte = bit / 64 * 8 + 7 - bit % 64 / 8;
  }
  return byte < labels.size && ((labels.data[byte] >> (bit % 8)) & 1) != 0;
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

Result<Filter> Filter::compile(std::span<const std::uint32_t> input) {
  Filter filter;
  Words words(input);
  while (words.more()) {
    filter.empty_ = false;
    const std::uint32_t op = words.next();
    if (op >= static_cast<std::uint32_t>(FilterOp::count)) return bad("unknown operation");
    switch (static_cast<FilterOp>(op)) {
      case FilterOp::family:
        filter.family = static_cast<std::uint8_t>(words.next());
        if (filter.family != AF_INET && filter.family != AF_INET6) return bad("family");
        break;
      case FilterOp::protocol: {
        const std::uint32_t count = words.next();
        for (std::uint32_t i = 0; i < count && words.ok(); i++) {
          const std::uint32_t protocol = words.next();
          if (protocol > 255) return bad("protocol");
          filter.protocols[protocol / 64] |= std::uint64_t{1} << (protocol % 64);
        }
        filter.protocol_count = 0;
        for (const auto word : filter.protocols) filter.protocol_count += std::popcount(word);
        if (filter.protocol_count == 0) return bad("protocol");
        break;
      }
      case FilterOp::address: {
        const std::uint32_t side = words.next();
        AddressMatch match;
        if (side >= kSides || !read_address(words, match)) return bad("address");
        filter.address[side] = std::move(match);
        filter.tuples_ = true;
        break;
      }
      case FilterOp::port: {
        const std::uint32_t side = words.next();
        PortMatch match;
        if (side >= kSides || !read_ports(words, match)) return bad("port");
        filter.port[side] = std::move(match);
        filter.tuples_ = true;
        break;
      }
      case FilterOp::icmpType:
      case FilterOp::icmpCode:
      case FilterOp::icmpId: {
        const std::uint32_t direction = words.next();
        const std::uint32_t value = words.next();
        if (direction > 1) return bad("icmp");
        if (op == static_cast<std::uint32_t>(FilterOp::icmpId)) {
          filter.icmp_id[direction] = static_cast<std::uint16_t>(value);
        } else if (op == static_cast<std::uint32_t>(FilterOp::icmpType)) {
          filter.icmp_type[direction] = static_cast<std::uint8_t>(value);
        } else {
          filter.icmp_code[direction] = static_cast<std::uint8_t>(value);
        }
        filter.tuples_ = true;
        break;
      }
      case FilterOp::mark: {
        const std::uint32_t value = words.next();
        filter.mark_mask = words.next();
        if (filter.mark_mask == 0) return bad("mark mask 0");
        filter.mark = value & filter.mark_mask;
        break;
      }
      case FilterOp::status: {
        StatusMatch status;
        status.all = words.next();
        status.any = words.next();
        status.none = words.next();
        filter.status = status;
        break;
      }
      case FilterOp::state: {
        StateMatch state;
        state.tcp = words.next();
        state.sctp = words.next();
        state.dccp = words.next();
        filter.state = state;
        break;
      }
      case FilterOp::zone:
        filter.zone = static_cast<std::uint16_t>(words.next());
        break;
      case FilterOp::tupleZone: {
        const std::uint32_t direction = words.next();
        if (direction > 1) return bad("zone");
        filter.tuple_zone[direction] = static_cast<std::uint16_t>(words.next());
        break;
      }
      case FilterOp::label:
        filter.label = words.next();
        break;
      case FilterOp::helper: {
        const std::uint32_t length = words.next();
        if (length > 64) return bad("helper");
        std::string name(length, '\0');
        for (std::uint32_t i = 0; i < length; i += 4) {
          const std::uint32_t word = words.next();
          std::memcpy(&name[i], &word, std::min<std::size_t>(4, length - i));
        }
        filter.helper = name;
        break;
      }
      case FilterOp::nat: {
        const std::uint32_t kind = words.next();
        if (kind < 1 || kind > 4) return bad("nat");
        filter.nat = static_cast<NatMatch>(kind);
        break;
      }
      case FilterOp::count:
        return bad("unknown operation");
    }
    if (!words.ok()) return bad("too few words");
  }
  return filter;
}

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
  // It is a prefix if the bits in which the ends differ come last, all 0 in `from` and all 1 in
  // `to`.
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
  return matches_rest(row);
}

bool Filter::matches_tuples(const Row& row) const {
  for (int side = 0; side < kSides; side++) {
    if (address[side].has_value() && !address[side]->matches(row.family, row.address[side])) {
      return false;
    }
    if (port[side].has_value()) {
      const bool original = side == kOrigSrc || side == kOrigDst;
      if (!row.have(original ? has::origPorts : has::replyPorts)) return false;
      if (!port[side]->matches(row.port[side])) return false;
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
  if (label.has_value() && (!row.have(has::labels) || !has_label(row.labels, *label))) return false;
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
