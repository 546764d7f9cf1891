// The calls of a scripted socket, in place of the C library's.
#include "test/scripted.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>

#include <atomic>

namespace nf::test {

std::map<int, Line> lines;

}  // namespace nf::test

namespace {

using nf::test::Bytes;
using nf::test::Line;

std::atomic<std::int64_t> skipped{0};  // seconds: waiting for a silent script takes no time

Line* line_of(int fd) {
  const auto found = nf::test::lines.find(fd);
  return found == nf::test::lines.end() ? nullptr : &found->second;
}

}  // namespace

extern "C" {

ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* to,
               socklen_t to_size) {
  Line* line = line_of(fd);
  if (line == nullptr) return ::syscall(SYS_sendto, fd, data, size, flags, to, to_size);
  nf::MessageWalker walker(static_cast<const std::uint8_t*>(data), size);
  line->script->answers = &line->answers;
  for (nf::MessageView message; walker.next(message);) line->script->request(message);
  return static_cast<ssize_t>(size);
}

ssize_t recvmsg(int fd, msghdr* message, int flags) {
  Line* line = line_of(fd);
  if (line == nullptr) return ::syscall(SYS_recvmsg, fd, message, flags);
  if (line->answers.empty()) {
    errno = EAGAIN;
    return -1;
  }
  const Bytes datagram = std::move(line->answers.front());
  line->answers.pop_front();
  std::memcpy(message->msg_iov->iov_base, datagram.data(), datagram.size());
  message->msg_flags = line->script->truncated ? MSG_TRUNC : 0;
  return static_cast<ssize_t>(datagram.size());
}

// glibc says that poll() only writes its first argument. Clang does not know this warning.
#ifndef __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
int poll(pollfd* waits, nfds_t count, int timeout) {
  const Line* line = count > 0 ? line_of(waits[0].fd) : nullptr;
  if (line == nullptr) return static_cast<int>(::syscall(SYS_poll, waits, count, timeout));
  waits[0].revents = static_cast<short>(line->answers.empty() ? 0 : POLLIN);
  if (line->answers.empty() && timeout > 0) skipped += (timeout + 999) / 1000;
  return line->answers.empty() ? 0 : 1;
}
#ifndef __clang__
#pragma GCC diagnostic pop
#endif

int clock_gettime(clockid_t clock, timespec* now) {
  const int result = static_cast<int>(::syscall(SYS_clock_gettime, clock, now));
  if (clock == CLOCK_MONOTONIC) now->tv_sec += skipped;
  return result;
}

}  // extern "C"
