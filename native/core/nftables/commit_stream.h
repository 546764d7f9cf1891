// The commits of nf_tables in one network namespace as they happen: a socket of the multicast group
// that only reads, and a bounded queue between the thread that reads it and the taker. What is lost
// is told, at its place.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>

#include "core/cancel.h"
#include "core/netlink/socket.h"
#include "core/nftables/commit_events.h"
#include "core/result.h"

namespace nf::nft {

class CommitQueue {
 public:
  // If more than this waits, all of it is dropped: the taker reads the tables again.
  explicit CommitQueue(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  // Any thread may call these.
  void add(Commit&& commit);
  void lose();
  bool take(Commit& out);

 private:
  void drop();

  const std::size_t most_bytes_;
  std::mutex mutex_;  // guards all below
  std::deque<Commit> commits_;
  std::size_t bytes_ = 0;
  bool lost_ = false;  // before the first of them
};

// Opens the socket in the namespace of the calling thread. Every commit after the return is caught.
// EPERM without CAP_NET_ADMIN.
Result<Socket> open_commit_socket(std::size_t receive_buffer, const char* operation);

// Reads until `stop` is raised. Calls `ready`, without a lock, after it added something. The thread
// must be in the namespace of the socket: names of IP sets are looked up there.
Result<void> follow_commits(Socket& socket, CommitReader& reader, CommitQueue& queue,
                            const Cancel& stop, const char* operation,
                            const std::function<void()>& ready);

}  // namespace nf::nft
