// Messages into events.
#include "core/conntrack/events/event_decoder.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "core/conntrack/decode/parse.h"

namespace nf::ct {
namespace {

constexpr auto kNew = static_cast<std::uint8_t>(EventType::kNew);
constexpr auto kUpdate = static_cast<std::uint8_t>(EventType::kUpdate);
constexpr auto kDestroy = static_cast<std::uint8_t>(EventType::kDestroy);

// Both subsystems number these two alike.
constexpr int kNewMessage = IPCTNL_MSG_CT_NEW;
constexpr int kDeleteMessage = IPCTNL_MSG_CT_DELETE;
static_assert(kNewMessage == static_cast<int>(IPCTNL_MSG_EXP_NEW) &&
              kDeleteMessage == static_cast<int>(IPCTNL_MSG_EXP_DELETE));

// 0: not an event of this subsystem. A NEW message is an update unless it says CREATE or EXCL
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

void EventDecoder::add(const MessageView& message, std::int32_t nsid, EventSink& sink) {
  const std::uint8_t type = event_type(*message.header, expectations_);
  if (type == 0) {
    undecodable_++;
    return;
  }
  const std::uint32_t portid = message.header->nlmsg_pid;
  const Own own = own_->of(portid, nsid);
  if (wanted_ != OwnWanted::kAll && (own == Own::kYes) != (wanted_ == OwnWanted::kOnlyOwn)) {
    filtered_++;
    return;
  }
  if (expectations_) {
    messages_[used_] = {message.payload, message.size, nsid,
                        portid,          type,         static_cast<std::uint8_t>(own)};
  } else {
    Row& row = rows_[used_];
    if (!decode(message, row)) return;
    row.event_type = type;
    row.nsid = nsid;
    row.portid = portid;
    row.own = static_cast<std::uint8_t>(own);
  }
  if (++used_ == kRun) flush(sink);
}

// False: the message gives no event, and is counted.
bool EventDecoder::decode(const MessageView& message, Row& row) {
  if (!parse(message.payload, message.size, row)) {
    undecodable_++;
    return false;
  }
  if (!filter_->matches(row)) {
    filtered_++;
    return false;
  }
  return true;
}

void EventDecoder::flush(EventSink& sink) {
  if (used_ == 0 && filtered_ == 0 && undecodable_ == 0) return;
  EventRun run;
  if (expectations_) {
    run.expectations = {messages_.data(), used_};
  } else {
    run.flows = {rows_.data(), used_};
  }
  run.filtered = filtered_;
  run.undecodable = undecodable_;
  used_ = 0;
  filtered_ = 0;
  undecodable_ = 0;
  sink.add(run);
}

}  // namespace nf::ct
