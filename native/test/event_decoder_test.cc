// How messages of an event socket become runs: what is an event, what passes the filter, and when a
// run is handed over.
#include "core/conntrack/events/event_decoder.h"

#include "core/conntrack/schema/filter_words.h"
#include "test/event_messages.h"

namespace nf::ct {
namespace {

using test::Event;
using test::filter_of;
using test::kDeleteType;
using test::kNewType;

// Records what it is given. It copies, because views are valid only during the call.
struct Recorder final : EventSink {
  struct Seen {
    int type;
    std::int32_t nsid;
    std::uint8_t last;  // of the source address
    std::vector<std::uint8_t> payload;
  };
  void add(const EventRun& run) override {
    runs.push_back(run.flows.size() + run.expectations.size());
    filtered += run.filtered;
    undecodable += run.undecodable;
    for (const Row& row : run.flows) {
      seen.push_back({row.event_type, row.nsid, row.address[kOrigSrc].bytes[3], {}});
    }
    for (const ExpectationEvent& event : run.expectations) {
      seen.push_back({event.type, event.nsid, 0, {event.payload, event.payload + event.size}});
    }
  }
  void lose(LossSource /*source*/, std::uint64_t lost_now) override { lost += lost_now; }
  std::size_t room() override { return 1; }

  std::vector<std::size_t> runs;
  std::vector<Seen> seen;
  std::uint64_t filtered = 0;
  std::uint64_t undecodable = 0;
  std::uint64_t lost = 0;
};

}  // namespace

TEST(event_types_are_told_apart) {
  const Filter all = filter_of({});
  OwnEvents own(0, false, false);
  EventDecoder decoder(&all, false, &own, OwnWanted::kAll);
  Recorder recorder;
  const Event events[] = {Event(kNewType, NLM_F_CREATE | NLM_F_EXCL), Event(kNewType, 0),
                          Event(kDeleteType, 0)};
  for (int i = 0; i < 3; i++) decoder.add(events[i].view(), i == 1 ? 7 : -1, recorder);
  decoder.flush(recorder);
  CHECK_EQUAL(recorder.seen.size(), 3U);
  for (int i = 0; i < 3; i++) {
    CHECK_EQUAL(recorder.seen[static_cast<std::size_t>(i)].type, i + 1);
    CHECK_EQUAL(recorder.seen[static_cast<std::size_t>(i)].nsid, i == 1 ? 7 : -1);
  }
}

TEST(what_is_no_event_or_no_flow_is_counted) {
  const Filter all = filter_of({});
  OwnEvents own(0, false, false);
  EventDecoder decoder(&all, false, &own, OwnWanted::kAll);
  Recorder recorder;
  decoder.add(Event(NFNL_SUBSYS_CTNETLINK_EXP << 8).view(), -1, recorder);
  decoder.add(Event(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET).view(), -1, recorder);
  Event cut;
  cut.payload.resize(30);
  decoder.add(cut.view(), -1, recorder);
  decoder.undecodable();
  CHECK(recorder.runs.empty());
  decoder.flush(recorder);
  CHECK_EQUAL(recorder.undecodable, 4U);
  CHECK_EQUAL(recorder.seen.size(), 0U);
  // They are reported once.
  decoder.flush(recorder);
  CHECK_EQUAL(recorder.runs.size(), 1U);
}

TEST(events_outside_the_filter_are_counted_and_leave_no_gap) {
  const Filter port_443 = filter_of({static_cast<std::uint32_t>(FilterOp::port), 1, 1, 443, 443});
  const Filter port_5 = filter_of({static_cast<std::uint32_t>(FilterOp::port), 1, 1, 5, 5});
  for (const Filter* filter : {&port_443, &port_5}) {
    OwnEvents own(0, false, false);
    EventDecoder decoder(filter, false, &own, OwnWanted::kAll);
    Recorder recorder;
    const Event event;
    for (int i = 0; i < 50; i++) decoder.add(event.view(), -1, recorder);
    decoder.flush(recorder);
    decoder.flush(recorder);
    const bool inside = filter == &port_443;
    CHECK_EQUAL(recorder.seen.size(), inside ? 50U : 0U);
    CHECK_EQUAL(recorder.filtered, inside ? 0U : 50U);
    // Events outside the filter fill no run.
    CHECK_EQUAL(recorder.runs.size(), inside ? 2U : 1U);
  }
}

TEST(a_run_is_handed_over_when_it_is_full_and_at_the_end) {
  const Filter all = filter_of({});
  OwnEvents own(0, false, false);
  EventDecoder decoder(&all, false, &own, OwnWanted::kAll);
  Recorder recorder;
  std::vector<Event> events;
  for (std::uint8_t i = 0; i < 80; i++) events.emplace_back(kNewType, NLM_F_CREATE, i);
  for (const Event& event : events) decoder.add(event.view(), -1, recorder);
  CHECK(!recorder.runs.empty() && recorder.seen.size() < 80);
  decoder.flush(recorder);
  CHECK_EQUAL(recorder.seen.size(), 80U);
  for (std::size_t i = 0; i < recorder.seen.size(); i++) {
    CHECK_EQUAL(recorder.seen[i].last, i);
  }
  // Nothing is left to hand over again.
  const std::size_t runs = recorder.runs.size();
  decoder.flush(recorder);
  CHECK_EQUAL(recorder.runs.size(), runs);
  CHECK_EQUAL(recorder.lost, 0U);
}

TEST(messages_of_expectations_are_handed_over_whole) {
  const Filter all = filter_of({});
  OwnEvents own(0, false, false);
  EventDecoder decoder(&all, true, &own, OwnWanted::kAll);
  Recorder recorder;
  Event event(test::kExpectDeleteType, 0);
  event.payload = {2, 0, 0, 0, 9};
  for (int i = 0; i < 40; i++) decoder.add(event.view(), 4, recorder);
  decoder.add(Event().view(), 4, recorder);  // a message of flows
  decoder.flush(recorder);
  CHECK_EQUAL(recorder.seen.size(), 40U);
  CHECK_EQUAL(recorder.undecodable, 1U);
  for (const Recorder::Seen& seen : recorder.seen) {
    CHECK_EQUAL(seen.type, 3);
    CHECK_EQUAL(seen.nsid, 4);
    CHECK(seen.payload == event.payload);
  }
}

}  // namespace nf::ct
