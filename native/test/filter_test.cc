// Packed filters: what compiles, what is refused, what matches; and what is never given to the
// kernel.
#include "core/conntrack/filter/filter.h"

#include <bit>

#include "core/conntrack/filter/kernel_filter.h"
#include "test/check.h"
#include "test/filter_words.h"
#include "test/messages.h"

namespace nf::ct {
namespace {

using test::endpoint4;
using test::FlowMessage;
using test::tcp_flow;
using Packed = std::vector<std::uint32_t>;

constexpr std::uint32_t op(FilterOp value) { return static_cast<std::uint32_t>(value); }

std::uint32_t word4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  const std::uint8_t bytes[] = {a, b, c, d};
  return std::bit_cast<std::uint32_t>(bytes);
}

bool matches(const Packed& words, const Row& row) {
  auto filter = Filter::compile(words);
  CHECK(filter.ok());
  return filter.ok() && filter->matches(row);
}

Row parsed(const std::vector<std::uint8_t>& payload) {
  Row row{};
  CHECK(test::parse(payload, row));
  return row;
}

TEST(filters_that_end_too_early_or_are_out_of_range_are_refused) {
  const Packed whole[] = {
      {op(FilterOp::family), AF_INET},
      {op(FilterOp::protocol), 2, 6, 17},
      {op(FilterOp::address), 0, 2, 0, 0, 5, 6, 8, 9},
      {op(FilterOp::address),
       1,
       1,
       1,
       1,
       5,
       6,
       0,
       0,
       0,
       1,
       0,
       0,
       0,
       2,
       AF_INET,
       1,
       0,
       0,
       0,
       3,
       0,
       0,
       0},
      {op(FilterOp::port), 1, 1, 1, 80},
      {op(FilterOp::port), 1, 2, 1, 80, 82, 82},
      {op(FilterOp::icmpType), 0, 8},
      {op(FilterOp::icmpId), 1, 77},
      {op(FilterOp::mark), 1, 1},
      {op(FilterOp::status), 1, 2, 4},
      {op(FilterOp::state), 8, 0, 0},
      {op(FilterOp::zone), 7},
      {op(FilterOp::tupleZone), 1, 7},
      {op(FilterOp::label), 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
      {op(FilterOp::host), 1, 0, 0, 5, 6},
      {op(FilterOp::anyPort), 2, 1, 1, 3, 4},
      {op(FilterOp::any), 2, 2, op(FilterOp::zone), 7, 2, op(FilterOp::nat), 1},
      {op(FilterOp::excluded), 5, op(FilterOp::any), 1, 2, op(FilterOp::zone), 7},
      {op(FilterOp::helper), 3, word4('f', 't', 'p', 0)},
      {op(FilterOp::nat), 4},
  };
  for (const auto& words : whole) {
    CHECK(Filter::compile(words).ok());
    for (std::size_t size = 1; size < words.size(); size++) {
      const Packed part(words.begin(), words.begin() + static_cast<long>(size));
      // A family alone is a filter too.
      if (size == 2 && words[0] == op(FilterOp::family)) continue;
      CHECK(!Filter::compile(part).ok());
    }
  }
  for (const auto& bad : std::vector<Packed>{
           {op(FilterOp::count)},
           {0xffffffff},
           {op(FilterOp::family), 3},
           {op(FilterOp::protocol), 1, 256},
           {op(FilterOp::protocol), 0},
           {op(FilterOp::address), 0, 0, 0, 0},
           {op(FilterOp::host), 0, 0, 0},
           {op(FilterOp::anyPort), 0},
           {op(FilterOp::any), 0},
           {op(FilterOp::any), 1, 0},
           {op(FilterOp::any), 1, 1, op(FilterOp::zone), 7},
           {op(FilterOp::any), 1, 0xffffffff, op(FilterOp::zone), 7},
           {op(FilterOp::any), 1, 2, op(FilterOp::zone), 7, op(FilterOp::any), 1, 2,
            op(FilterOp::zone), 8},
           {op(FilterOp::excluded), 0},
           {op(FilterOp::excluded), 2, op(FilterOp::count), 7},
           {op(FilterOp::address), 4, 1, 0, 0, 5, 6},
           {op(FilterOp::address), 0, 1, 0, 0, 6, 5},
           {op(FilterOp::address), 0, 2, 0, 0, 8, 9, 5, 6},
           {op(FilterOp::address), 0, 2, 0, 0, 5, 8, 8, 9},
           {op(FilterOp::address), 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 9},
           {op(FilterOp::address), 0, 0, 0, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0},
           {op(FilterOp::address), 0, 0xffffffff, 0xffffffff, 0xffffffff, 1},
           {op(FilterOp::port), 4, 1, 80, 80},
           {op(FilterOp::port), 0, 0},
           {op(FilterOp::port), 0, 1, 81, 80},
           {op(FilterOp::port), 0, 1, 1, 65536},
           {op(FilterOp::port), 0, 2, 5, 6, 1, 2},
           {op(FilterOp::port), 0, 0xffffffff, 5, 6},
           {op(FilterOp::mark), 1, 0},
           {op(FilterOp::nat), 5},
           {op(FilterOp::helper), 65},
           {op(FilterOp::protocol), 0xffffffff, 6},
       }) {
    CHECK(!Filter::compile(bad).ok());
  }
}

TEST(an_empty_filter_matches_everything) {
  const auto payload = tcp_flow().payload();
  auto filter = Filter::compile({});
  CHECK(filter.ok() && filter->empty() && filter->matches(parsed(payload)));
}

TEST(prefixes_of_every_length) {
  const auto payload = tcp_flow(AF_INET, 0xff).payload();  // 10.0.0.255
  const auto row = parsed(payload);
  for (std::uint32_t bits = 0; bits <= 32; bits++) {
    // 10.0.0.0 differs from it in the last eight bits.
    CHECK_EQUAL(matches(test::prefix(0, AF_INET, {word4(10, 0, 0, 0), 0, 0, 0}, bits), row),
                bits <= 24);
  }
  const auto payload6 = tcp_flow(AF_INET6, 0xff).payload();
  const auto row6 = parsed(payload6);
  for (std::uint32_t bits = 0; bits <= 128; bits++) {
    CHECK_EQUAL(matches(test::prefix(0, AF_INET6, {word4(0xfd, 0, 0, 1), 0, 0, 0}, bits), row6),
                bits <= 120);
  }
}

Packed labels_of(std::initializer_list<std::uint32_t> all, std::initializer_list<std::uint32_t> any,
                 std::initializer_list<std::uint32_t> none) {
  Packed words(13, 0);
  words[0] = op(FilterOp::label);
  std::size_t at = 1;
  for (const auto& labels : {all, any, none}) {
    for (const std::uint32_t label : labels) words[at + label / 32] |= 1U << label % 32;
    at += 4;
  }
  return words;
}

// So many filters may be in each other, and no more.
TEST(filters_in_filters_end_at_a_depth) {
  Packed words = {op(FilterOp::zone), 7};
  for (int depth = 1; depth <= Filter::kMaxDepth + 1; depth++) {
    words.insert(words.begin(), {op(FilterOp::excluded), static_cast<std::uint32_t>(words.size())});
    CHECK_EQUAL(Filter::compile(words).ok(), depth <= Filter::kMaxDepth);
  }
}

// Without labels, none of them is set.
TEST(a_flow_without_labels_has_none) {
  auto message = tcp_flow();
  const auto payload = message.payload();
  const auto row = parsed(payload);
  CHECK(matches(labels_of({}, {}, {5}), row));
  CHECK(!matches(labels_of({5}, {}, {}), row));
  CHECK(!matches(labels_of({}, {5, 6}, {}), row));
}

TEST(each_criterion_holds_and_fails) {
  auto message = tcp_flow();
  message.builder.be16(CTA_ZONE, 5);
  std::uint8_t labels[16] = {};
  const std::size_t byte = std::endian::native == std::endian::little ? 9 : 14;  // bit 77
  labels[byte] = 1 << 5;
  message.builder.bytes(CTA_LABELS, labels, sizeof labels);
  const auto help = message.builder.open_nest(CTA_HELP);
  message.builder.string(CTA_HELP_NAME, "ftp");
  message.builder.close_nest(help);
  const auto payload = message.payload();
  const auto row = parsed(payload);
  const std::pair<Packed, Packed> pairs[] = {
      {{op(FilterOp::family), AF_INET}, {op(FilterOp::family), AF_INET6}},
      {{op(FilterOp::protocol), 2, 6, 255}, {op(FilterOp::protocol), 2, 17, 255}},
      {{op(FilterOp::port), 1, 1, 443, 443}, {op(FilterOp::port), 1, 1, 444, 65535}},
      {{op(FilterOp::port), 2, 1, 1, 443}, {op(FilterOp::port), 3, 1, 1, 443}},
      // Two ports are no range.
      {{op(FilterOp::port), 1, 2, 80, 80, 443, 443}, {op(FilterOp::port), 1, 2, 80, 80, 444, 444}},
      {{op(FilterOp::mark), 0x2a, 0xff}, {op(FilterOp::mark), 0x2b, 0xff}},
      {{op(FilterOp::mark), 0xff02, 0x0f & 2}, {op(FilterOp::mark), 0, 2}},
      {{op(FilterOp::status), 4, 0, 0}, {op(FilterOp::status), 16, 0, 0}},
      {{op(FilterOp::status), 0, 16 | 4, 0}, {op(FilterOp::status), 0, 16, 0}},
      {{op(FilterOp::status), 0, 0, 16}, {op(FilterOp::status), 0, 0, 4}},
      {{op(FilterOp::state), 1 << 3, 0, 0}, {op(FilterOp::state), 1 << 2, 1 << 3, 1 << 3}},
      {{op(FilterOp::zone), 5}, {op(FilterOp::zone), 0}},
      {labels_of({77}, {}, {}), labels_of({78}, {}, {})},
      {labels_of({}, {3, 77}, {}), labels_of({}, {3, 78}, {})},
      {labels_of({}, {}, {3, 76}), labels_of({77}, {}, {77, 3})},
      {labels_of({77}, {77, 5}, {0, 127}), labels_of({77, 127}, {77}, {})},
      {{op(FilterOp::anyPort), 1, 443, 443}, {op(FilterOp::anyPort), 1, 1, 442}},
      {{op(FilterOp::any), 2, 2, op(FilterOp::zone), 6, 2, op(FilterOp::zone), 5},
       {op(FilterOp::any), 2, 2, op(FilterOp::zone), 6, 2, op(FilterOp::zone), 7}},
      {{op(FilterOp::excluded), 2, op(FilterOp::zone), 6},
       {op(FilterOp::excluded), 2, op(FilterOp::zone), 5}},
      {{op(FilterOp::zone), 5, op(FilterOp::any), 1, 3, op(FilterOp::mark), 2, 2},
       {op(FilterOp::zone), 6, op(FilterOp::any), 1, 3, op(FilterOp::mark), 2, 2}},
      {{op(FilterOp::helper), 3, word4('f', 't', 'p', 0)},
       {op(FilterOp::helper), 2, word4('f', 't', 0, 0)}},
      {{op(FilterOp::nat), 4}, {op(FilterOp::nat), 3}},
  };
  for (const auto& [holds, fails] : pairs) {
    CHECK(matches(holds, row));
    CHECK(!matches(fails, row));
  }
  CHECK(!matches({op(FilterOp::icmpType), 0, 0}, row));   // TCP has none
  CHECK(!matches({op(FilterOp::tupleZone), 0, 5}, row));  // nor a zone of one direction
}

TEST(translation_is_seen_in_either_direction) {
  auto reply = test::reversed(endpoint4(2, 40000, 443));
  reply.dst_port = 50000;
  FlowMessage message;
  message.tuple(CTA_TUPLE_ORIG, IPPROTO_TCP, endpoint4(2, 40000, 443));
  message.tuple(CTA_TUPLE_REPLY, IPPROTO_TCP, reply);
  const auto payload = message.payload();
  const auto row = parsed(payload);
  CHECK(matches({op(FilterOp::nat), 1}, row));
  CHECK(!matches({op(FilterOp::nat), 2}, row));
  CHECK(matches({op(FilterOp::nat), 3}, row));
  CHECK(!matches({op(FilterOp::nat), 4}, row));
}

TEST(addresses_of_both_families_and_masks_with_gaps) {
  const auto payload = tcp_flow(AF_INET, 7).payload();  // 10.0.0.7
  const auto row = parsed(payload);
  const auto payload6 = tcp_flow(AF_INET6, 7).payload();  // fd00::…7
  const auto row6 = parsed(payload6);
  const std::uint32_t high = ntohl(row6.address[0].words[0]);
  const std::uint32_t low = ntohl(row6.address[0].words[3]);
  const auto both = [&](const Packed& words, bool v4, bool v6) {
    CHECK_EQUAL(matches(words, row), v4);
    CHECK_EQUAL(matches(words, row6), v6);
  };
  const std::uint32_t ten = 0x0a000007;
  // In the middle, at the ends and between ranges.
  both({op(FilterOp::address), 0, 3, 0, 0, 1, 5, ten - 1, ten + 1, ten + 9, ten + 9}, true, false);
  both({op(FilterOp::address), 0, 3, 0, 0, 1, 5, ten, ten, ten + 9, ten + 9}, true, false);
  both({op(FilterOp::address), 0, 2, 0, 0, 1, ten - 1, ten + 1, 0xffffffff}, false, false);
  both({op(FilterOp::address), 0, 1, 1, 0, ten, ten, high, 0, 0, 0, high, 0xffffffff, 0, 0}, true,
       true);
  both({op(FilterOp::address), 0, 0, 1, 0, high, 0, 0, low + 1, high, 0, 0, low + 1}, false, false);
  // The words of an IPv4 row are no IPv6 address, and the other way round.
  both({op(FilterOp::address), 0, 0, 1, 0, 0, 0, 0, 0, ten, ~0U, ~0U, ~0U}, false, false);
  both({op(FilterOp::address), 0, 1, 0, 0, 0, ten - 1}, false, false);
  both({op(FilterOp::address), 0, 0, 0, 1, 2, 0x05000007, 0, 0, 0, 0x050000ff, 0, 0, 0}, false,
       false);
  both({op(FilterOp::address), 0, 0, 0, 1, 2, 0x0a000007, 0, 0, 0, 0xff0000ff, 0, 0, 0}, true,
       false);
  both({op(FilterOp::address), 0, 0, 0, 1, 10, high, 0, 0, low, ~0U, 0, 0, ~0U}, false, true);
  both({op(FilterOp::address), 0, 0, 0, 1, 10, high, 0, 0, low + 1, ~0U, 0, 0, ~0U}, false, false);
}

bool asks_for_addresses(const MessageBuilder& builder) {
  // The flags of CTA_FILTER (25): bits 0 and 1 are the two addresses.
  AttributeCursor cursor(builder.data() + NLMSG_HDRLEN + 4, builder.size() - NLMSG_HDRLEN - 4);
  for (Attribute a; cursor.next(a);) {
    if (a.type != 25) continue;
    AttributeCursor flags(a);
    for (Attribute b; flags.next(b);) {
      if ((b.u32() & 3) != 0) return true;
    }
  }
  return false;
}

TEST(an_ipv6_address_is_never_given_to_the_kernel) {
  for (std::uint32_t side = 0; side < kSides; side++) {
    constexpr std::uint32_t families[] = {AF_INET, AF_INET6};
    for (const std::uint32_t family : families) {
      auto filter = Filter::compile(
          test::joined({op(FilterOp::family), family, op(FilterOp::protocol), 1, 6,
                        op(FilterOp::port), side, 1, 80, 80},
                       test::prefix(side, static_cast<int>(family), {word4(10, 0, 0, 1), 0, 0, 0},
                                    family == AF_INET ? 32 : 128)));
      CHECK(filter.ok());
      MessageBuilder builder;
      const auto plan = plan_kernel_filter(*filter);
      builder.begin(0x101, NLM_F_REQUEST | NLM_F_DUMP, 1, plan.family);
      append_kernel_filter(*filter, plan, {}, builder);
      builder.end();
      const bool given = (plan.used & (kUseOrig | kUseReply)) != 0;
      CHECK_EQUAL(asks_for_addresses(builder), family == AF_INET && given);
    }
  }
}

}  // namespace
}  // namespace nf::ct
