// Compiles packed filters: checks the words that TypeScript packed, and makes a Filter of them.
#include <errno.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "core/conntrack/filter/filter.h"
#include "core/conntrack/schema/filter_words.h"
#include "core/operation.h"

namespace nf::ct {
namespace {

Error bad(const char* what) { return fail(EINVAL, operation::kFilter, what); }

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
  // The next `count` words. None, and not `ok`, if there are fewer.
  std::span<const std::uint32_t> next(std::size_t count) {
    ok_ = ok_ && count <= words_.size() - at_;
    if (!ok_) return {};
    const auto part = words_.subspan(at_, count);
    at_ += count;
    return part;
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

// Ascending and separate, as a binary search needs it.
template <typename Value>
bool in_order(const std::vector<Range<Value>>& ranges) {
  for (std::size_t i = 0; i < ranges.size(); i++) {
    if (ranges[i].to < ranges[i].from) return false;
    if (i > 0 && !(ranges[i - 1].to < ranges[i].from)) return false;
  }
  return true;
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

}  // namespace

Result<Filter> Filter::compile(std::span<const std::uint32_t> input, int depth) {
  Filter filter;
  Words words(input);
  // Reads a filter in this one.
  const auto read_filter = [&](std::vector<Filter>& into) -> Result<void> {
    const auto part = words.next(words.next());
    if (part.empty()) return bad("empty filter");
    if (depth == 0) return bad("depth");
    auto inner = compile(part, depth - 1);
    if (!inner) return inner.error();
    into.push_back(std::move(*inner));
    return {};
  };
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
      case FilterOp::label: {
        LabelMatch label;
        for (auto* bits : {&label.all, &label.any, &label.none}) *bits = next_address(words);
        filter.label = label;
        break;
      }
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
      case FilterOp::host: {
        AddressMatch match;
        if (!read_address(words, match)) return bad("host");
        filter.host = std::move(match);
        break;
      }
      case FilterOp::anyPort: {
        PortMatch match;
        if (!read_ports(words, match)) return bad("any port");
        filter.any_port = std::move(match);
        break;
      }
      case FilterOp::any: {
        const std::uint32_t count = words.next();
        if (count == 0 || !filter.any.empty()) return bad("any");
        for (std::uint32_t i = 0; i < count; i++) {
          if (auto read = read_filter(filter.any); !read) return read.error();
        }
        break;
      }
      case FilterOp::excluded:
        if (auto read = read_filter(filter.excluded); !read) return read.error();
        break;
      case FilterOp::count:
        return bad("unknown operation");
    }
    if (!words.ok()) return bad("too few words");
  }
  return filter;
}

}  // namespace nf::ct
