// The queue of an event stream: its limit, the place of what was lost, and counts that add up.
#include "core/conntrack/events/event_queue.h"
#include "core/conntrack/schema/filter_words.h"

#include "core/conntrack/events/event_decoder.h"
#include "test/event_messages.h"

namespace nf::ct {
namespace {

using test::Event;
using test::everything;
using test::filter_of;
using test::kNewType;

// Hands these over as one run.
void add(EventQueue& queue, const std::vector<Event>& events, std::int32_t nsid = -1,
         const Filter& filter = everything(), bool expectations = false) {
  OwnEvents own(0, false, false);
  EventDecoder decoder(&filter, expectations, &own, OwnWanted::kAll);
  for (const Event& event : events) decoder.add(event.view(), nsid, queue);
  decoder.flush(queue);
}
void add(EventQueue& queue, std::size_t count = 1) { add(queue, std::vector<Event>(count)); }

bool adds_up(EventQueue& queue, std::uint64_t produced) {
  const EventCounts c = queue.counts();
  return c.kept + c.filtered + c.undecodable + c.lost_in_kernel + c.lost_in_queue == produced;
}

TEST(rows_are_kept_as_they_were_handed_over) {
  EventQueue queue(100);
  add(queue, {Event(kNewType, 0, 7), Event(test::kDeleteType, 0, 8)}, 5);
  EventSegment segment;
  CHECK(queue.take(segment));
  CHECK_EQUAL(segment.events, 2U);
  for (std::size_t i = 0; i < 2; i++) {
    CHECK_EQUAL(segment.columns.get<std::uint8_t>(Column::type, i), i + 2);
    CHECK_EQUAL(segment.columns.get<std::int32_t>(Column::nsid, i), 5);
    CHECK_EQUAL(segment.columns.address(kOrigSrc, i).bytes[3], i + 7);
  }
  CHECK(!queue.take(segment));
  CHECK(adds_up(queue, 2));
}

TEST(a_full_queue_loses_and_says_where) {
  EventQueue queue(2);
  std::vector<Event> events;
  for (std::uint8_t i = 0; i < 5; i++) events.emplace_back(kNewType, NLM_F_CREATE, i);
  add(queue, events);
  CHECK_EQUAL(queue.room(), 0U);
  EventSegment segment;
  CHECK(queue.take(segment));
  CHECK_EQUAL(segment.events, 2U);
  CHECK(segment.overrun.source == LossSource::kQueue);
  CHECK_EQUAL(segment.overrun.lost, 3U);
  CHECK_EQUAL(queue.room(), 2U);
  // What comes now is after the loss.
  add(queue);
  CHECK_EQUAL(queue.room(), 1U);
  CHECK(queue.take(segment));
  CHECK_EQUAL(segment.events, 1U);
  CHECK(segment.overrun.source == LossSource::kNone);
  CHECK_EQUAL(queue.counts().kept, 3U);
  CHECK(adds_up(queue, 6));
}

TEST(losses_of_two_kinds_keep_their_order) {
  EventQueue queue(100);
  queue.lose(LossSource::kKernel, 0);
  queue.lose(LossSource::kKernel, 4);
  add(queue);
  queue.lose(LossSource::kQueue, 1);
  queue.lose(LossSource::kQueue, 2);
  queue.lose(LossSource::kKernel, 5);
  const struct {
    std::size_t events;
    LossSource source;
    std::uint64_t lost;
  } expected[] = {
      {0, LossSource::kKernel, 4}, {1, LossSource::kQueue, 3}, {0, LossSource::kKernel, 5}};
  for (const auto& wanted : expected) {
    EventSegment segment;
    CHECK(queue.take(segment));
    CHECK_EQUAL(segment.events, wanted.events);
    CHECK(segment.overrun.source == wanted.source);
    CHECK_EQUAL(segment.overrun.lost, wanted.lost);
  }
  EventSegment none;
  CHECK(!queue.take(none));
  CHECK(adds_up(queue, 13));
}

TEST(events_outside_the_filter_take_no_room) {
  const Filter port_5 = filter_of({static_cast<std::uint32_t>(FilterOp::port), 1, 1, 5, 5});
  EventQueue queue(1);
  add(queue, std::vector<Event>(3), -1, port_5);
  CHECK_EQUAL(queue.counts().filtered, 3U);
  CHECK_EQUAL(queue.room(), 1U);
  EventSegment segment;
  CHECK(!queue.take(segment));
  CHECK(adds_up(queue, 3));
}

// Works between two runs of one read as well as between two reads.
TEST(discarding_empties_and_counts) {
  EventQueue queue(2);
  add(queue, 3);
  queue.discard();
  CHECK_EQUAL(queue.room(), 2U);
  add(queue, 4);
  queue.lose(LossSource::kKernel, 2);
  EventSegment segment;
  CHECK(!queue.take(segment));
  CHECK_EQUAL(queue.counts().kept, 6U);
  CHECK_EQUAL(queue.counts().lost_in_queue, 1U);
  CHECK_EQUAL(queue.room(), 2U);
  CHECK(adds_up(queue, 9));
}

TEST(draining_keeps_all_that_comes) {
  EventQueue queue(2);
  add(queue, 3);
  queue.drain();
  add(queue, 5);
  std::size_t events = 0;
  std::uint64_t lost = 0;
  for (EventSegment segment; queue.take(segment); events += segment.events) {
    lost += segment.overrun.lost;
  }
  CHECK_EQUAL(events, 7U);
  CHECK_EQUAL(lost, 1U);
  CHECK_EQUAL(queue.counts().kept, 7U);
  CHECK(adds_up(queue, 8));
}

TEST(what_the_taker_gives_up_is_lost_and_not_kept) {
  EventQueue queue(100);
  add(queue, 3);
  EventSegment segment;
  CHECK(queue.take(segment));
  add(queue, 2);
  queue.give_up(segment.events);
  CHECK_EQUAL(queue.counts().kept, 2U);
  CHECK_EQUAL(queue.counts().lost_in_queue, 3U);
  CHECK(queue.take(segment));
  CHECK_EQUAL(segment.overrun.lost, 3U);
  CHECK(adds_up(queue, 5));
}

TEST(segments_are_of_a_bounded_size) {
  EventQueue queue(100000);
  add(queue, 40000);
  std::size_t events = 0;
  int segments = 0;
  for (EventSegment segment; queue.take(segment); segments++) {
    CHECK(segment.events <= 16384);
    CHECK_EQUAL(segment.events, segment.columns.size());
    events += segment.events;
  }
  CHECK_EQUAL(events, 40000U);
  CHECK_EQUAL(segments, 3);
}

TEST(messages_of_expectations_are_kept_whole) {
  EventQueue queue(2);
  Event event(test::kExpectDeleteType, 0);
  event.payload = {2, 0, 0, 0, 9};
  add(queue, {event, event, event}, 4, everything(), true);
  EventSegment segment;
  CHECK(queue.take(segment));
  CHECK_EQUAL(segment.events, 2U);
  CHECK_EQUAL(segment.messages.size(), 2 * (sizeof(MessageHeader) + 8));
  MessageHeader header{};
  std::memcpy(&header, segment.messages.data() + sizeof header + 8, sizeof header);
  CHECK_EQUAL(header.size, 5U);
  CHECK_EQUAL(header.nsid, 4);
  CHECK_EQUAL(header.type, 3U);
  CHECK_EQUAL(segment.messages.data()[2 * sizeof header + 8 + 4], 9);
  CHECK_EQUAL(segment.overrun.lost, 1U);
}

}  // namespace
}  // namespace nf::ct
