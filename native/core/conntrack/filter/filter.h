// The exact predicate over a decoded row. TypeScript packs it as words (schema/filter_words.h).
// `compile` checks them. Every row that a caller gets has passed `matches`, whatever the kernel
// did.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/conntrack/row.h"
#include "core/result.h"

namespace nf::ct {

// An address as a number, most significant word first. IPv4 is in the first word.
using AddressNumber = std::array<std::uint32_t, 4>;

template <typename Value>
struct Range {
  Value from{};
  Value to{};
};

struct AddressMask {
  std::uint8_t family = 0;
  AddressNumber value{};  // masked
  AddressNumber mask{};
};

// Addresses that match: in one of the ascending ranges of their family, or under one of the masks.
struct AddressMatch {
  std::vector<Range<std::uint32_t>> v4;
  std::vector<Range<AddressNumber>> v6;
  std::vector<AddressMask> masks;

  bool matches(std::uint8_t family, const Address& address) const;
  // The prefix or mask, if this is a single one.
  std::optional<AddressMask> single() const;
};

// Ports that match, as ascending ranges. Several ranges also have a bit for each port.
struct PortMatch {
  std::vector<Range<std::uint16_t>> ranges;
  std::vector<std::uint64_t> bits;

  bool matches(std::uint16_t port) const {
    if (bits.empty()) return port >= ranges[0].from && port <= ranges[0].to;
    return ((bits[port / 64U] >> (port % 64U)) & 1) != 0;
  }
  // The only port, or -1.
  int single() const {
    const bool one = ranges.size() == 1 && ranges[0].from == ranges[0].to;
    return one ? ranges[0].from : -1;
  }
};

struct StatusMatch {
  std::uint32_t all = 0;
  std::uint32_t any = 0;
  std::uint32_t none = 0;
};

// Labels, by word: label 0 is bit 0 of the first. A flow without labels has none of them.
struct LabelMatch {
  using Bits = std::array<std::uint32_t, 4>;
  Bits all{};
  Bits any{};
  Bits none{};

  bool matches(const Bits& labels) const;
};

struct StateMatch {
  std::uint32_t tcp = 0;
  std::uint32_t sctp = 0;
  std::uint32_t dccp = 0;
};

enum class NatMatch : std::uint8_t { kSrc = 1, kDst = 2, kAny = 3, kNone = 4 };

// Whether a row is translated: an address, a port or an ICMP id of the reply tuple is not the
// mirror of the original one. The filter and all other callers use the same test.
bool source_translated(const Row& row);
bool destination_translated(const Row& row);

class Filter {
 public:
  // Filters in filters.
  static constexpr int kMaxDepth = 16;

  // EINVAL, with the wrong word in the detail: a programming error of the caller.
  static Result<Filter> compile(std::span<const std::uint32_t> words) {
    return compile(words, kMaxDepth);
  }

  bool empty() const { return empty_; }
  bool matches(const Row& row) const;

  // What kernel_filter.cc may turn into a pre-filter.
  std::uint8_t family = 0;  // 0: any
  int protocol_count = 0;
  std::uint64_t protocols[4] = {};
  std::optional<AddressMatch> address[kSides];
  std::optional<PortMatch> port[kSides];
  std::optional<std::uint8_t> icmp_type[2];
  std::optional<std::uint8_t> icmp_code[2];
  std::optional<std::uint16_t> icmp_id[2];
  std::optional<std::uint32_t> mark;  // masked
  std::uint32_t mark_mask = 0;
  std::optional<StatusMatch> status;
  std::optional<StateMatch> state;
  std::optional<std::uint16_t> zone;
  std::optional<std::uint16_t> tuple_zone[2];
  std::optional<LabelMatch> label;
  std::optional<std::string> helper;
  std::optional<NatMatch> nat;
  // Any of the four addresses, any of the four ports.
  std::optional<AddressMatch> host;
  std::optional<PortMatch> any_port;
  // If there are some, one of them matches.
  std::vector<Filter> any;
  // None of them matches.
  std::vector<Filter> excluded;

  // The only protocol that can match, or -1.
  int single_protocol() const;

 private:
  // `depth`: so many filters may be in each other.
  static Result<Filter> compile(std::span<const std::uint32_t> words, int depth);
  bool matches_any_side(const Row& row) const;
  bool matches_nested(const Row& row) const;
  bool matches_tuples(const Row& row) const;
  bool matches_icmp(const Row& row, int direction) const;
  bool matches_rest(const Row& row) const;
  bool empty_ = true;
  bool tuples_ = false;
};

}  // namespace nf::ct
