// Reading the group's socket. Kernel behaviour: net/netlink/af_netlink.c (netlink_overrun,
// netlink_bind). After an overrun the error comes first, before everything that is still queued.
#include "core/nftables/commit_stream.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <utility>

#include "core/guard.h"
#include "core/meeting.h"
#include "core/netlink/trace.h"
#include "core/operation.h"

namespace nf::nft {

void CommitQueue::drop() {
  commits_.clear();
  bytes_ = 0;
  lost_ = true;
}

void CommitQueue::add(Commit&& commit) {
  NF_MEETING(nft_commits);
  const std::lock_guard guard(mutex_);
  const std::size_t bytes = commit.bytes();
  if (commit.lost || bytes_ + bytes > most_bytes_) return drop();
  const auto added = guarded(operation::kChanges, [&]() -> Result<void> {
    commits_.push_back(std::move(commit));
    return {};
  });
  if (!added) return drop();
  bytes_ += bytes;
}

void CommitQueue::lose() {
  const std::lock_guard guard(mutex_);
  drop();
}

bool CommitQueue::take(Commit& out) {
  NF_MEETING(nft_commits);
  const std::lock_guard guard(mutex_);
  if (std::exchange(lost_, false)) {
    out = Commit();
    out.lost = true;
    return true;
  }
  if (commits_.empty()) return false;
  bytes_ -= commits_.front().bytes();
  out = std::move(commits_.front());
  commits_.pop_front();
  return true;
}

Result<Socket> open_commit_socket(std::size_t receive_buffer, const char* operation) {
  auto socket = Socket::open(operation);
  if (!socket) return socket;
  socket->set_receive_buffer(receive_buffer);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_pid = socket->port();
  address.nl_groups = 1U << (NFNLGRP_NFTABLES - 1);
  if (::bind(socket->fd(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return fail(errno, operation);
  }
  return socket;
}

namespace {

// Larger than any datagram of the kernel, which joins messages up to a page.
constexpr std::size_t kCommitDatagram = std::size_t{64} << 10;

class CommitFollower {
 public:
  CommitFollower(Socket& socket, CommitReader& reader, CommitQueue& queue,
                 const std::function<void()>& ready)
      : socket_(socket), reader_(reader), queue_(queue), ready_(ready), buffer_(kCommitDatagram) {}

  Result<void> run(const Cancel& stop, const char* operation) {
    while (!stop.raised()) {
      iovec vector{buffer_.data(), buffer_.size()};
      sockaddr_nl from{};
      msghdr header{};
      header.msg_name = &from;
      header.msg_namelen = sizeof from;
      header.msg_iov = &vector;
      header.msg_iovlen = 1;
      const auto received = ::recvmsg(socket_.fd(), &header, MSG_DONTWAIT);
      if (received < 0) {
        if (errno == EINTR) continue;
        if (errno == ENOBUFS) {
          lose();
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
          wait_readable(socket_.fd(), &stop);
        } else {
          return fail(errno, operation, {}, ErrorKind::kXtables);
        }
        continue;
      }
      // Only the kernel (port 0) reports commits. A privileged process may send here too.
      if (from.nl_pid != 0) continue;
      trace::received(socket_.fd(), buffer_.data(), static_cast<std::size_t>(received));
      if ((header.msg_flags & MSG_TRUNC) != 0) {
        lose();
      } else {
        datagram(static_cast<std::size_t>(received));
      }
    }
    return {};
  }

 private:
  void datagram(std::size_t size) {
    MessageWalker walker(buffer_.data(), size);
    for (MessageView message; walker.next(message);) {
      if (!reader_.add(message)) continue;
      queue_.add(reader_.take());
      ready_();
    }
    if (!walker.intact()) lose();
  }
  // The taker is told at once, and again at the end of the commit that it happened in.
  void lose() {
    reader_.lose();
    queue_.lose();
    ready_();
  }

  Socket& socket_;
  CommitReader& reader_;
  CommitQueue& queue_;
  const std::function<void()>& ready_;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace

Result<void> follow_commits(Socket& socket, CommitReader& reader, CommitQueue& queue,
                            const Cancel& stop, const char* operation,
                            const std::function<void()>& ready) {
  return CommitFollower(socket, reader, queue, ready).run(stop, operation);
}

}  // namespace nf::nft
