// Tells which events are of requests of this process. The reading thread owns it.
#pragma once

#include <cstdint>

#include "core/conntrack/row.h"
#include "core/netlink/peers.h"
#include "core/netlink/requesters.h"

namespace nf::ct {

class OwnEvents {
 public:
  // Call it in the namespace of the event socket, before that joins its groups. `reliable`: the
  // kernel may send an event again long after its cause. `peers`: events of other namespaces come.
  OwnEvents(NetnsKey here, bool reliable, bool peers);

  // Call these three around each receive: before it, after it, and after the events of a receive
  // that took all that there was.
  void before_receive();
  void after_receive();
  void drained();

  // Whose request an event is of. `nsid`: -1 is the namespace of the socket.
  Own of(std::uint32_t port, std::int32_t nsid) {
    if (port == 0) return Own::kNo;
    if (port != last_port_ || nsid != last_nsid_) {
      last_ = find(port, nsid);
      last_port_ = port;
      last_nsid_ = nsid;
    }
    return last_;
  }

 private:
  Own find(std::uint32_t port, std::int32_t nsid);
  Own in_peer(std::int32_t nsid, NetnsKey netns);

  RequesterView view_;
  Peers peers_;
  const NetnsKey here_;
  const bool has_peers_;
  bool blind_ = false;  // there was no memory for the list
  // A run of events mostly has one cause. Nothing is remembered beyond a receive.
  std::uint32_t last_port_ = 0;
  std::int32_t last_nsid_ = 0;
  Own last_ = Own::kNo;
};

}  // namespace nf::ct
