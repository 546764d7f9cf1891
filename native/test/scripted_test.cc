// How the core handles answers that the real kernel hardly ever gives, or never twice: a stand-in
// (scripted.h) answers in place of the kernel.
#include <errno.h>

#include "core/conntrack/change/bulk.h"
#include "core/conntrack/dump/lookup.h"
#include "core/conntrack/dump/table_dump.h"
#include "core/conntrack/request/flow_request.h"
#include "core/conntrack/request/tuple_request.h"
#include "test/scripted.h"

namespace nf::ct {
namespace {

using test::Bytes;
using test::change_of;
using test::everything;
using test::FakeFlow;
using test::FakeTable;
using test::Script;
using test::Scripted;
using test::status_change;

Result<BulkStats> change_all(FakeTable& table, const Bytes& change,
                             const Cancel& cancel = Cancel()) {
  Scripted dump(table);
  Scripted command(table);
  return update_where({dump.socket, command.socket}, everything(), cancel, change);
}
Result<BulkStats> update_all(FakeTable& table, std::uint32_t bits) {
  return change_all(table, status_change(bits));
}

// The kernel refuses a status that lacks a bit which was set meanwhile.
TEST(scripted_update_reads_a_busy_flow_again) {
  FakeTable table;
  table.flows = {{2, 1, IPS_CONFIRMED, 1}, {3, 2, IPS_CONFIRMED, 1}};
  int busy = 1;
  table.before = [&](std::uint16_t verb, std::uint8_t last) {
    if (verb != IPCTNL_MSG_CT_NEW || last != 3 || busy-- <= 0) return 0;
    table.flows[1].status |= IPS_SEEN_REPLY;
    return EBUSY;
  };
  auto done = update_all(table, IPS_ASSURED);
  CHECK(done.ok());
  if (!done.ok()) return;
  CHECK_EQUAL(done->done, 2U);
  CHECK_EQUAL(done->refused, 0U);
  // The second attempt has the new bit, and what was asked for.
  CHECK(!table.statuses.empty() &&
        table.statuses.back() == (IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
  CHECK_EQUAL(table.count(IPCTNL_MSG_CT_NEW), 3U);
}

TEST(scripted_update_gives_a_busy_flow_up_after_three_attempts) {
  FakeTable table;
  table.flows = {{2, 1, IPS_CONFIRMED, 1}};
  table.before = [](std::uint16_t verb, std::uint8_t) {
    return verb == IPCTNL_MSG_CT_NEW ? EBUSY : 0;
  };
  auto done = update_all(table, IPS_ASSURED);
  CHECK(done.ok());
  if (!done.ok()) return;
  CHECK_EQUAL(done->done, 0U);
  CHECK_EQUAL(done->refused, 1U);
  CHECK_EQUAL(done->first_refusal.code, EBUSY);
  CHECK_EQUAL(table.count(IPCTNL_MSG_CT_NEW), 3U);
}

// Another flow took the tuple of a busy flow. It is read again as any match is, and changed as it
// is now.
TEST(scripted_update_takes_the_successor_of_a_busy_flow_for_what_it_is) {
  FakeTable table;
  table.flows = {{2, 1, IPS_CONFIRMED, 1}};
  table.before = [&](std::uint16_t verb, std::uint8_t) {
    if (verb != IPCTNL_MSG_CT_NEW || table.flows[0].id == 9) return 0;
    table.flows[0].id = 9;
    table.flows[0].status = IPS_CONFIRMED | IPS_SEEN_REPLY;
    return EBUSY;
  };
  auto done = update_all(table, IPS_ASSURED);
  CHECK(done.ok());
  if (!done.ok()) return;
  CHECK_EQUAL(done->done, 1U);
  CHECK_EQUAL(table.count(IPCTNL_MSG_CT_NEW), 2U);
  CHECK(!table.statuses.empty() &&
        table.statuses.back() == (IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
}

// The kernel would refuse another change than a status again.
TEST(scripted_update_of_no_status_is_tried_once) {
  FakeTable table;
  table.flows = {{2, 1}, {3, 2}};
  table.before = [](std::uint16_t verb, std::uint8_t last) {
    return verb == IPCTNL_MSG_CT_NEW && last == 2 ? EBUSY : 0;
  };
  auto done = change_all(table, change_of(Field::mark, 5));
  CHECK(done.ok());
  if (!done.ok()) return;
  CHECK_EQUAL(done->done, 1U);
  CHECK_EQUAL(done->refused, 1U);
  CHECK_EQUAL(done->first_refusal.code, EBUSY);
  CHECK_EQUAL(table.count(IPCTNL_MSG_CT_NEW), 2U);
}

// A flow is not done if it did not keep what the kernel took, or cannot be read.
TEST(scripted_update_that_was_not_kept_counts_as_refused) {
  for (const bool readable : {true, false}) {
    FakeTable table;
    table.flows = {{2, 1}, {3, 2}};
    std::size_t readings = 0;
    table.garble_one = [&](Bytes& datagram) {
      // The first reading of each flow, before the change, is whole.
      if (readable || readings++ % 2 == 0) return;
      std::fill(datagram.begin() + NLMSG_HDRLEN + sizeof(nfgenmsg), datagram.end(), 0xff);
    };
    // More seconds than the flows have afterwards.
    auto done = change_all(table, change_of(Field::timeout, 3'000'000));
    CHECK(done.ok());
    if (!done.ok()) return;
    CHECK_EQUAL(done->done, 0U);
    CHECK_EQUAL(done->refused, 2U);
    CHECK_EQUAL(done->first_refusal.code, readable ? EOPNOTSUPP : EBADMSG);
    CHECK_EQUAL(table.count(IPCTNL_MSG_CT_NEW), 2U);
  }
}

// Nothing begins after a cancellation. The outcome of what was sent is reported.
TEST(scripted_update_that_is_cancelled_ends_with_its_window) {
  FakeTable table;
  for (std::uint8_t i = 0; i < 50; i++) {
    table.flows.push_back({static_cast<std::uint8_t>(i + 1), i + 1U});
  }
  // All flows in one datagram, as the kernel sends them.
  table.garble = [](std::deque<Bytes>& datagrams) {
    Bytes& first = datagrams.front();
    for (std::size_t i = 1; i + 1 < datagrams.size(); i++) {
      first.insert(first.end(), datagrams[i].begin(), datagrams[i].end());
    }
    datagrams.erase(datagrams.begin() + 1, datagrams.end() - 1);
  };
  Cancel cancel;
  table.before = [&](std::uint16_t verb, std::uint8_t last) {
    if (verb == IPCTNL_MSG_CT_NEW && last == 20) cancel.raise();
    return 0;
  };
  auto done = change_all(table, change_of(Field::mark, 5), cancel);
  CHECK(done.ok());
  if (!done.ok()) return;
  CHECK(done->cancelled);
  // Two windows of sixteen.
  CHECK_EQUAL(done->done, 32U);
  CHECK_EQUAL(table.count(IPCTNL_MSG_CT_NEW), 32U);
}

// The last counts of a deleted flow: from the report if there is one, otherwise from a reading
// right before.
TEST(scripted_delete_reads_before_it_deletes) {
  for (const bool echo : {false, true}) {
    FakeTable table;
    table.flows = {{2, 1, IPS_CONFIRMED, 10}, {3, 2, IPS_CONFIRMED, 10}};
    table.echo = echo;
    // Packets between the dump and the deletion.
    table.after_dump = [&] {
      for (FakeFlow& flow : table.flows) flow.packets = 70;
    };
    // And between the reading and the deletion: only the report has these.
    table.before = [&](std::uint16_t verb, std::uint8_t) {
      if (verb == IPCTNL_MSG_CT_DELETE) {
        for (FakeFlow& flow : table.flows) flow.packets = 75;
      }
      return 0;
    };
    Scripted dump(table);
    Scripted command(table);
    Columns deleted;
    auto done = delete_where({dump.socket, command.socket}, everything(), Cancel(), &deleted);
    CHECK(done.ok());
    if (!done.ok()) return;
    CHECK_EQUAL(done->done, 2U);
    CHECK_EQUAL(deleted.size(), 2U);
    CHECK(table.flows.empty());
    if (deleted.size() != 2) return;
    CHECK_EQUAL(deleted.get<std::uint64_t>(Column::origPackets, 0), echo ? 75U : 70U);
    CHECK_EQUAL(deleted.get<std::uint64_t>(Column::origPackets, 1), 75U);
  }
}

// Zeroing names the tuple. If another flow took it meanwhile, that one is zeroed. So it belongs
// into the result, beside the flow that the dump showed.
TEST(scripted_zeroing_tells_a_flow_from_its_successor) {
  FakeTable table;
  table.flows = {{2, 1, IPS_CONFIRMED, 10}, {3, 2, IPS_CONFIRMED, 10}};
  table.before = [&](std::uint16_t verb, std::uint8_t last) {
    if (verb != IPCTNL_MSG_CT_GET_CTRZERO || last != 3) return 0;
    table.flows[1] = {3, 9, IPS_CONFIRMED, 4};
    return 0;
  };
  table.after_dump = [&] { table.flows[0].packets = 15; };
  const Filter& filter = everything();
  TableDumpRequest request;
  request.filter = &filter;
  request.zero_counters = true;
  std::vector<int> opened;
  auto dumped = dump_table(
      [&](const char* operation) {
        auto socket = Socket::open(operation);
        if (socket.ok()) opened.push_back(socket->fd());
        if (socket.ok()) test::lines[socket->fd()] = {&table, {}};
        return socket;
      },
      request, Cancel());
  for (const int fd : opened) test::lines.erase(fd);
  CHECK(dumped.ok());
  if (!dumped.ok()) return;
  CHECK_EQUAL(dumped->columns.size(), 3U);
  if (dumped->columns.size() != 3) return;
  const auto row = [&](std::size_t i) {
    return std::pair(dumped->columns.get<std::uint32_t>(Column::id, i),
                     dumped->columns.get<std::uint64_t>(Column::origPackets, i));
  };
  CHECK(row(0) == std::pair(1U, std::uint64_t{15}));
  CHECK(row(1) == std::pair(2U, std::uint64_t{10}));
  CHECK(row(2) == std::pair(9U, std::uint64_t{4}));
}

struct Dumped {
  Result<void> result;
  DumpStats stats;
  std::size_t rows = 0;
};
Dumped dump_of(FakeTable& table) {
  Scripted scripted(table);
  const Filter& filter = everything();
  DumpRequest request;
  request.filter = &filter;
  Columns columns;
  ColumnsSink sink(columns);
  Dumped dumped;
  dumped.result = run_dump(scripted.socket, request, Cancel(), sink, dumped.stats);
  dumped.rows = columns.size();
  return dumped;
}
FakeTable three_flows() {
  FakeTable table;
  table.flows = {{2, 1, IPS_CONFIRMED, 1}, {3, 2, IPS_CONFIRMED, 1}, {4, 3, IPS_CONFIRMED, 1}};
  return table;
}

TEST(scripted_dump_counts_what_it_cannot_read) {
  FakeTable table = three_flows();
  table.garble = [](std::deque<Bytes>& datagrams) {
    // Bytes behind the first message that are none, and a message with too large a length.
    datagrams[0].insert(datagrams[0].end(), {1, 2, 3});
    datagrams[1][0] = 0xff;
    datagrams[1][1] = 0xff;
  };
  const Dumped dumped = dump_of(table);
  CHECK(dumped.result.ok());
  CHECK_EQUAL(dumped.rows, 2U);
  CHECK_EQUAL(dumped.stats.undecodable, 2U);
}

TEST(scripted_dump_ends_with_an_error_in_the_middle) {
  FakeTable table = three_flows();
  table.garble = [](std::deque<Bytes>& datagrams) {
    nlmsghdr header{};
    std::memcpy(&header, datagrams[1].data(), sizeof header);
    header.nlmsg_type = NLMSG_ERROR;
    header.nlmsg_len = NLMSG_HDRLEN + 4;
    const std::int32_t code = -EIO;
    datagrams[1].resize(header.nlmsg_len);
    std::memcpy(datagrams[1].data(), &header, sizeof header);
    std::memcpy(&datagrams[1][NLMSG_HDRLEN], &code, sizeof code);
  };
  const Dumped dumped = dump_of(table);
  CHECK(!dumped.result.ok() && dumped.result.error().code == EIO);
}

TEST(scripted_dump_without_an_end_is_no_dump) {
  FakeTable table = three_flows();
  table.garble = [](std::deque<Bytes>& datagrams) { datagrams.pop_back(); };
  const Dumped dumped = dump_of(table);
  CHECK(!dumped.result.ok() && dumped.result.error().code == ETIMEDOUT);
}

TEST(scripted_dump_takes_no_answer_of_another_request) {
  FakeTable table = three_flows();
  table.garble = [](std::deque<Bytes>& datagrams) {
    // An end and a row with another sequence number come first.
    Bytes end = datagrams.back();
    Bytes row = datagrams.front();
    end[8] ^= 0x40;
    row[8] ^= 0x40;
    datagrams.push_front(end);
    datagrams.push_front(row);
  };
  const Dumped dumped = dump_of(table);
  CHECK(dumped.result.ok());
  CHECK_EQUAL(dumped.rows, 3U);
}

TEST(scripted_truncated_datagram_is_an_error) {
  FakeTable table = three_flows();
  table.truncated = true;
  const Dumped dumped = dump_of(table);
  CHECK(!dumped.result.ok() && dumped.result.error().code == EMSGSIZE);
}

// If an answer never comes, every kind of exchange gives up.
TEST(scripted_silence_times_out) {
  class Silent final : public Script {
    void request(const MessageView&) override {}
  } silent;
  Scripted scripted(silent);
  PackedTuple tuple{};
  Columns columns(1);
  Row row;
  CHECK(test::parse(test::tcp_flow().payload(), row) && columns.append(row));
  tuple = pack_tuple(columns.read(0));
  auto many = look_up(scripted.socket, nullptr, std::span(&tuple, 1));
  CHECK(!many.ok() && many.error().code == ETIMEDOUT);
  MessageBuilder builder;
  Bytes buffer(kReceiveLength);
  auto one = look_up_one(scripted.socket, tuple, builder, buffer, row);
  CHECK(!one.ok() && one.error().code == ETIMEDOUT);
  // A cancelled lookup ends as such, at once.
  Cancel cancel;
  cancel.raise();
  auto cancelled = look_up(scripted.socket, &cancel, std::span(&tuple, 1));
  CHECK(!cancelled.ok() && cancelled.error().kind == ErrorKind::kCancelled);
}

}  // namespace
}  // namespace nf::ct
