// Events into segments.
#include "core/conntrack/events/event_queue.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <limits>

#include "core/conntrack/decode/decoder.h"
#include "core/guard.h"
#include "core/meeting.h"

namespace nf::ct {
namespace {

constexpr std::uint8_t kNew = 1;
constexpr std::uint8_t kUpdate = 2;
constexpr std::uint8_t kDestroy = 3;

// Both subsystems number these two alike.
constexpr int kNewMessage = IPCTNL_MSG_CT_NEW;
constexpr int kDeleteMessage = IPCTNL_MSG_CT_DELETE;
static_assert(kNewMessage == static_cast<int>(IPCTNL_MSG_EXP_NEW) &&
              kDeleteMessage == static_cast<int>(IPCTNL_MSG_EXP_DELETE));

// 0: not an event of this subsystem. The NEW message is an update unless it says CREATE or EXCL
// (ctnetlink_conntrack_event).
std::uint8_t event_type(const nlmsghdr& header, bool expectations) {
  const int subsystem = expectations ? NFNL_SUBSYS_CTNETLINK_EXP : NFNL_SUBSYS_CTNETLINK;
  if (header.nlmsg_type >> 8 != subsystem) return 0;
  const int message = header.nlmsg_type & 0xff;
  if (message == kDeleteMessage) return kDestroy;
  if (message != kNewMessage) return 0;
  return (header.nlmsg_flags & (NLM_F_CREATE | NLM_F_EXCL)) != 0 ? kNew : kUpdate;
}

}  // namespace

void EventQueue::add(const MessageView& message, std::int32_t nsid) {
  const std::uint8_t type = event_type(*message.header, expectations_);
  if (type == 0) {
    counts_.undecodable++;
    return;
  }
  if (!expectations_) {
    if (!decoder_.parse(message.payload, message.size, row_)) {
      counts_.undecodable++;
      return;
    }
    if (!filter_->matches(row_)) {
      counts_.filtered++;
      return;
    }
  }
  if (discarding_) {
    counts_.discarded++;
  } else if (counts_.queued >= max_events_ || !store(message, nsid, type)) {
    lose(LossSource::kQueue, 1);
  } else {
    counts_.queued++;
  }
}

bool EventQueue::store(const MessageView& message, std::int32_t nsid, std::uint8_t type) {
  EventSegment* const open = open_segment();
  if (open == nullptr) return false;
  EventSegment& segment = *open;
  if (expectations_) {
    const MessageHeader header{static_cast<std::uint32_t>(message.size), nsid, type};
    const std::uint8_t padding[4] = {};
    const std::size_t before = segment.messages.size();
    if (!segment.messages.append(&header, sizeof header) ||
        !segment.messages.append(message.payload, message.size) ||
        !segment.messages.append(padding, align4(message.size) - message.size)) {
      segment.messages.truncate(before);
      return false;
    }
  } else {
    row_.event_type = type;
    row_.nsid = nsid;
    if (!segment.columns.append(row_)) return false;
  }
  segment.events++;
  return true;
}

// Null where there is no memory for one.
EventSegment* EventQueue::open_segment() {
  if (segments_.empty() || segments_.back().overrun.source != LossSource::kNone ||
      segments_.back().events >= kSegmentEvents) {
    // In a storm a segment starts as large as the one before it came to be: growing copies.
    const std::size_t before = segments_.empty() ? last_taken_ : segments_.back().events;
    // A loss that had no place comes before what follows it.
    if (!place_loss()) return nullptr;
    const auto added = guarded("conntrack events", [this]() -> Result<void> {
      segments_.emplace_back();
      return {};
    });
    if (!added) return nullptr;
    segments_.back().columns = Columns(std::min(before, kSegmentEvents));
  }
  return &segments_.back();
}

void EventQueue::lose(LossSource source, std::uint64_t lost) {
  if (lost == 0) return;
  (source == LossSource::kKernel ? counts_.lost_in_kernel : counts_.lost_in_queue) += lost;
  if (discarding_) return;
  if (unplaced_.source == LossSource::kNone) unplaced_.source = source;
  unplaced_.lost += lost;
  place_loss();
}

// Puts what was lost behind the last event. False where there is no memory for the place: it waits.
bool EventQueue::place_loss() {
  if (unplaced_.lost == 0) return true;
  const bool follows =
      !segments_.empty() && (segments_.back().overrun.source == LossSource::kNone ||
                             segments_.back().overrun.source == unplaced_.source);
  if (!follows) {
    const auto added = guarded("conntrack events", [this]() -> Result<void> {
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
  return counts_.queued >= max_events_ ? 0 : max_events_ - counts_.queued;
}

bool EventQueue::take(EventSegment& out) {
  NF_MEETING(event_queue);
  const std::lock_guard guard(mutex_);
  place_loss();
  if (segments_.empty()) return false;
  out = std::move(segments_.front());
  segments_.pop_front();
  counts_.queued -= out.events;
  counts_.delivered += out.events;
  last_taken_ = out.events;
  return true;
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
  counts_.discarded += counts_.queued;
  counts_.queued = 0;
  unplaced_ = {};
  segments_.clear();
}

}  // namespace nf::ct
