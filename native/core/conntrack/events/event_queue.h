// The bounded queue between the thread that reads an event socket and the taker of the events:
// segments of rows, each with the loss that follows its last event. Counts everything that passes.
// Knows nothing of sockets or threads but its own mutex, which it holds to copy decoded rows.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>

#include "core/conntrack/columns.h"
#include "core/conntrack/events/event_sink.h"
#include "core/memory.h"

namespace nf::ct {

// Events that nobody will see, at the place where the loss was noticed.
struct Overrun {
  LossSource source = LossSource::kNone;
  std::uint64_t lost = 0;
};

// What precedes each payload in `EventSegment::messages`.
struct MessageHeader {
  std::uint32_t size;  // of the payload, without the padding
  std::int32_t nsid;   // -1: the namespace of the socket
  std::uint32_t type;  // an EventType
  std::uint32_t portid;
  std::uint32_t own;  // an Own
};
static_assert(sizeof(MessageHeader) == 20);

// A run of events without a loss between them.
struct EventSegment {
  Columns columns;  // of flows
  // For expectations: each event has a MessageHeader, the payload, and zeros up to a multiple of 4.
  GrowBuffer messages;
  std::size_t events = 0;
  Overrun overrun;  // after the last event
};

// received = kept + filtered + undecodable; received + lost = all events of the kernel. Only the
// taker knows which of the kept events reached a reader.
struct EventCounts {
  std::uint64_t kept = 0;         // wait here, were taken, or were thrown away by discard()
  std::uint64_t filtered = 0;     // outside the filter, as tested here
  std::uint64_t undecodable = 0;  // malformed
  std::uint64_t lost_in_kernel = 0;
  std::uint64_t lost_in_queue = 0;
};

class EventQueue final : public EventSink {
 public:
  explicit EventQueue(std::size_t max_events) : max_events_(max_events) {}

  // Any thread may call all of these.
  void add(const EventRun& run) override;
  void lose(LossSource source, std::uint64_t lost) override;
  std::size_t room() override;
  bool take(EventSegment& out);
  // So many events were taken, and nobody will see them: the taker had no memory.
  void give_up(std::size_t events);
  EventCounts counts();
  // Throws away what is queued and everything that is added from now on.
  void discard();
  // Ends the limit: what is added from now on is the last that was received, and all of it is kept.
  void drain();

 private:
  static constexpr std::size_t kSegmentEvents = 16384;
  // The caller of these holds the mutex.
  template <typename Event>
  void keep(std::span<const Event> events);
  bool store(const Row& row);
  bool store(const ExpectationEvent& event);
  EventSegment* open_segment();
  void note_loss(LossSource source, std::uint64_t lost);
  bool place_loss();

  std::mutex mutex_;  // guards all below
  std::size_t max_events_;
  std::deque<EventSegment> segments_;
  std::size_t queued_ = 0;  // events in them
  Overrun unplaced_;        // a loss for which there was no segment, for lack of memory
  EventCounts counts_;
  std::size_t last_taken_ = 0;  // how many events were in the segment that was taken last
  bool discarding_ = false;
};

}  // namespace nf::ct
