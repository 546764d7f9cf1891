// Reading event sockets. Kernel behaviour: net/netlink/af_netlink.c (do_one_broadcast,
// netlink_overrun, netlink_bind), net/netfilter/nf_conntrack_netlink.c (ctnetlink_conntrack_event).
#include "core/conntrack/events/events.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/conntrack/filter/event_filter.h"
#include "core/files.h"
#include "core/meeting.h"
#include "core/netlink/trace.h"
#include "core/operation.h"

namespace nf::ct {
namespace {

// Larger than any event: tuples, labels of 16 bytes, a security context, helper data. A longer one
// is counted as undecodable.
constexpr std::size_t kDatagram = 2048;

constexpr std::uint32_t group_bit(int group) { return 1U << (group - 1); }

std::uint32_t groups_of(const EventRequest& request) {
  std::uint32_t groups = 0;
  const bool exp = request.expectations;
  if ((request.kinds & kEventNew) != 0) {
    groups |= group_bit(exp ? NFNLGRP_CONNTRACK_EXP_NEW : NFNLGRP_CONNTRACK_NEW);
  }
  if ((request.kinds & kEventUpdate) != 0) {
    groups |= group_bit(exp ? NFNLGRP_CONNTRACK_EXP_UPDATE : NFNLGRP_CONNTRACK_UPDATE);
  }
  if ((request.kinds & kEventDestroy) != 0) {
    groups |= group_bit(exp ? NFNLGRP_CONNTRACK_EXP_DESTROY : NFNLGRP_CONNTRACK_DESTROY);
  }
  return groups;
}

// Joins all groups in one step. Otherwise a flow that is made and destroyed in between would show
// its end without its beginning.
int join(const Socket& socket, std::uint32_t groups) {
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_pid = socket.port();
  address.nl_groups = groups;
  return ::bind(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? 0
                                                                                         : errno;
}

std::int64_t read_number(const char* path) {
  auto text = read_file(path, operation::kEvents);
  if (!text || text->empty()) return -1;
  char* end = nullptr;
  const long long value = std::strtoll(text->c_str(), &end, 10);
  return end == text->c_str() ? -1 : value;
}

// How many events the kernel has dropped for the socket so far. Returns the errno of a refusal.
int read_drops(int fd, std::uint32_t& drops) {
  std::uint32_t info[SK_MEMINFO_VARS] = {};
  socklen_t length = sizeof info;
  if (::getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &length) != 0) return errno;
  drops = info[SK_MEMINFO_DROPS];
  return 0;
}

void attach_filter(const Socket& socket, const EventRequest& request, EventSocketState& state) {
  if (request.filter->empty()) return;
  state.kernel_filter = KernelFilterState::kNotUsed;
  const EventProgram program = compile_event_filter(*request.filter);
  if (program.code.empty()) return;
  state.kernel_filter_errno = attach_event_filter(socket.fd(), program);
  if (state.kernel_filter_errno != 0) return;
  state.kernel_filter = program.exact ? KernelFilterState::kExact : KernelFilterState::kPartial;
}

}  // namespace

struct EventSocket::Buffers {
  std::array<std::uint8_t[kDatagram], kBatch> data;
  std::array<mmsghdr, kBatch> headers;
  std::array<iovec, kBatch> vectors;
  std::array<sockaddr_nl, kBatch> senders;
  struct alignas(cmsghdr) Control {
    std::uint8_t bytes[CMSG_SPACE(sizeof(int))];
  };
  std::array<Control, kBatch> controls;
};

Result<EventSocket> EventSocket::open(const EventRequest& request) {
  EventSocket events;
  events.buffers_ = {new Buffers, [](Buffers* buffers) { delete buffers; }};
  auto socket = Socket::open(operation::kEvents);
  if (!socket) return socket.error();
  events.own_ =
      std::make_unique<OwnEvents>(socket->netns(), request.reliable, request.all_namespaces);
  events.decoder_ = std::make_unique<EventDecoder>(request.filter, request.expectations,
                                                   events.own_.get(), request.own);
  // Without it one overrun makes the kernel drop everything until the queue has been drained.
  if (!socket->set_option(NETLINK_NO_ENOBUFS, 1)) {
    return fail(errno, operation::kEvents, "NETLINK_NO_ENOBUFS");
  }
  events.state_.receive_buffer = socket->set_receive_buffer(request.receive_buffer);
  if (request.reliable && !socket->set_option(NETLINK_BROADCAST_ERROR, 1)) {
    return fail(errno, operation::kEvents, "NETLINK_BROADCAST_ERROR");
  }
  if (request.all_namespaces && !socket->set_option(NETLINK_LISTEN_ALL_NSID, 1)) {
    return fail(errno, operation::kEvents, "events of all namespaces need CAP_NET_BROADCAST");
  }
  // A stream must be able to count what it loses: kernel 4.12.
  if (const int refused = read_drops(socket->fd(), events.drops_); refused != 0) {
    return fail(refused, operation::kEvents, "SO_MEMINFO");
  }
  attach_filter(*socket, request, events.state_);
  if (const int refused = join(*socket, groups_of(request)); refused != 0) {
    return fail(refused, operation::kEvents);
  }
  events.socket_ = std::move(*socket);
  // After joining: new flows are observed from here on, so this counts all flows that may not be.
  events.state_.events_sysctl =
      static_cast<int>(read_number("/proc/sys/net/netfilter/nf_conntrack_events"));
  events.state_.entries = read_number("/proc/sys/net/netfilter/nf_conntrack_count");
  return events;
}

Result<std::size_t> EventSocket::receive(EventSink& sink, std::size_t limit) {
  Buffers& b = *buffers_;
  const std::size_t wanted = std::min(limit, kBatch);
  for (std::size_t i = 0; i < wanted; i++) {
    b.vectors[i] = {b.data[i], kDatagram};
    msghdr& header = b.headers[i].msg_hdr;
    header = {};
    header.msg_name = &b.senders[i];
    header.msg_namelen = sizeof b.senders[i];
    header.msg_iov = &b.vectors[i];
    header.msg_iovlen = 1;
    header.msg_control = b.controls[i].bytes;
    header.msg_controllen = sizeof b.controls[i].bytes;
  }
  own_->before_receive();
  int count = 0;
  do {
    count =
        ::recvmmsg(fd(), b.headers.data(), static_cast<unsigned>(wanted), MSG_DONTWAIT, nullptr);
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    // ENOBUFS: the kernel had no memory for an event. It reports this to other sockets.
    if (errno == ENOBUFS) return std::size_t{0};
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      own_->drained();
      return std::size_t{0};
    }
    return fail(errno, operation::kEvents);
  }
  own_->after_receive();
  for (int i = 0; trace::wanted() && i < count; i++) {
    trace::received(fd(), b.data[i], std::min<std::size_t>(b.headers[i].msg_len, kDatagram));
  }
  for (int i = 0; i < count; i++) {
    msghdr& header = b.headers[i].msg_hdr;
    // Only the kernel (port 0) reports events. A privileged process may send here too.
    if (b.senders[i].nl_pid != 0) continue;
    if ((header.msg_flags & MSG_TRUNC) != 0) {
      decoder_->undecodable();
      continue;
    }
    std::int32_t nsid = -1;
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_level == SOL_NETLINK && c->cmsg_type == NETLINK_LISTEN_ALL_NSID) {
        std::memcpy(&nsid, CMSG_DATA(c), sizeof nsid);
      }
    }
    MessageWalker walker(b.data[i], b.headers[i].msg_len);
    for (MessageView message; walker.next(message);) {
      decoder_->add(message, nsid, sink);
    }
    if (!walker.intact()) decoder_->undecodable();
  }
  decoder_->flush(sink);
  if (static_cast<std::size_t>(count) < wanted) own_->drained();
  return static_cast<std::size_t>(count);
}

std::uint64_t EventSocket::take_drops() {
  std::uint32_t now = drops_;
  if (read_drops(fd(), now) != 0) return 0;  // it worked when the socket was opened
  // The kernel's counter is 32 bits wide and wraps.
  const std::uint32_t since = now - drops_;
  drops_ = now;
  return since;
}

void EventSocket::leave() {
  join(socket_, 0);
  // A socket that is connected to the kernel takes no datagrams of other processes
  // (netlink_getsockbyportid). A flood of those could keep the last reads from ending.
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  // The kernel never refuses this: only another address than the kernel's needs a privilege
  // (netlink_connect).
  static_cast<void>(::connect(fd(), reinterpret_cast<sockaddr*>(&kernel), sizeof kernel));
}

namespace {

class Reader {
 public:
  Reader(EventSocket& socket, EventSink& sink, EventControl& control, bool reliable,
         const std::function<void()>& ready)
      : socket_(socket), sink_(sink), control_(control), reliable_(reliable), ready_(ready) {}

  Result<void> run() {
    while (!control_.stop->raised()) {
      std::size_t limit = EventSocket::kBatch;
      if (reliable_) {
        limit = sink_.room();
        if (limit == 0) {
          wait_for_room();
          continue;
        }
      }
      auto count = read(limit);
      if (!count) return count.error();
      if (*count == std::min(limit, EventSocket::kBatch)) {
        read_ += static_cast<std::int64_t>(*count);
      } else {
        wait(*count);
      }
    }
    NF_MEETING(event_end);
    if (control_.finish.load()) return read_the_rest();
    return {};
  }

 private:
  Result<std::size_t> read(std::size_t limit) {
    auto count = socket_.receive(sink_, limit);
    if (!count) return count;
    const std::uint64_t drops = socket_.take_drops();
    if (drops > 0) sink_.lose(LossSource::kKernel, drops);
    if (*count > 0 || drops > 0) ready_();
    return count;
  }

  // An event is read at once, even if each event follows from the one before. In a storm a wake-up
  // for each event costs more than reading it, here and in the thread that sends it. So above 64
  // events in a millisecond the kernel gets another millisecond to collect more. The default
  // receive buffer holds a hundred times as much.
  void wait(std::size_t count) {
    constexpr std::int64_t kWindow = 1'000'000;
    constexpr std::int64_t kStorm = 64;
    read_ += static_cast<std::int64_t>(count);
    const std::int64_t now = nanoseconds();
    if (const std::int64_t took = now - window_; took >= kWindow) {
      storm_ = read_ * kWindow >= kStorm * took;
      window_ = now;
      read_ = 0;
    }
    if (storm_) {
      pollfd stop{control_.stop->fd(), POLLIN, 0};
      ::poll(&stop, 1, 1);
      return;
    }
    wait_readable(socket_.fd(), control_.stop.get());
  }
  void wait_for_room() {
    if (wait_readable(control_.room.fd(), control_.stop.get())) control_.room.lower();
  }
  static std::int64_t nanoseconds() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
  }
  // Makes the counts complete when the stream has ended, and gives a drained stream all of its
  // events. Nothing comes after leaving the groups.
  Result<void> read_the_rest() {
    socket_.leave();
    for (;;) {
      auto count = read(EventSocket::kBatch);
      if (!count) return count.error();
      if (*count == 0) return {};
    }
  }

  EventSocket& socket_;
  EventSink& sink_;
  EventControl& control_;
  const bool reliable_;
  const std::function<void()>& ready_;
  std::int64_t window_ = 0;  // when it began
  std::int64_t read_ = 0;    // events in it
  bool storm_ = false;
};

}  // namespace

Result<void> read_events(EventSocket& socket, EventSink& sink, EventControl& control, bool reliable,
                         const std::function<void()>& ready) {
  return Reader(socket, sink, control, reliable, ready).run();
}

}  // namespace nf::ct
