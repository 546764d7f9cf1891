// The decoder that remembers shapes: for every message the same row as parse() gives, whatever came
// before it.
#include "core/conntrack/decode/decoder.h"

#include <arpa/inet.h>

#include <algorithm>
#include <random>

#include "core/conntrack/decode/shape.h"
#include "test/check.h"
#include "test/messages.h"
#include "test/rows.h"

namespace nf::ct {
namespace {

using test::endpoint4;
using test::endpoint6;
using test::FlowMessage;
using test::tcp_flow;

// Rows as the last message left them: what a message leaves out must not show.
struct Pair {
  Decoder decoder;
  Row fast{};
  Row plain{};

  bool agree(const std::vector<std::uint8_t>& payload) {
    const bool read = decoder.parse(payload.data(), payload.size(), fast);
    if (read != parse(payload.data(), payload.size(), plain)) return false;
    return !read || test::same_row(fast, plain);
  }
};

void synproxy(FlowMessage& message, std::uint32_t value) {
  const auto nest = message.builder.open_nest(CTA_SYNPROXY);
  constexpr std::uint16_t types[] = {1, 2, 3};
  for (const std::uint16_t type : types) message.builder.be32(type, value);
  message.builder.close_nest(nest);
}

FlowMessage udp_flow(int number, bool counters) {
  FlowMessage message;
  message.tuples(IPPROTO_UDP, endpoint4(static_cast<std::uint8_t>(number),
                                        static_cast<std::uint16_t>(1000 + number), 53));
  message.builder.be32(CTA_STATUS, static_cast<std::uint32_t>(number));
  if (counters) message.counters(CTA_COUNTERS_ORIG, 1, static_cast<std::uint64_t>(number));
  message.builder.be32(CTA_MARK, static_cast<std::uint32_t>(number) << 20);
  return message;
}

std::vector<FlowMessage> kinds(int number) {
  std::vector<FlowMessage> all;
  const auto last = static_cast<std::uint8_t>(number);
  all.push_back(tcp_flow(AF_INET, last));
  all.push_back(tcp_flow(AF_INET6, last));
  all.push_back(udp_flow(number, false));
  all.push_back(udp_flow(number, true));
  FlowMessage icmp;
  icmp.tuples(IPPROTO_ICMP, endpoint4(last, static_cast<std::uint16_t>(number), 8 << 8 | 3));
  all.push_back(std::move(icmp));
  FlowMessage icmp6(AF_INET6);
  icmp6.tuples(IPPROTO_ICMP, endpoint6(last, static_cast<std::uint16_t>(number), 128 << 8));
  all.push_back(std::move(icmp6));
  FlowMessage other;
  other.tuples(50, endpoint4(last, 0, 0));
  all.push_back(std::move(other));
  auto zone = tcp_flow(AF_INET, last);
  zone.builder.be16(CTA_ZONE, static_cast<std::uint16_t>(number));
  all.push_back(std::move(zone));
  auto time = tcp_flow(AF_INET, last);
  const auto nest = time.builder.open_nest(CTA_TIMESTAMP);
  time.be64(CTA_TIMESTAMP_START, static_cast<std::uint64_t>(number) << 40);
  if (number % 2 == 0) time.be64(CTA_TIMESTAMP_STOP, 77);
  time.builder.close_nest(nest);
  all.push_back(std::move(time));
  auto labels = tcp_flow(AF_INET, last);
  labels.builder.bytes(CTA_LABELS, &number, sizeof number);
  all.push_back(std::move(labels));
  auto empty = tcp_flow(AF_INET, last);
  synproxy(empty, 0);
  all.push_back(std::move(empty));
  auto used = tcp_flow(AF_INET, last);
  synproxy(used, static_cast<std::uint32_t>(number));
  all.push_back(std::move(used));
  FlowMessage directional;
  directional.tuple(CTA_TUPLE_ORIG, IPPROTO_UDP, endpoint4(last, 1, 2), number);
  directional.tuple(CTA_TUPLE_REPLY, IPPROTO_UDP, reversed(endpoint4(last, 1, 2)));
  all.push_back(std::move(directional));
  return all;
}

TEST(every_kind_of_flow_reads_as_without_memory_of_shapes) {
  std::mt19937 random(1);
  Pair pair;
  for (int round = 0; round < 200; round++) {
    auto all = kinds(round);
    std::shuffle(all.begin(), all.end(), random);
    for (auto& message : all) CHECK(pair.agree(message.payload()));
  }
}

TEST(a_message_fits_the_shape_of_its_kind_alone) {
  Row row{};
  const auto first = udp_flow(1, true).payload();
  CHECK(test::parse(first, row));
  Shape shape;
  CHECK(shape.learn(first.data(), first.size(), row));
  const auto same = udp_flow(77, true).payload();
  CHECK(shape.fits(same.data(), same.size()));
  Row fast{};
  shape.read(same.data(), fast);
  CHECK(test::parse(same, row));
  CHECK(test::same_row(fast, row));
  const auto shorter = udp_flow(77, false).payload();
  CHECK(!shape.fits(shorter.data(), shorter.size()));
  // The same length, other attributes.
  auto other = same;
  for (std::size_t at = 0; at < same.size(); at++) {
    other[at] ^= 0x40;
    Row plain{};
    const bool fits = shape.fits(other.data(), other.size());
    const bool read = test::parse(other, plain);
    if (fits) {
      CHECK(read);
      shape.read(other.data(), fast);
      CHECK(test::same_row(fast, plain));
    }
    other[at] = same[at];
  }
}

TEST(what_is_rare_is_never_a_shape) {
  auto labels = tcp_flow();
  const std::uint8_t bits[16] = {1};
  labels.builder.bytes(CTA_LABELS, bits, sizeof bits);
  const auto payload = labels.payload();
  Row row{};
  CHECK(test::parse(payload, row));
  CHECK(!Shape().learn(payload.data(), payload.size(), row));
}

TEST(more_kinds_than_are_kept_are_read_all_the_same) {
  Pair pair;
  for (int round = 0; round < 3; round++) {
    for (std::size_t spare = 0; spare < 400; spare++) {
      auto message = udp_flow(round, true);
      // Another size is another shape.
      const std::vector<std::uint8_t> bytes(4 + spare);
      message.builder.bytes(CTA_MARK, bytes.data(), bytes.size());
      CHECK(pair.agree(message.payload()));
    }
  }
}

// No protocol has both; parse() lets the later one have the place.
TEST(ports_and_icmp_fields_in_one_tuple_read_as_without_memory_of_shapes) {
  constexpr std::uint16_t pairs[][2] = {
      {CTA_PROTO_ICMP_CODE, CTA_PROTO_DST_PORT}, {CTA_PROTO_ICMP_TYPE, CTA_PROTO_DST_PORT},
      {CTA_PROTO_DST_PORT, CTA_PROTO_ICMP_CODE}, {CTA_PROTO_DST_PORT, CTA_PROTO_ICMPV6_TYPE},
      {CTA_PROTO_SRC_PORT, CTA_PROTO_ICMP_ID},   {CTA_PROTO_ICMP_ID, CTA_PROTO_SRC_PORT}};
  for (const auto& pair : pairs) {
    Pair both;
    for (int round = 0; round < 3; round++) {
      auto message = tcp_flow();
      const auto nest = message.builder.open_nest(CTA_TUPLE_ORIG);
      const auto proto = message.builder.open_nest(CTA_TUPLE_PROTO);
      message.builder.u8(CTA_PROTO_NUM, IPPROTO_TCP);
      message.builder.be16(pair[0], static_cast<std::uint16_t>(0x1234 + round));
      message.builder.be16(pair[1], static_cast<std::uint16_t>(0x5600 + round));
      message.builder.close_nest(proto);
      const auto ip = message.builder.open_nest(CTA_TUPLE_IP);
      message.builder.u32(CTA_IP_V4_SRC, 1);
      message.builder.u32(CTA_IP_V4_DST, 2);
      message.builder.close_nest(ip);
      message.builder.close_nest(nest);
      CHECK(both.agree(message.payload()));
    }
  }
}

TEST(every_changed_byte_reads_as_without_memory_of_shapes) {
  auto message = tcp_flow();
  synproxy(message, 0);
  const auto whole = message.payload();
  for (std::size_t at = 0; at < whole.size(); at++) {
    constexpr std::uint8_t values[] = {0x00, 0x01, 0x03, 0x7f, 0x80, 0xff};
    for (const std::uint8_t value : values) {
      Pair pair;
      CHECK(pair.agree(whole));
      auto changed = whole;
      changed[at] = value;
      CHECK(pair.agree(changed));
      CHECK(pair.agree(whole));
    }
  }
}

}  // namespace
}  // namespace nf::ct
