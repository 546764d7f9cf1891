// Rows into columns and back: growth, both families, rare attributes, copying, merging, removing.
#include <arpa/inet.h>

#include "core/conntrack/columns.h"

#include "core/conntrack/filter/filter.h"
#include "core/conntrack/request/tuple_request.h"
#include "core/conntrack/row_form.h"
#include "core/conntrack/tuple.h"
#include "test/check.h"
#include "test/filter_words.h"
#include "test/messages.h"
#include "test/rows.h"

namespace nf::ct {
namespace {

using test::endpoint4;
using test::FlowMessage;
using test::tcp_flow;

void append(Columns& columns, FlowMessage message) {
  Row row{};
  const auto payload = message.payload();
  CHECK(test::parse(payload, row));
  CHECK(columns.append(row));
}

TEST(rows_read_back_after_growth) {
  Columns columns;
  for (int i = 0; i < 1000; i++) {
    append(columns, tcp_flow(i % 2 == 0 ? AF_INET : AF_INET6, static_cast<std::uint8_t>(i)));
  }
  CHECK_EQUAL(columns.size(), 1000U);
  CHECK_EQUAL(columns.without_counters(), 0U);
  for (std::size_t i = 0; i < 1000; i++) {
    const bool v6 = i % 2 != 0;
    CHECK_EQUAL(columns.get<std::uint8_t>(Column::family, i), v6 ? AF_INET6 : AF_INET);
    CHECK_EQUAL(columns.get<std::uint32_t>(Column::id, i), htonl(0xdeadbeefU));
    CHECK_EQUAL(columns.get<std::uint64_t>(Column::replyBytes, i), 0x123456789abcU);
    CHECK_EQUAL(columns.get<std::uint16_t>(Column::origDstPort, i), 443);
    for (const Side side : {kOrigSrc, kReplyDst}) {
      const Address address = columns.address(side, i);
      CHECK_EQUAL(address.bytes[v6 ? 15 : 3], static_cast<std::uint8_t>(i));
    }
  }
}

TEST(rows_that_come_in_blocks_are_the_same_rows) {
  Columns one_by_one;
  Columns blocks;
  RowBlock block;
  CHECK(blocks.append(block));
  CHECK(blocks.empty());
  for (int i = 0; i < 1000; i++) {
    auto message = tcp_flow(i % 3 == 0 ? AF_INET6 : AF_INET, static_cast<std::uint8_t>(i));
    if (i % 2 == 0) {  // without what the others have
      message = FlowMessage();
      message.tuples(50, endpoint4(static_cast<std::uint8_t>(i), 0, 0));
    }
    if (i % 7 == 0) {
      const auto help = message.builder.open_nest(CTA_HELP);
      message.builder.string(CTA_HELP_NAME, "ftp");
      message.builder.close_nest(help);
    }
    Row row{};
    const auto payload = message.payload();
    CHECK(test::parse(payload, row));
    CHECK(one_by_one.append(row));
    if (block.full()) CHECK(blocks.append(block));
    CHECK(blocks.stage(row, block));
    // A block may be appended at any time, even an empty one.
    for (int times = i % 100 == 50 ? 2 : 0; times > 0; times--) CHECK(blocks.append(block));
  }
  CHECK(blocks.append(block));
  CHECK_EQUAL(blocks.size(), one_by_one.size());
  CHECK_EQUAL(blocks.without_counters(), one_by_one.without_counters());
  CHECK_EQUAL(blocks.memory_bytes(), one_by_one.memory_bytes());
  for (std::size_t i = 0; i < kColumnCount; i++) {
    const auto column = static_cast<Column>(i);
    for (std::size_t row = 0; row < blocks.size(); row++) {
      bool same = false;
      switch (kColumnInfo[i].size) {
        case 1:
          same = blocks.get<std::uint8_t>(column, row) == one_by_one.get<std::uint8_t>(column, row);
          break;
        case 2:
          same =
              blocks.get<std::uint16_t>(column, row) == one_by_one.get<std::uint16_t>(column, row);
          break;
        case 4:
          same =
              blocks.get<std::uint32_t>(column, row) == one_by_one.get<std::uint32_t>(column, row);
          break;
        default:
          same =
              blocks.get<std::uint64_t>(column, row) == one_by_one.get<std::uint64_t>(column, row);
      }
      CHECK(same);
    }
  }
  for (std::size_t row = 0; row < blocks.size(); row++) {
    Attribute a;
    CHECK_EQUAL(blocks.extra(row, CTA_HELP, a), row % 7 == 0);
    const Address address = blocks.address(kReplyDst, row);
    const Address expected = one_by_one.address(kReplyDst, row);
    CHECK(std::memcmp(&address, &expected, sizeof address) == 0);
  }
}

TEST(columns_without_a_row_need_no_room) {
  Columns plain;
  FlowMessage message;
  message.tuples(50, endpoint4(2, 0, 0));
  append(plain, std::move(message));
  Columns counted;
  append(counted, tcp_flow());
  CHECK(plain.arena_bytes() < counted.arena_bytes());
  CHECK(plain.any_without_counters());
  CHECK(!counted.any_without_counters());
}

FlowMessage rare(std::uint8_t last) {
  auto message = tcp_flow(AF_INET, last);
  message.tuple(CTA_TUPLE_MASTER, IPPROTO_TCP, endpoint4(last, 3, 4));
  const auto help = message.builder.open_nest(CTA_HELP);
  message.builder.string(CTA_HELP_NAME, "ftp");
  message.builder.close_nest(help);
  return message;
}

TEST(rare_attributes_are_found_by_their_row) {
  Columns columns;
  for (std::uint8_t i = 0; i < 20; i++) append(columns, i % 3 == 0 ? rare(i) : tcp_flow());
  Columns copy;
  for (std::size_t i = 0; i < columns.size(); i++) CHECK(copy.append_from(columns, i));
  for (const auto* batch : {&columns, &copy}) {
    for (std::size_t i = 0; i < 20; i++) {
      Attribute a;
      CHECK_EQUAL(batch->extra(i, CTA_HELP, a), i % 3 == 0);
      CHECK_EQUAL(batch->extra(i, CTA_TUPLE_MASTER, a), i % 3 == 0);
      CHECK(!batch->extra(i, CTA_LABELS, a));
    }
  }
}

TEST(the_last_row_can_be_taken_away) {
  Columns columns;
  append(columns, rare(1));
  append(columns, tcp_flow(AF_INET6));
  append(columns, rare(3));
  columns.pop();
  columns.pop();
  CHECK_EQUAL(columns.size(), 1U);
  append(columns, rare(5));
  Attribute a;
  CHECK(columns.extra(0, CTA_HELP, a) && columns.extra(1, CTA_HELP, a));
  CHECK_EQUAL(columns.address(kOrigSrc, 1).bytes[3], 5);
}

TEST(merging_keeps_what_an_event_leaves_out) {
  Columns columns;
  append(columns, tcp_flow());
  FlowMessage event;
  event.tuples(IPPROTO_TCP, endpoint4(2, 40000, 443));
  event.builder.be32(CTA_TIMEOUT, 10);
  event.tcp_state(TCP_CONNTRACK_FIN_WAIT);
  Row row{};
  const auto payload = event.payload();
  CHECK(test::parse(payload, row));
  columns.merge(0, row);
  CHECK_EQUAL(columns.get<std::uint32_t>(Column::timeout, 0), 10U);
  CHECK_EQUAL(columns.get<std::uint8_t>(Column::state, 0), TCP_CONNTRACK_FIN_WAIT);
  CHECK_EQUAL(columns.get<std::uint32_t>(Column::mark, 0), 0x2aU);
  CHECK_EQUAL(columns.get<std::uint64_t>(Column::origBytes, 0), 1000U);
}

TEST(compacting_loses_nothing) {
  Columns columns(100000);
  append(columns, tcp_flow(AF_INET, 7));
  const auto before = columns.arena_bytes();
  columns.compact();
  CHECK(columns.arena_bytes() < before);
  CHECK_EQUAL(columns.address(kOrigSrc, 0).bytes[3], 7);
  CHECK_EQUAL(columns.get<std::uint64_t>(Column::origPackets, 0), 10U);
}

TEST(a_row_becomes_the_request_that_names_it) {
  Columns columns;
  auto message = tcp_flow(AF_INET6, 4);
  message.builder.be16(CTA_ZONE, 9);
  append(columns, std::move(message));
  const PackedTuple tuple = pack_tuple(columns.read(0));
  CHECK_EQUAL(tuple.family, AF_INET6);
  CHECK_EQUAL(tuple.zone, 9);
  CHECK_EQUAL(tuple.src_port, 40000);
  CHECK_EQUAL(tuple.src[15], 4);
  CHECK_EQUAL(tuple.flags, kTupleHasId | kTupleHasPorts);
  MessageBuilder builder;
  CHECK(append_delete(tuple, 0, 1, builder).ok());
  // A delete without a tuple would be a flush: the first attribute is the tuple.
  AttributeCursor cursor(builder.data() + NLMSG_HDRLEN + 4, builder.size() - NLMSG_HDRLEN - 4);
  Attribute a;
  CHECK(cursor.next(a) && a.type == CTA_TUPLE_ORIG && a.size > 40);
  PackedTuple bad = tuple;
  bad.family = 0;
  MessageBuilder nothing;
  CHECK(!append_delete(bad, 0, 1, nothing).ok());
  CHECK_EQUAL(nothing.size(), 0U);
}

Row parsed(FlowMessage message, std::vector<std::uint8_t>& payload) {
  payload = message.payload();
  Row row{};
  CHECK(test::parse(payload, row));
  return row;
}

TEST(a_row_is_read_back_as_it_was_parsed) {
  std::vector<FlowMessage> messages;
  messages.push_back(tcp_flow(AF_INET, 1));
  messages.push_back(tcp_flow(AF_INET6, 2));
  messages.push_back(rare(3));
  messages.emplace_back().tuples(50, endpoint4(4, 0, 0));
  FlowMessage& labelled = messages.emplace_back();
  labelled.tuples(IPPROTO_UDP, endpoint4(5, 53, 53));
  const std::uint8_t labels[16] = {1, 2, 3};
  labelled.builder.bytes(CTA_LABELS, labels, sizeof labels);
  labelled.builder.be16(CTA_ZONE, 7);
  FlowMessage& zoned = messages.emplace_back();
  for (const int type : {CTA_TUPLE_ORIG, CTA_TUPLE_REPLY}) {
    zoned.tuple(static_cast<std::uint16_t>(type), IPPROTO_UDP, endpoint4(6, 1000, 2000),
                type == CTA_TUPLE_ORIG ? 11 : -1);
  }
  Columns columns;
  std::vector<std::vector<std::uint8_t>> payloads(messages.size());
  std::vector<Row> rows;
  for (std::size_t i = 0; i < messages.size(); i++) {
    rows.push_back(parsed(std::move(messages[i]), payloads[i]));
    if (i % 2 == 1) {
      rows.back().event_type = static_cast<std::uint8_t>(EventType::kUpdate);
      rows.back().nsid = static_cast<std::int32_t>(i);
    }
    CHECK(columns.append(rows.back()));
  }
  for (std::size_t i = 0; i < rows.size(); i++) CHECK(test::same_row(columns.read(i), rows[i]));
  CHECK_EQUAL(columns.read(2).helper.size, 4);
  CHECK_EQUAL(columns.read(4).labels.size, 16);
  CHECK_EQUAL(columns.read(5).tuple_zone[kOrig], 11);
}

TEST(each_direction_of_a_row_is_a_tuple) {
  std::vector<std::uint8_t> payload;
  const Row row = parsed(tcp_flow(AF_INET6, 4), payload);
  const Tuple orig = tuple_of(row, kOrig);
  const Tuple reply = tuple_of(row, kReply);
  CHECK_EQUAL(orig.src.size(), 16U);
  CHECK(orig.src.data() == row.address[kOrigSrc].bytes);
  CHECK(reply.dst.data() == row.address[kReplyDst].bytes);
  CHECK_EQUAL(orig.dst_port.value_or(0), 443);
  CHECK_EQUAL(reply.src_port.value_or(0), 443);
  CHECK(!orig.icmp_id.has_value() && !orig.zone.has_value());
}

// The first and the last bit of the second word of presence.
constexpr std::uint64_t kFirst = std::uint64_t{1} << 32;
constexpr std::uint64_t kLast = std::uint64_t{1} << 63;

TEST(attributes_of_the_second_word_go_where_the_row_goes) {
  std::vector<std::uint8_t> payload;
  const Row plain = parsed(tcp_flow(), payload);
  const auto wanted = [&](std::size_t i) {
    return plain.presence | (i % 3 == 0 ? kLast : 0) | (i % 5 == 0 ? kFirst : 0);
  };
  Columns without;
  Columns one_by_one;
  Columns blocks;
  RowBlock block;
  for (std::size_t i = 0; i < 200; i++) {
    Row row = plain;
    CHECK(without.append(row));
    row.presence = wanted(i);
    CHECK(row.have(wanted(i)));
    CHECK(one_by_one.append(row));
    if (block.full()) CHECK(blocks.append(block));
    CHECK(blocks.stage(row, block));
    std::vector<std::uint8_t> arena(64 * kLookupRowBytes);
    std::uint8_t extra[512];
    store_lookup(row, arena.data(), 64, 5, extra);
    Row found{};
    RowForm form;
    read_row(arena, 64, 5, found, form);
    CHECK_EQUAL(found.presence, wanted(i));
  }
  CHECK(blocks.append(block));
  CHECK(without.arena_bytes() < one_by_one.arena_bytes());
  Columns copied;
  for (std::size_t i = 0; i < 200; i++) CHECK(copied.append_from(one_by_one, i));
  Columns absorbed;
  CHECK(absorbed.append(plain) && absorbed.absorb(blocks, {}));
  blocks.compact();
  const test::FilterWords words = {static_cast<std::uint32_t>(FilterOp::mark), 0x2a, 0xff};
  auto filter = Filter::compile(words);
  CHECK(filter.ok());
  for (std::size_t i = 0; i < 200; i++) {
    for (const Columns* batch : {&one_by_one, &blocks, &copied}) {
      CHECK_EQUAL(batch->presence(i), wanted(i));
      CHECK_EQUAL(batch->read(i).presence, wanted(i));
      CHECK(filter->matches(batch->read(i)));
    }
    CHECK_EQUAL(absorbed.presence(i + 1), wanted(i));
  }
  CHECK_EQUAL(absorbed.presence(0), plain.presence);
  CHECK_EQUAL(without.presence(0), plain.presence);
}

TEST(merging_keeps_the_second_word_and_takes_no_rare_attribute_of_it) {
  std::vector<std::uint8_t> payload;
  Row row = parsed(tcp_flow(), payload);
  Columns columns;
  CHECK(columns.append(row));
  row.presence |= kLast;
  CHECK(columns.append(row));
  Row news = row;
  news.presence = has::orig | has::reply | has::timeout | has::helperInfo;
  news.timeout = 9;
  for (const std::size_t i : {0U, 1U}) columns.merge(i, news);
  CHECK_EQUAL(columns.read(0).presence, row.presence & ~kLast);
  CHECK_EQUAL(columns.read(1).presence, row.presence);
  CHECK_EQUAL(columns.read(1).timeout, 9U);
  columns.pop();
  row.presence &= ~kLast;
  CHECK(columns.append(row));
  CHECK_EQUAL(columns.presence(1), row.presence);
}

}  // namespace
}  // namespace nf::ct
