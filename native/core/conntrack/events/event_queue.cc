// Events into segments.
#include "core/conntrack/events/event_queue.h"

#include <algorithm>
#include <limits>

#include "core/guard.h"
#include "core/meeting.h"
#include "core/operation.h"

namespace nf::ct {

void EventQueue::add(const EventRun& run) {
  NF_MEETING(event_queue);
  const std::lock_guard guard(mutex_);
  counts_.filtered += run.filtered;
  counts_.undecodable += run.undecodable;
  keep(run.flows);
  keep(run.expectations);
}

template <typename Event>
void EventQueue::keep(std::span<const Event> events) {
  if (discarding_) {
    counts_.kept += events.size();
    return;
  }
  for (const Event& event : events) {
    if (queued_ < max_events_ && store(event)) {
      queued_++;
      counts_.kept++;
    } else {
      note_loss(LossSource::kQueue, 1);
    }
  }
}

bool EventQueue::store(const Row& row) {
  EventSegment* const segment = open_segment();
  if (segment == nullptr || !segment->columns.append(row)) return false;
  segment->events++;
  return true;
}

bool EventQueue::store(const ExpectationEvent& event) {
  EventSegment* const segment = open_segment();
  if (segment == nullptr) return false;
  GrowBuffer& messages = segment->messages;
  const MessageHeader header{static_cast<std::uint32_t>(event.size), event.nsid, event.type,
                             event.portid, event.own};
  const std::uint8_t padding[4] = {};
  const std::size_t before = messages.size();
  if (!messages.append(&header, sizeof header) || !messages.append(event.payload, event.size) ||
      !messages.append(padding, align4(event.size) - event.size)) {
    messages.truncate(before);
    return false;
  }
  segment->events++;
  return true;
}

// Null if there is no memory for one.
EventSegment* EventQueue::open_segment() {
  if (segments_.empty() || segments_.back().overrun.source != LossSource::kNone ||
      segments_.back().events >= kSegmentEvents) {
    // In a storm a segment starts as large as the one before it grew to be, because growing copies.
    const std::size_t before = segments_.empty() ? last_taken_ : segments_.back().events;
    // A loss that has no place yet comes before the events that follow it.
    if (!place_loss()) return nullptr;
    const auto added = guarded(operation::kEvents, [this]() -> Result<void> {
      segments_.emplace_back();
      return {};
    });
    if (!added) return nullptr;
    segments_.back().columns = Columns(std::min(before, kSegmentEvents));
  }
  return &segments_.back();
}

void EventQueue::lose(LossSource source, std::uint64_t lost) {
  const std::lock_guard guard(mutex_);
  note_loss(source, lost);
}

void EventQueue::note_loss(LossSource source, std::uint64_t lost) {
  if (lost == 0) return;
  (source == LossSource::kKernel ? counts_.lost_in_kernel : counts_.lost_in_queue) += lost;
  if (discarding_) return;
  if (unplaced_.source == LossSource::kNone) unplaced_.source = source;
  unplaced_.lost += lost;
  place_loss();
}

// Notes a loss behind the last event. False if there is no memory for the note: the loss waits.
bool EventQueue::place_loss() {
  if (unplaced_.lost == 0) return true;
  const bool follows =
      !segments_.empty() && (segments_.back().overrun.source == LossSource::kNone ||
                             segments_.back().overrun.source == unplaced_.source);
  if (!follows) {
    const auto added = guarded(operation::kEvents, [this]() -> Result<void> {
      segments_.emplace_back();
      return {};
    });
    if (!added) return false;
  }
  segments_.back().overrun.source = unplaced_.source;
  segments_.back().overrun.lost += unplaced_.lost;
  unplaced_ = {};
  return true;
}

std::size_t EventQueue::room() {
  const std::lock_guard guard(mutex_);
  return queued_ >= max_events_ ? 0 : max_events_ - queued_;
}

bool EventQueue::take(EventSegment& out) {
  NF_MEETING(event_queue);
  const std::lock_guard guard(mutex_);
  place_loss();
  if (segments_.empty()) return false;
  out = std::move(segments_.front());
  segments_.pop_front();
  queued_ -= out.events;
  last_taken_ = out.events;
  return true;
}

void EventQueue::give_up(std::size_t events) {
  const std::lock_guard guard(mutex_);
  counts_.kept -= events;
  note_loss(LossSource::kQueue, events);
}

EventCounts EventQueue::counts() {
  const std::lock_guard guard(mutex_);
  return counts_;
}

void EventQueue::drain() {
  const std::lock_guard guard(mutex_);
  max_events_ = std::numeric_limits<std::size_t>::max();
}

void EventQueue::discard() {
  const std::lock_guard guard(mutex_);
  discarding_ = true;
  queued_ = 0;
  unplaced_ = {};
  segments_.clear();
}

}  // namespace nf::ct
