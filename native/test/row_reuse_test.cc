// A row that was used before: a message gives the same row, whatever was read into it earlier.
#include "core/conntrack/decode/parse.h"

#include <arpa/inet.h>

#include <algorithm>
#include <random>

#include "test/check.h"
#include "test/messages.h"
#include "test/rows.h"

namespace nf::ct {
namespace {

using test::endpoint4;
using test::endpoint6;
using test::FlowMessage;
using test::tcp_flow;

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

// Rows are used again for the next message. Old values must not show in it.
TEST(a_used_row_reads_as_a_new_one) {
  std::mt19937 random(1);
  Row used{};
  for (int round = 0; round < 200; round++) {
    auto all = kinds(round);
    std::shuffle(all.begin(), all.end(), random);
    for (auto& message : all) {
      const auto payload = message.payload();
      Row fresh{};
      CHECK(parse(payload.data(), payload.size(), used));
      CHECK(parse(payload.data(), payload.size(), fresh));
      CHECK(test::same_row(used, fresh));
    }
  }
}

TEST(a_row_that_a_refused_message_has_left_reads_as_a_new_one) {
  std::mt19937 random(2);
  Row used{};
  for (int round = 0; round < 200; round++) {
    for (auto& message : kinds(round)) {
      const auto payload = message.payload();
      auto damaged = payload;
      for (int i = 0; i < 3; i++)
        damaged[random() % damaged.size()] ^= static_cast<std::uint8_t>(1U << (random() % 8));
      static_cast<void>(parse(damaged.data(), damaged.size(), used));
      Row fresh{};
      CHECK(parse(payload.data(), payload.size(), used));
      CHECK(parse(payload.data(), payload.size(), fresh));
      CHECK(test::same_row(used, fresh));
    }
  }
}

}  // namespace
}  // namespace nf::ct
