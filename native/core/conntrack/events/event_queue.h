// The bounded queue between the thread that reads an event socket and the taker of the events:
// segments of rows, each with the loss that follows its last event. Counts everything that passes.
// Knows nothing of sockets or threads but its own mutex.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>

#include "core/conntrack/columns.h"
#include "core/conntrack/decode/decoder.h"
#include "core/conntrack/filter/filter.h"
#include "core/memory.h"
#include "core/netlink/socket.h"

namespace nf::ct {

enum class LossSource : std::uint8_t { kNone, kKernel, kQueue };

// Events that nobody will see, placed where that was noticed.
struct Overrun {
  LossSource source = LossSource::kNone;
  std::uint64_t lost = 0;
};

// What precedes each payload in `EventSegment::messages`.
struct MessageHeader {
  std::uint32_t size;  // of the payload, without the padding
  std::int32_t nsid;   // -1: the namespace of the socket
  std::uint32_t type;  // 1 new, 3 destroy
};

// A run of events without a loss between them.
struct EventSegment {
  Columns columns;  // of flows
  // Of expectations. For each event a MessageHeader, the payload, and zeros up to a multiple of 4.
  GrowBuffer messages;
  std::size_t events = 0;
  Overrun overrun;  // after the last event
};

// received = delivered + queued + filtered + undecodable + discarded; received + lost = what the
// kernel had to say.
struct EventCounts {
  std::uint64_t delivered = 0;    // taken from the queue
  std::uint64_t queued = 0;       // in it now
  std::uint64_t filtered = 0;     // outside the filter, found here
  std::uint64_t undecodable = 0;  // malformed
  std::uint64_t discarded = 0;    // read or queued, then thrown away because the stream was closed
  std::uint64_t lost_in_kernel = 0;
  std::uint64_t lost_in_queue = 0;
};

class EventQueue {
 public:
  // Both pointers outlive the queue. `expectations`: keep whole messages instead of columns.
  EventQueue(const Filter* filter, std::size_t max_events, bool expectations)
      : filter_(filter), max_events_(max_events), expectations_(expectations) {}

  // The reading thread, which holds the lock over the messages of one read.
  std::unique_lock<std::mutex> lock() { return std::unique_lock(mutex_); }
  void add(const MessageView& message, std::int32_t nsid);
  void undecodable() { counts_.undecodable++; }
  void lose(LossSource source, std::uint64_t lost);

  // Any thread.
  std::size_t room();
  bool take(EventSegment& out);
  EventCounts counts();
  // Throws away what is queued and everything that is added from now on.
  void discard();
  // No limit any more: what is added from now on is the last that was received, and is kept.
  void drain();

 private:
  static constexpr std::size_t kSegmentEvents = 16384;
  EventSegment* open_segment();
  bool place_loss();
  bool store(const MessageView& message, std::int32_t nsid, std::uint8_t type);

  const Filter* filter_;
  std::size_t max_events_;  // the mutex's, as all below
  const bool expectations_;
  std::mutex mutex_;
  std::deque<EventSegment> segments_;
  Overrun unplaced_;  // there was no memory for a segment to say it
  EventCounts counts_;
  std::size_t last_taken_ = 0;  // how many events were in the segment that was taken last
  bool discarding_ = false;
  Decoder decoder_;
  Row row_;
};

}  // namespace nf::ct
