// Port ids of events against those of this process.
#include "core/conntrack/events/own_events.h"

#include <algorithm>

#include "core/guard.h"
#include "core/operation.h"

namespace nf::ct {

OwnEvents::OwnEvents(NetnsKey here, bool reliable, bool peers)
    : view_(reliable), here_(here), has_peers_(peers) {
  if (has_peers_) peers_.open(operation::kEvents);
}

void OwnEvents::before_receive() {
  view_.before_receive();
  if (!has_peers_) return;
  const auto done = guarded(operation::kEvents, [this]() -> Result<void> {
    peers_.before_receive();
    return {};
  });
  if (!done) peers_.lose_all();
}

void OwnEvents::after_receive() {
  last_port_ = 0;
  const auto done = guarded(operation::kEvents, [this]() -> Result<void> {
    view_.refresh();
    return {};
  });
  blind_ = !done.ok();
}

void OwnEvents::drained() {
  view_.drained();
  if (has_peers_) peers_.drained();
}

Own OwnEvents::find(std::uint32_t port, std::int32_t nsid) {
  if (blind_) return Own::kUnknown;
  const auto& ports = view_.ports();
  auto at = std::lower_bound(
      ports.begin(), ports.end(), port,
      [](const RequesterPort& one, std::uint32_t wanted) { return one.port < wanted; });
  Own own = Own::kNo;
  for (; at != ports.end() && at->port == port; ++at) {
    if (nsid >= 0) {
      const Own there = in_peer(nsid, at->netns);
      if (there == Own::kYes) return there;
      if (there == Own::kUnknown) own = there;
    } else if (at->netns == 0 || here_ == 0) {
      own = Own::kUnknown;
    } else if (at->netns == here_) {
      return Own::kYes;
    }
  }
  return own;
}

Own OwnEvents::in_peer(std::int32_t nsid, NetnsKey netns) {
  std::optional<bool> there;
  const auto done = guarded(operation::kEvents, [&]() -> Result<void> {
    there = peers_.is(nsid, netns);
    return {};
  });
  if (!done) peers_.lose_all();
  return !there.has_value() ? Own::kUnknown : *there ? Own::kYes : Own::kNo;
}

}  // namespace nf::ct
