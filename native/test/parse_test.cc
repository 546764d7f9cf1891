// The decoder: every attribute of a flow reads back. A message that is cut, changed or incomplete
// is refused, and no byte beyond its end is read (ASan would see it).
#include <arpa/inet.h>

#include <cstring>

#include "test/check.h"
#include "test/messages.h"

namespace nf::ct {
namespace {

using test::endpoint4;
using test::FlowMessage;
using test::tcp_flow;

TEST(a_whole_tcp_flow_reads_back) {
  auto message = tcp_flow();
  message.builder.be16(CTA_ZONE, 5);
  const auto payload = message.payload();
  Row row{};
  CHECK(test::parse(payload, row));
  CHECK_EQUAL(row.family, AF_INET);
  CHECK_EQUAL(row.protocol, IPPROTO_TCP);
  CHECK_EQUAL(row.address[kOrigSrc].bytes[3], 2);
  CHECK_EQUAL(row.address[kReplyDst].bytes[3], 2);
  CHECK_EQUAL(row.port[kOrigSrc], 40000);
  CHECK_EQUAL(row.port[kOrigDst], 443);
  CHECK_EQUAL(row.port[kReplySrc], 443);
  CHECK_EQUAL(row.status, 14U);
  CHECK_EQUAL(row.timeout, 300U);
  CHECK_EQUAL(row.mark, 0x2aU);
  CHECK_EQUAL(row.id, htonl(0xdeadbeefU));
  CHECK_EQUAL(row.use, 1U);
  CHECK_EQUAL(row.zone, 5);
  CHECK_EQUAL(row.state, TCP_CONNTRACK_ESTABLISHED);
  CHECK_EQUAL(row.wscale[0], 7);
  CHECK_EQUAL(row.wscale[1], 8);
  CHECK_EQUAL(row.tcp_flags[1], 3);
  CHECK_EQUAL(row.counters[0], 10U);
  CHECK_EQUAL(row.counters[3], 0x123456789abcU);
  CHECK_EQUAL(row.presence, has::id | has::status | has::timeout | has::mark | has::use |
                                has::zone | has::state | has::orig | has::reply | has::origPorts |
                                has::replyPorts | has::origCounters | has::replyCounters |
                                has::tcpWscale | has::tcpFlags);
}

TEST(addresses_of_ipv6_read_back) {
  const auto payload = tcp_flow(AF_INET6, 9).payload();
  Row row{};
  CHECK(test::parse(payload, row));
  CHECK(row.ipv6());
  CHECK_EQUAL(row.address[kOrigSrc].bytes[15], 9);
  CHECK_EQUAL(row.address[kReplySrc].bytes[3], 2);
}

TEST(icmp_has_no_ports) {
  FlowMessage message;
  message.tuples(IPPROTO_ICMP, endpoint4(2, 0x1234, 8 << 8 | 3));
  Row row{};
  const auto payload = message.payload();
  CHECK(test::parse(payload, row));
  CHECK(row.have(has::origIcmp | has::replyIcmp));
  CHECK(!row.have(has::origPorts));
  CHECK_EQUAL(row.port[kOrigSrc], 0x1234);
  CHECK_EQUAL(row.port[kOrigDst], 0x0803);
}

TEST(a_row_keeps_nothing_of_the_one_before) {
  Row row{};
  const auto first = tcp_flow().payload();
  CHECK(test::parse(first, row));
  FlowMessage plain;
  plain.tuples(50, endpoint4(3, 0, 0));
  const auto second = plain.payload();
  CHECK(test::parse(second, row));
  CHECK_EQUAL(row.presence, has::orig | has::reply);
  CHECK_EQUAL(row.mark, 0U);
  CHECK_EQUAL(row.status, 0U);
  CHECK_EQUAL(row.port[kOrigDst], 0);
  CHECK_EQUAL(row.extra_count, 0);
}

TEST(directional_zones_and_rare_attributes_are_kept) {
  FlowMessage message;
  message.tuple(CTA_TUPLE_ORIG, IPPROTO_UDP, endpoint4(2, 1, 2), 11);
  message.tuple(CTA_TUPLE_REPLY, IPPROTO_UDP, reversed(endpoint4(2, 1, 2)));
  message.tuple(CTA_TUPLE_MASTER, IPPROTO_TCP, endpoint4(2, 3, 4));
  const std::uint8_t labels[16] = {0, 1};
  message.builder.bytes(CTA_LABELS, labels, sizeof labels);
  const auto help = message.builder.open_nest(CTA_HELP);
  message.builder.string(CTA_HELP_NAME, "ftp");
  message.builder.close_nest(help);
  message.builder.u32(200, 1);  // of a later kernel
  Row row{};
  const auto payload = message.payload();
  CHECK(test::parse(payload, row));
  CHECK(row.have(has::origZone | has::master | has::labels | has::helper | has::unknown));
  CHECK(!row.have(has::replyZone));
  CHECK_EQUAL(row.tuple_zone[0], 11);
  CHECK_EQUAL(row.labels.size, 16);
  CHECK_EQUAL(row.helper.size, 4);
  CHECK_EQUAL(row.extra_count, 5);
}

TEST(a_flow_needs_both_tuples_with_both_addresses_of_its_family) {
  Row row{};
  FlowMessage half;
  half.tuple(CTA_TUPLE_ORIG, IPPROTO_TCP, endpoint4(2, 1, 2));
  CHECK(!test::parse(half.payload(), row));
  FlowMessage none;
  none.builder.be32(CTA_MARK, 1);
  CHECK(!test::parse(none.payload(), row));
  auto wrong = tcp_flow().payload();
  constexpr std::uint8_t families[] = {0, 1, AF_INET6, 255};
  for (const std::uint8_t family : families) {
    wrong[0] = family;
    CHECK(!test::parse(wrong, row));
  }
}

TEST(attributes_that_are_too_short_are_refused) {
  const std::uint8_t bytes[8] = {};
  constexpr std::uint16_t types[] = {CTA_STATUS, CTA_TIMEOUT, CTA_MARK, CTA_USE,
                                     CTA_ID,     CTA_ZONE,    27};
  for (const std::uint16_t type : types) {
    auto message = tcp_flow();
    message.builder.bytes(type, bytes, 1);
    Row row{};
    CHECK(!test::parse(message.payload(), row));
  }
  // Padding that has the number of CTA_STATUS is no status.
  auto message = tcp_flow();
  message.builder.bytes(CTA_STATUS, nullptr, 0);
  Row row{};
  CHECK(test::parse(message.payload(), row));
  CHECK_EQUAL(row.status, 14U);
}

TEST(more_rare_attributes_than_a_row_holds_are_refused_not_dropped) {
  Row row{};
  for (int count = Row::kMaxExtra; count <= Row::kMaxExtra + 1; count++) {
    auto message = tcp_flow();
    for (int i = 0; i < count; i++) message.builder.u32(200, 1);
    CHECK_EQUAL(test::parse(message.payload(), row), count <= Row::kMaxExtra);
  }
}

TEST(data_of_a_helper_is_an_attribute_of_the_second_word) {
  for (const bool with : {false, true}) {
    auto message = tcp_flow();
    const auto help = message.builder.open_nest(CTA_HELP);
    message.builder.string(CTA_HELP_NAME, "sip");
    if (with) message.builder.u32(CTA_HELP_INFO, 1);
    message.builder.close_nest(help);
    const auto payload = message.payload();
    Row row{};
    CHECK(test::parse(payload, row));
    CHECK_EQUAL(row.have(has::helperInfo), with);
    CHECK_EQUAL(row.presence >> 32, with ? 1U : 0U);
    CHECK(row.have(has::helper));
  }
}

FlowMessage every_attribute() {
  auto message = tcp_flow();
  message.tuple(CTA_TUPLE_MASTER, IPPROTO_TCP, endpoint4(2, 3, 4));
  const auto help = message.builder.open_nest(CTA_HELP);
  message.builder.string(CTA_HELP_NAME, "sip");
  message.builder.close_nest(help);
  const auto time = message.builder.open_nest(CTA_TIMESTAMP);
  message.be64(CTA_TIMESTAMP_START, 1);
  message.be64(CTA_TIMESTAMP_STOP, 2);
  message.builder.close_nest(time);
  const std::uint8_t labels[16] = {1};
  message.builder.bytes(CTA_LABELS, labels, sizeof labels);
  message.be64(27, 3);
  return message;
}

TEST(every_truncation_is_survived) {
  const auto whole = every_attribute().payload();
  Row row{};
  CHECK(test::parse(whole, row));
  for (std::size_t size = 0; size < whole.size(); size++) {
    const std::vector<std::uint8_t> part(whole.begin(), whole.begin() + static_cast<long>(size));
    test::parse(part, row);  // true if the cut is between attributes; ASan is the judge
  }
}

TEST(every_changed_byte_is_survived) {
  const auto whole = every_attribute().payload();
  Row row{};
  for (std::size_t at = 0; at < whole.size(); at++) {
    constexpr std::uint8_t values[] = {0x00, 0x01, 0x03, 0x7f, 0x80, 0xff};
    for (const std::uint8_t value : values) {
      auto changed = whole;
      changed[at] = value;
      test::parse(changed, row);
    }
  }
}

}  // namespace
}  // namespace nf::ct
