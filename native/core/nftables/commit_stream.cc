// Reading the group's socket. Kernel behaviour: net/netlink/af_netlink.c (netlink_overrun,
// netlink_bind). After an overrun the error comes first, before everything that is still queued.
#include "core/nftables/commit_stream.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <utility>

#include "core/guard.h"
#include "core/meeting.h"
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
      if (!socket_.readable()) {
        wait_readable(socket_.fd(), &stop);
        continue;
      }
      auto received = socket_.receive(buffer_, &stop, operation);
      if (received) {
        datagram(*received);
        continue;
      }
      const Error& error = received.error();
      // A message of another process is no commit: then the wait for the next one may end first.
      if (error.kind == ErrorKind::kCancelled || error.code == ETIMEDOUT) continue;
      if (error.code != ENOBUFS && error.code != EMSGSIZE) {
        return fail(error.code, operation, {}, ErrorKind::kXtables);
      }
      lose();
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
