// What faults.c does to answers of the kernel: it garbles or swallows them. It also
// lets the clock jump.
#define _GNU_SOURCE
#include "faults.h"
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static bool is_netlink(int fd) {
  int domain = 0;
  socklen_t size = sizeof domain;
  return syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
         domain == AF_NETLINK;
}

// The seconds that skipped waits would have taken.
static _Atomic int64_t skipped;

// Changes the datagram. Returns its size, or -1 for a datagram that must be swallowed.
static ssize_t garble(uint8_t *data, ssize_t size, size_t room) {
  struct nlmsghdr *first = (struct nlmsghdr *)data;
  const int variant = control->variant;
  const uint32_t mixed = (uint32_t)control->at * 2654435761u + (uint32_t)variant * 40503u;
  switch (variant) {
    case 0:  // a bit of the payload
      if (size > 16) data[16 + mixed % (uint32_t)(size - 16)] ^= (uint8_t)(1u << (mixed >> 29));
      return size;
    case 1:  // a bit anywhere
      data[mixed % (uint32_t)size] ^= (uint8_t)(1u << (mixed >> 29));
      return size;
    case 2:  // half of it, and never at the end of a message
      return size / 2 | 2;
    case 3:
      return size > 3 ? 3 : size;
    case 4:
      return 0;
    case 5:
      first->nlmsg_len = 0xffff;
      return size;
    case 6:
      first->nlmsg_len = 4;
      return size;
    case 7:
      first->nlmsg_seq += 1;
      return size;
    case 8:
      first->nlmsg_type = NLMSG_NOOP;
      return size;
    case 9:
      first->nlmsg_type ^= 0x0300;
      return size;
    case 10:
      first->nlmsg_flags |= NLM_F_DUMP_INTR;
      return size;
    case 11:  // an error in the middle
      if (room >= 36) {
        const int32_t code = -EIO;
        first->nlmsg_len = 36;
        first->nlmsg_type = NLMSG_ERROR;
        first->nlmsg_flags = 0;
        memcpy(data + 16, &code, sizeof code);
        memset(data + 20, 0, 16);
        return 36;
      }
      return size;
    case 12:  // an error without its code
      first->nlmsg_type = NLMSG_ERROR;
      first->nlmsg_len = 16;
      return 16;
    case 13:
      for (ssize_t i = 16; i < size; i++) data[i] = (uint8_t)((mixed >> (i % 24)) + i * 7);
      return size;
    case 14:
      memset(data, 0xff, (size_t)size);
      return size;
    default:  // it is swallowed
      return -1;
  }
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  shim_gate();
  if (refused(CALLER)) return -1;
  if (control->kind == SILENCE && is_netlink(fd) && ours(CALLER)) {
    atomic_fetch_add(&control->hits, 1);
    errno = EAGAIN;
    return -1;
  }
  for (;;) {
    ssize_t size = syscall(SYS_recvmsg, fd, message, flags);
    if (size <= 0 || control->kind != GARBLE || !is_netlink(fd) || !fails(GARBLE, CALLER)) {
      return size;
    }
    if (control->variant == 16) {
      message->msg_flags |= MSG_TRUNC;
      return size;
    }
    size = garble(message->msg_iov->iov_base, size, message->msg_iov->iov_len);
    if (size >= 0) return size;
  }
}
int recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags,
             struct timespec *timeout) {
  if (refused(CALLER)) return -1;
  int got = (int)syscall(SYS_recvmmsg, fd, messages, count, flags, timeout);
  for (int i = 0; i < got && control->kind == GARBLE; i++) {
    if (!fails(GARBLE, CALLER)) continue;
    struct iovec *vector = messages[i].msg_hdr.msg_iov;
    const ssize_t size = garble(vector->iov_base, messages[i].msg_len, vector->iov_len);
    messages[i].msg_len = size < 0 ? 0 : (unsigned)size;
  }
  return got;
}

// Waiting for a swallowed answer takes no time: the clock moves forward instead.
int poll(struct pollfd *waits, nfds_t count, int timeout) {
  if (refused(CALLER)) return -1;
  const bool skips = timeout != 0 && (control->kind == SILENCE || control->kind == GARBLE);
  if (!skips || !ours(CALLER)) return (int)syscall(SYS_poll, waits, count, timeout);
  const long ready = syscall(SYS_poll, waits, count, 0);
  bool netlink = false;
  for (nfds_t i = 0; i < count; i++)
    netlink = netlink || (waits[i].fd >= 0 && is_netlink(waits[i].fd));
  if (timeout < 0) return (int)syscall(SYS_poll, waits, count, timeout);
  if (!netlink) return (int)syscall(SYS_poll, waits, count, timeout);
  // SILENCE: there is an answer, but it is swallowed before it is read.
  if (ready > 0 && control->kind != SILENCE) return (int)ready;
  bool stop = false;
  for (nfds_t i = 0; i < count; i++) {
    if (waits[i].fd >= 0 && !is_netlink(waits[i].fd) && waits[i].revents != 0) stop = true;
    if (waits[i].fd >= 0 && is_netlink(waits[i].fd)) waits[i].revents = 0;
  }
  if (stop) return 1;
  atomic_fetch_add(&skipped, (timeout + 999) / 1000);
  return 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (real == NULL) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  const int result = real(clock, now);
  if (result == 0 && clock == CLOCK_REALTIME && control->kind == CLOCK) {
    static atomic_uint looks;
    if (atomic_fetch_add(&looks, 1) % 2 == 0) now->tv_sec += control->clock;
  }
  if (result == 0 && clock == CLOCK_MONOTONIC) now->tv_sec += skipped;
  return result;
}
