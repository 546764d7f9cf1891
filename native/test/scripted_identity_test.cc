// Which flow a request reaches if the table changes between a reading and what follows from it. As
// far as `start` and id tell, the successor of a flow is not that flow.
#include <errno.h>

#include "core/conntrack/change/bulk.h"
#include "core/conntrack/change/change.h"
#include "core/conntrack/change/write.h"
#include "test/scripted.h"
#include "test/scripted_requests.h"

namespace nf::ct {
namespace {

using test::Bulk;
using test::change_of;
using test::delete_marked;
using test::FakeFlow;
using test::FakeTable;
using test::kStart;
using test::makes_flows;
using test::name_of;
using test::Scripted;
using test::status_change;
using test::tuple_of_flow;
using test::Written;

constexpr std::uint64_t kLater = kStart + 5'000'000'000;

// Once, before a request of this kind, puts `successor` in the place of the flow with its address.
auto replaces(FakeTable& table, std::uint16_t before, const FakeFlow& successor) {
  return [&table, before, successor, over = false](std::uint16_t verb, std::uint8_t last) mutable {
    if (verb != before || last != successor.last || over) return 0;
    over = true;
    for (FakeFlow& flow : table.flows) {
      if (flow.last == last) flow = successor;
    }
    return 0;
  };
}

struct Deleted {
  std::vector<int> codes;
  std::vector<std::optional<std::uint32_t>> ids;  // named by the requests
  std::size_t left = 0;
};
Deleted delete_one(FakeTable& table, const FakeFlow& meant) {
  Scripted scripted(table);
  const PackedTuple tuple = name_of(meant);
  auto done = delete_flows(scripted.socket, nullptr, {&tuple, 1});
  CHECK(done.ok());
  return {done.ok() ? done->codes : std::vector<int>{}, table.deleted_ids, table.flows.size()};
}

TEST(scripted_delete_of_the_flow_that_is_meant) {
  FakeTable table;
  const FakeFlow flow{2, 7, IPS_CONFIRMED, 1, 0, kStart};
  table.flows = {flow, {3, 8, IPS_CONFIRMED, 1, 0, kStart}};
  const Deleted deleted = delete_one(table, flow);
  CHECK(deleted.codes == std::vector<int>{0});
  CHECK_EQUAL(deleted.left, 1U);
  CHECK(deleted.ids.size() == 1 && deleted.ids[0] == 7U);
  // Without timestamps, the request has the id, and nothing is read.
  FakeTable plain;
  const FakeFlow other{2, 7};
  plain.flows = {other};
  CHECK(delete_one(plain, other).ids == std::vector<std::optional<std::uint32_t>>{7U});
  CHECK_EQUAL(plain.count(IPCTNL_MSG_CT_GET), 0U);
}

// Memory is used again at once: the id is the same, the start is not.
TEST(scripted_delete_leaves_a_successor_with_the_same_id_alone) {
  FakeTable table;
  const FakeFlow flow{2, 7, IPS_CONFIRMED, 1, 0, kStart};
  FakeFlow successor = flow;
  successor.start = kLater;
  table.flows = {successor};
  const Deleted deleted = delete_one(table, flow);
  CHECK(deleted.codes == std::vector<int>{ENOENT});
  CHECK_EQUAL(deleted.left, 1U);
  CHECK(deleted.ids.empty());
  // The kernel reports no start any more: nobody can say whether it is the same flow.
  successor.start = 0;
  table.flows = {successor};
  CHECK(delete_one(table, flow).ids.empty());
}

TEST(scripted_delete_leaves_a_successor_with_another_id_alone) {
  const FakeFlow flow{2, 7, IPS_CONFIRMED, 1, 0, kStart};
  // It took the tuple before the reading, or between the reading and the deletion.
  for (const std::uint16_t moment : {IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE}) {
    FakeTable table;
    table.flows = {flow};
    table.before = replaces(table, moment, {2, 9, IPS_CONFIRMED, 1, 0, kLater});
    const Deleted deleted = delete_one(table, flow);
    CHECK(deleted.codes == std::vector<int>{ENOENT});
    CHECK_EQUAL(deleted.left, 1U);
    // The deletion names the flow that was read.
    for (const auto& id : deleted.ids) CHECK(id == 7U);
  }
}

// Only the start was given: the request has the id that was read with it.
TEST(scripted_delete_by_start_sends_the_id_that_was_read) {
  FakeFlow flow{2, 7, IPS_CONFIRMED, 1, 0, kStart};
  PackedTuple tuple = name_of(flow);
  tuple.id = 0;
  tuple.flags &= static_cast<std::uint8_t>(~kTupleHasId);
  FakeTable table;
  table.flows = {flow};
  table.before = replaces(table, IPCTNL_MSG_CT_DELETE, {2, 9, IPS_CONFIRMED, 1, 0, kLater});
  Scripted scripted(table);
  auto done = delete_flows(scripted.socket, nullptr, {&tuple, 1});
  CHECK(done.ok() && done->codes == std::vector<int>{ENOENT});
  CHECK(table.deleted_ids == std::vector<std::optional<std::uint32_t>>{7U});
  CHECK_EQUAL(table.flows.size(), 1U);
}

// With many flows, each reading is followed by its deletions before the next reading. Outcomes keep
// their places.
TEST(scripted_delete_of_many_reads_a_window_and_deletes_it) {
  FakeTable table;
  std::vector<PackedTuple> tuples;
  for (std::uint8_t i = 0; i < 50; i++) {
    const FakeFlow flow{static_cast<std::uint8_t>(i + 1), i + 100U, IPS_CONFIRMED, 1, 0, kStart};
    tuples.push_back(name_of(flow));
    table.flows.push_back(flow);
    if (i % 7 == 3) table.flows.back().start = kLater;
  }
  Scripted scripted(table);
  auto done = delete_flows(scripted.socket, nullptr, tuples);
  CHECK(done.ok());
  if (!done.ok()) return;
  for (std::size_t i = 0; i < 50; i++) CHECK_EQUAL(done->codes[i], i % 7 == 3 ? ENOENT : 0);
  CHECK_EQUAL(table.flows.size(), 7U);
  std::size_t reading = 0;
  for (const auto& [verb, last] : table.seen) {
    if (verb == IPCTNL_MSG_CT_GET) reading++;
    if (verb == IPCTNL_MSG_CT_DELETE) reading = 0;
    CHECK(reading <= 16);
  }
}

// Another flow takes the tuple between the dump and the reading. It is deleted only if it matches.
TEST(scripted_delete_where_leaves_a_successor_that_does_not_match_alone) {
  for (const std::uint32_t mark : {1U, 2U}) {
    FakeTable table;
    table.flows = {{2, 7, IPS_CONFIRMED, 1, 1}, {3, 8, IPS_CONFIRMED, 1, 1}};
    // The id is the same: only the mark differs.
    table.before = replaces(table, IPCTNL_MSG_CT_GET, {3, 8, IPS_CONFIRMED, 1, mark});
    Columns columns;
    Bulk bulk = delete_marked(table, 1, &columns);
    if (!bulk.result.ok()) return;
    CHECK_EQUAL(bulk.result->done, mark == 1 ? 2U : 1U);
    CHECK_EQUAL(bulk.result->gone, mark == 1 ? 0U : 1U);
    CHECK_EQUAL(bulk.deleted, mark == 1 ? 2U : 1U);
    CHECK_EQUAL(table.flows.size(), mark == 1 ? 0U : 1U);
  }
}

// The tuple is taken after the reading: the request has the id that was read in the same window.
TEST(scripted_delete_where_sends_the_id_that_was_read) {
  FakeTable table;
  table.flows = {{2, 7, IPS_CONFIRMED, 1, 1}};
  // The dump has 7, the reading 9, the deletion meets 11.
  table.after_dump = [&] { table.flows[0].id = 9; };
  table.before = replaces(table, IPCTNL_MSG_CT_DELETE, {2, 11, IPS_CONFIRMED, 1, 1});
  Columns columns;
  Bulk bulk = delete_marked(table, 1, &columns);
  if (!bulk.result.ok()) return;
  CHECK(table.deleted_ids == std::vector<std::optional<std::uint32_t>>{9U});
  CHECK_EQUAL(bulk.result->done, 0U);
  CHECK_EQUAL(bulk.result->gone, 1U);
  CHECK_EQUAL(bulk.deleted, 0U);
  CHECK_EQUAL(table.flows.size(), 1U);
}

TEST(scripted_change_leaves_a_successor_alone) {
  const FakeFlow flow{2, 7, IPS_CONFIRMED, 1, 0, kStart};
  for (const FakeFlow& successor :
       {FakeFlow{2, 7, IPS_CONFIRMED, 1, 0, kLater}, FakeFlow{2, 9, IPS_CONFIRMED, 1, 0, kStart}}) {
    FakeTable table;
    table.flows = {successor};
    Scripted scripted(table);
    auto done = change_flow(scripted.socket, nullptr, name_of(flow), status_change(IPS_ASSURED));
    CHECK(done.ok() && !*done);
    CHECK_EQUAL(table.count(IPCTNL_MSG_CT_NEW), 0U);
  }
  FakeTable table;
  table.flows = {flow};
  Scripted scripted(table);
  auto done = change_flow(scripted.socket, nullptr, name_of(flow), status_change(IPS_ASSURED));
  CHECK(done.ok() && *done);
}

// The kernel refuses a status that lacks a bit which was set since the flow was read.
TEST(scripted_change_reads_a_busy_flow_again) {
  for (const unsigned busy : {1U, 3U, 4U}) {
    FakeTable table;
    table.flows = {{2, 7}};
    unsigned left = busy;
    table.before = [&](std::uint16_t verb, std::uint8_t) {
      if (verb != IPCTNL_MSG_CT_NEW || left == 0) return 0;
      left--;
      table.flows[0].status |= IPS_SEEN_REPLY;
      return EBUSY;
    };
    Scripted scripted(table);
    auto done = change_flow(scripted.socket, nullptr, tuple_of_flow(2), status_change(IPS_ASSURED));
    // Four attempts.
    if (busy == 4) {
      CHECK(!done.ok() && done.error().code == EBUSY);
    } else {
      CHECK(done.ok() && *done);
      CHECK(table.statuses ==
            std::vector<std::uint32_t>{IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED});
    }
    CHECK_EQUAL(table.count(IPCTNL_MSG_CT_GET), std::min<std::size_t>(busy + 1U, 4));
  }
  // Another change than a status is not tried again: the kernel would refuse it again.
  FakeTable table;
  table.flows = {{2, 7}};
  table.before = [](std::uint16_t verb, std::uint8_t) {
    return verb == IPCTNL_MSG_CT_NEW ? EBUSY : 0;
  };
  Scripted scripted(table);
  auto done = change_flow(scripted.socket, nullptr, tuple_of_flow(2), change_of(Field::mark, 5));
  CHECK(!done.ok() && done.error().code == EBUSY);
  CHECK_EQUAL(table.count(IPCTNL_MSG_CT_NEW), 1U);
}

// If the kernel took a flow and did not keep all of it, this flow is deleted, and nothing else.
TEST(scripted_create_that_was_not_kept_is_undone_by_the_id_that_was_read) {
  FakeTable table;
  table.before = makes_flows(table);
  const Written written = write(table, WriteVerb::kCreate, {2, 3});
  CHECK(written.codes == (std::vector<int>{EOPNOTSUPP, EOPNOTSUPP}));
  CHECK(written.ids == (std::vector<std::optional<std::uint32_t>>{7U, 8U}));
  CHECK(table.flows.empty());

  // Another flow has taken the tuple since the reading: it stays.
  FakeTable raced;
  raced.before = [&raced, makes = makes_flows(raced)](std::uint16_t verb, std::uint8_t last) {
    if (verb == IPCTNL_MSG_CT_DELETE && last == 2) raced.flows[0].id = 99;
    return makes(verb, last);
  };
  const Written late = write(raced, WriteVerb::kCreate, {2, 3});
  CHECK(late.codes == (std::vector<int>{EOPNOTSUPP, EOPNOTSUPP}));
  CHECK(late.ids == (std::vector<std::optional<std::uint32_t>>{7U, 8U}));
  CHECK(raced.flows.size() == 1 && raced.flows[0].id == 99);

  // A failed update is reported, and deletes no flow.
  FakeTable updated;
  updated.flows = {{2, 7}};
  CHECK(write(updated, WriteVerb::kUpdate, {2}).codes == std::vector<int>{EOPNOTSUPP});
  CHECK(updated.deleted_ids.empty());
}

}  // namespace
}  // namespace nf::ct
