// The netlink sockets by which this process sends requests to netfilter, in all threads, and those
// that it closed a short while ago. The kernel writes the port id of such a socket into the events
// that a request causes. A port id names a socket in one network namespace only, so each is kept
// together with its namespace. Knows nothing of events.
#pragma once

#include <cstdint>
#include <vector>

#include "core/fd.h"

namespace nf {

// Tells network namespaces apart; 0 is no namespace. It is the cookie of the namespace
// (Linux 5.14). On older kernels it is its inode, which a later namespace may get again.
using NetnsKey = std::uint64_t;

// The namespace of a socket that was opened by the calling thread, in the namespace where the
// thread still is. 0 if it cannot be found out.
NetnsKey netns_key(int socket);

// A socket in the list, from its first request until it is closed. Belongs to the socket.
class Requester {
 public:
  Requester() = default;
  Requester(Requester&& other) noexcept;
  Requester& operator=(Requester&&) = delete;
  Requester(const Requester&) = delete;
  Requester& operator=(const Requester&) = delete;
  ~Requester() { leave(); }

  // Call it before the first request. Throws if there is no memory.
  void enter(NetnsKey netns, std::uint32_t port, int fd);
  // Call it before the descriptor is closed.
  void leave();
  bool entered() const { return port_ != 0; }

 private:
  NetnsKey netns_ = 0;
  std::uint32_t port_ = 0;
};

struct RequesterPort {
  NetnsKey netns;
  std::uint32_t port;
};

// One reader of events. While there is one, ports of closed sockets are remembered: events that
// they caused can still wait in its socket. Once that socket was empty, none can.
class RequesterView {
 public:
  // Call it before the socket joins a group. `forever`: the kernel may send events again later, so
  // an empty socket says nothing. The list forgets the oldest closed port above kMostClosed.
  explicit RequesterView(bool forever);
  RequesterView(const RequesterView&) = delete;
  RequesterView& operator=(const RequesterView&) = delete;
  ~RequesterView();

  static constexpr std::size_t kMostClosed = 4096;

  // Before a receive.
  void before_receive();
  // After a receive, and before its events are looked at. True: `ports()` is another list now.
  // Throws if there is no memory.
  bool refresh();
  // The receive found the socket empty, or took all that was in it.
  void drained();
  // By ascending port.
  const std::vector<RequesterPort>& ports() const { return ports_; }

 private:
  friend class RequesterList;
  std::vector<RequesterPort> ports_;
  std::uint64_t version_ = 0;  // of ports_
  std::uint64_t before_ = 0;   // how many sockets had been closed before the receive
  std::uint64_t passed_ = 0;   // of so many closed sockets no event can come any more
  const bool forever_;
};

// A descriptor of the namespace, from a socket of the list that is open in it. Linux 4.10, and
// CAP_NET_ADMIN in the user namespace that owns it. Invalid if there is none.
Fd requester_namespace(NetnsKey netns);

}  // namespace nf
