// The queue of an event stream: its limit, the place of what was lost, and counts that add up.
#include "core/conntrack/events/event_queue.h"

#include "test/check.h"
#include "test/messages.h"

namespace nf::ct {
namespace {

using test::tcp_flow;

constexpr std::uint16_t kNewType = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
constexpr std::uint16_t kDeleteType = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;

struct Event {
  explicit Event(std::uint16_t type = kNewType, std::uint16_t flags = NLM_F_CREATE | NLM_F_EXCL,
                 std::uint8_t last = 2)
      : payload(tcp_flow(AF_INET, last).payload()) {
    header.nlmsg_type = type;
    header.nlmsg_flags = flags;
  }
  MessageView view() const { return {&header, payload.data(), payload.size()}; }
  nlmsghdr header{};
  std::vector<std::uint8_t> payload;
};

Filter filter_of(std::vector<std::uint32_t> words) {
  auto filter = Filter::compile(words);
  CHECK(filter.ok());
  return std::move(*filter);
}

bool adds_up(EventQueue& queue, std::uint64_t produced) {
  const EventCounts c = queue.counts();
  return c.delivered + c.queued + c.filtered + c.undecodable + c.discarded + c.lost_in_kernel +
             c.lost_in_queue ==
         produced;
}

TEST(types_are_told_apart) {
  const Filter all = filter_of({});
  EventQueue queue(&all, 100, false);
  queue.add(Event(kNewType, NLM_F_CREATE | NLM_F_EXCL).view(), -1);
  queue.add(Event(kNewType, 0).view(), 7);
  queue.add(Event(kDeleteType, 0).view(), -1);
  EventSegment segment;
  CHECK(queue.take(segment));
  CHECK_EQUAL(segment.events, 3U);
  for (std::size_t i = 0; i < 3; i++) {
    CHECK_EQUAL(segment.columns.get<std::uint8_t>(Column::type, i), i + 1);
    CHECK_EQUAL(segment.columns.get<std::int32_t>(Column::nsid, i), i == 1 ? 7 : -1);
  }
  CHECK(!queue.take(segment));
  CHECK(adds_up(queue, 3));
}

TEST(what_is_no_event_or_no_flow_is_counted) {
  const Filter all = filter_of({});
  EventQueue queue(&all, 100, false);
  queue.add(Event(NFNL_SUBSYS_CTNETLINK_EXP << 8).view(), -1);
  queue.add(Event(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET).view(), -1);
  Event cut;
  cut.payload.resize(30);
  queue.add(cut.view(), -1);
  CHECK_EQUAL(queue.counts().undecodable, 3U);
  CHECK(adds_up(queue, 3));
}

TEST(a_full_queue_loses_and_says_where) {
  const Filter all = filter_of({});
  EventQueue queue(&all, 2, false);
  for (std::uint8_t i = 0; i < 5; i++) queue.add(Event(kNewType, NLM_F_CREATE, i).view(), -1);
  CHECK_EQUAL(queue.room(), 0U);
  EventSegment segment;
  CHECK(queue.take(segment));
  CHECK_EQUAL(segment.events, 2U);
  CHECK(segment.overrun.source == LossSource::kQueue);
  CHECK_EQUAL(segment.overrun.lost, 3U);
  CHECK_EQUAL(queue.room(), 2U);
  // What comes now is after the loss.
  queue.add(Event().view(), -1);
  CHECK(queue.take(segment));
  CHECK_EQUAL(segment.events, 1U);
  CHECK(segment.overrun.source == LossSource::kNone);
  CHECK(adds_up(queue, 6));
}

TEST(losses_of_two_kinds_keep_their_order) {
  const Filter all = filter_of({});
  EventQueue queue(&all, 100, false);
  queue.lose(LossSource::kKernel, 0);
  queue.lose(LossSource::kKernel, 4);
  queue.add(Event().view(), -1);
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
  EventQueue queue(&port_5, 1, false);
  for (int i = 0; i < 3; i++) queue.add(Event().view(), -1);
  CHECK_EQUAL(queue.counts().filtered, 3U);
  CHECK_EQUAL(queue.room(), 1U);
  EventSegment segment;
  CHECK(!queue.take(segment));
  CHECK(adds_up(queue, 3));
}

TEST(discarding_empties_and_counts) {
  const Filter all = filter_of({});
  EventQueue queue(&all, 100, false);
  queue.add(Event().view(), -1);
  queue.add(Event().view(), -1);
  queue.discard();
  queue.add(Event().view(), -1);
  queue.lose(LossSource::kKernel, 2);
  EventSegment segment;
  CHECK(!queue.take(segment));
  CHECK_EQUAL(queue.counts().discarded, 3U);
  CHECK_EQUAL(queue.counts().queued, 0U);
  CHECK(adds_up(queue, 5));
}

TEST(segments_are_of_a_bounded_size) {
  const Filter all = filter_of({});
  EventQueue queue(&all, 100000, false);
  const Event event;
  for (int i = 0; i < 40000; i++) queue.add(event.view(), -1);
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
  const Filter all = filter_of({});
  EventQueue queue(&all, 2, true);
  Event event(NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_EXP_DELETE, 0);
  event.payload = {2, 0, 0, 0, 9};
  for (int i = 0; i < 3; i++) queue.add(event.view(), 4);
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
