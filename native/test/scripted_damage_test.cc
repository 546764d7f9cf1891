// Answers that make no sense, or break off: they never mean "there is none".
#include <errno.h>

#include "core/conntrack/change/change.h"
#include "core/conntrack/change/write.h"
#include "core/conntrack/dump/lookup.h"
#include "core/conntrack/dump/stats.h"
#include "core/conntrack/expect/expect.h"
#include "core/conntrack/filter/kernel_filter.h"
#include "core/netlink/walk.h"
#include "test/scripted.h"
#include "test/scripted_requests.h"

namespace nf::ct {
namespace {

using test::Bulk;
using test::Bytes;
using test::delete_marked;
using test::FakeFlow;
using test::FakeTable;
using test::kStart;
using test::makes_flows;
using test::name_of;
using test::Script;
using test::Scripted;
using test::status_change;
using test::tuple_of_flow;

// A message whose attributes are noise: there is a flow, and nobody can tell what it is.
void noise(Bytes& datagram) {
  for (std::size_t i = NLMSG_HDRLEN + sizeof(nfgenmsg); i < datagram.size(); i++) {
    datagram[i] = 0xff;
  }
}

TEST(scripted_answer_that_makes_no_sense_is_not_no_flow) {
  const FakeFlow flow{2, 7, IPS_CONFIRMED, 1, 1, kStart};
  const PackedTuple tuples[] = {tuple_of_flow(2), tuple_of_flow(3)};
  FakeTable table;
  table.flows = {flow};
  table.garble_one = noise;
  Scripted scripted(table);
  auto many = look_up(scripted.socket, nullptr, tuples);
  CHECK(many.ok());
  if (many.ok()) {
    CHECK_EQUAL(many->undecodable, 1U);
    CHECK(many->rows == (std::vector<std::int32_t>{kAbsent, kAbsent}));
  }
  MessageBuilder builder;
  Bytes buffer(kReceiveLength);
  Row row;
  auto one = look_up_one(scripted.socket, tuples[0], builder, buffer, row);
  CHECK(!one.ok() && one.error().code == EBADMSG);
  auto none = look_up_one(scripted.socket, tuples[1], builder, buffer, row);
  CHECK(none.ok() && !*none);
  const PackedTuple meant = name_of(flow);
  auto removed = delete_flows(scripted.socket, nullptr, {&meant, 1});
  CHECK(removed.ok() && removed->codes == std::vector<int>{EBADMSG});
  auto changed = change_flow(scripted.socket, nullptr, meant, status_change(IPS_ASSURED));
  CHECK(!changed.ok() && changed.error().code == EBADMSG);
  CHECK_EQUAL(table.count(IPCTNL_MSG_CT_DELETE) + table.count(IPCTNL_MSG_CT_NEW), 0U);
  // A flow that was made and cannot be read is not called right, and not deleted.
  FakeTable blind;
  blind.before = makes_flows(blind);
  blind.garble_one = noise;
  const auto unseen = write(blind, WriteVerb::kCreate, {2});
  CHECK(unseen.codes == std::vector<int>{EBADMSG});
  CHECK(unseen.texts.size() == 1 && unseen.texts[0].second.starts_with("written, but "));
  CHECK_EQUAL(blind.flows.size(), 1U);
  // By filter: a flow that cannot be read is left alone, and counted.
  Columns columns;
  Bulk bulk = delete_marked(table, 1, &columns);
  if (!bulk.result.ok()) return;
  CHECK_EQUAL(bulk.result->done, 0U);
  CHECK_EQUAL(bulk.result->dump.undecodable, 1U);
  CHECK_EQUAL(table.flows.size(), 1U);
}

// Answers a list of expectations with a datagram that breaks off in the middle of a message.
class Torn final : public Script {
 public:
  bool dump = false;

 private:
  void request(const MessageView& message) override {
    Bytes bytes(NLMSG_HDRLEN + 40);
    const nlmsghdr header{static_cast<std::uint32_t>(bytes.size() + 8),
                          NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_EXP_NEW,
                          static_cast<std::uint16_t>(dump ? NLM_F_MULTI : 0),
                          message.header->nlmsg_seq, 0};
    std::memcpy(bytes.data(), &header, sizeof header);
    answers->push_back(bytes);
    // The end follows as if nothing were wrong.
    if (dump) {
      answers->push_back(end_of_dump(header.nlmsg_seq, NLM_F_MULTI));
    } else {
      acknowledge(*message.header, 0);
    }
  }
};

// It ends every reading: waiting for what was in it would take the whole timeout.
TEST(scripted_datagram_that_breaks_off_ends_every_reading) {
  Torn torn;
  Scripted scripted(torn);
  MessageBuilder builder;
  Bytes buffer(kReceiveLength);
  Row row;
  auto one = look_up_one(scripted.socket, tuple_of_flow(2), builder, buffer, row);
  CHECK(!one.ok() && one.error().code == EBADMSG);
  torn.dump = true;
  Scripted second(torn);
  auto cpus = read_cpu_stats(second.socket, nullptr);
  CHECK(!cpus.ok() && cpus.error().code == EBADMSG);
  Scripted third(torn);
  const WalkRequest request{NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, AF_INET, {}};
  auto walked = walk(
      third.socket, request, nullptr, "test", [] {}, [](std::uint8_t, AttributeCursor) {});
  CHECK(!walked.ok() && walked.error().code == EBADMSG);
  if (!kernel_version().at_least(5, 8)) return;  // older kernels are not asked
  Scripted fourth(torn);
  const Filter filter = test::filter_of(
      std::vector<std::uint32_t>{static_cast<std::uint32_t>(FilterOp::mark), 1, 0xffffffff});
  auto flushed = flush_in_kernel(fourth.socket, filter, Cancel());
  CHECK(!flushed.ok() && flushed.error().code == EBADMSG);
}

TEST(scripted_list_of_expectations_that_breaks_off_is_no_list) {
  Torn torn;
  Scripted scripted(torn);
  GrowBuffer found;
  torn.dump = true;
  auto listed = list_expectations(scripted.socket, nullptr, std::nullopt, found);
  CHECK(!listed.ok() && listed.error().code == EBADMSG);
  Torn other;
  Scripted second(other);
  auto one = find_expectation(second.socket, nullptr, tuple_of_flow(2), found);
  CHECK(!one.ok() && one.error().code == EBADMSG);
}

}  // namespace
}  // namespace nf::ct
