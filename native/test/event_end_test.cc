// The end of an event socket: what came before can be read, and neither the kernel nor another
// process can add to it.
#include <errno.h>
#include <sched.h>
#include <sys/socket.h>

#include <iostream>
#include <thread>

#include "core/conntrack/events/event_queue.h"
#include "core/conntrack/events/events.h"
#include "test/check.h"
#include "test/messages.h"

namespace nf::ct {
namespace {

// Sends a NEW event to a port or to the groups, as a privileged process may; 0 or the errno.
int forge(const Socket& from, std::uint32_t port, std::uint32_t groups) {
  test::FlowMessage message = test::tcp_flow(AF_INET, 2);
  message.builder.end();
  sockaddr_nl to{};
  to.nl_family = AF_NETLINK;
  to.nl_pid = port;
  to.nl_groups = groups;
  const auto sent = ::sendto(from.fd(), message.builder.data(), message.builder.size(), 0,
                             reinterpret_cast<const sockaddr*>(&to), sizeof to);
  return sent < 0 ? errno : 0;
}

std::uint32_t port_of(const EventSocket& socket) {
  sockaddr_nl own{};
  socklen_t size = sizeof own;
  CHECK(::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&own), &size) == 0);
  return own.nl_pid;
}

void test_end() {
  auto all = Filter::compile({});
  CHECK(all.ok());
  EventRequest request;
  request.kinds = kEventNew | kEventUpdate | kEventDestroy;
  request.filter = &*all;
  request.receive_buffer = 1 << 20;
  auto events = EventSocket::open(request);
  auto other = Socket::open("test");
  CHECK(events.ok() && other.ok());
  if (!events.ok() || !other.ok()) return;
  EventQueue queue(100);
  const std::uint32_t port = port_of(*events);
  // Both kinds of messages reach the socket, and wait there.
  CHECK_EQUAL(forge(*other, port, 0), 0);
  for (int group = NFNLGRP_CONNTRACK_NEW; group <= NFNLGRP_CONNTRACK_DESTROY; group++) {
    CHECK_EQUAL(forge(*other, 0, 1U << (group - 1)), 0);
  }
  events->leave();
  // The port takes nothing any more, and nobody is in the groups.
  CHECK_EQUAL(forge(*other, port, 0), ECONNREFUSED);
  for (int group = NFNLGRP_CONNTRACK_NEW; group <= NFNLGRP_CONNTRACK_DESTROY; group++) {
    forge(*other, 0, 1U << (group - 1));
  }
  auto before = events->receive(queue, EventSocket::kBatch);
  CHECK(before.ok() && *before == 4);
  auto after = events->receive(queue, EventSocket::kBatch);
  CHECK(after.ok() && *after == 0);
  // They did not come from the kernel.
  CHECK_EQUAL(queue.counts().kept, 0U);
  CHECK_EQUAL(queue.counts().undecodable, 0U);
}

}  // namespace

TEST(event_socket_takes_nothing_after_its_end) {
  std::thread([] {
    if (::unshare(CLONE_NEWNET) != 0) {
      std::cout << "skipped: no network namespaces here\n";
      return;
    }
    test_end();
  }).join();
}

}  // namespace nf::ct
