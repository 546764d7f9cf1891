// Preloaded into a process. It records what the kernel sends on netlink sockets, or plays a record
// back in place of the kernel, on any architecture and without privileges.
//   PLAYBACK_RECORD=path   appends each datagram of every dump of flows.
//   PLAYBACK_PLAY=path     answers a dump of flows with the record; refuses all other requests.
// A record is a list of datagrams, each after its size in four bytes, in the byte order of x64 and
// arm64.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SOCKETS = 1024, GET = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET };

// What is known of a descriptor: the request that it waits for, and how much of the answer is left.
static struct line {
  bool played;
  uint32_t sequence;
  FILE *record;
  int refusal;  // an errno to answer with
} lines[SOCKETS];

static struct line *played(int fd) {
  return fd >= 0 && fd < SOCKETS && lines[fd].played ? &lines[fd] : NULL;
}

int socket(int domain, int type, int protocol) {
  if (domain != AF_NETLINK || getenv("PLAYBACK_PLAY") == NULL) {
    return (int)syscall(SYS_socket, domain, type, protocol);
  }
  // Always readable, so that nothing waits.
  const int fd = eventfd(1, EFD_CLOEXEC);
  if (fd >= SOCKETS) abort();
  if (fd >= 0) lines[fd] = (struct line){.played = true};
  return fd;
}

int bind(int fd, const struct sockaddr *address, socklen_t size) {
  return played(fd) != NULL ? 0 : (int)syscall(SYS_bind, fd, address, size);
}

int getsockname(int fd, struct sockaddr *restrict address, socklen_t *restrict size) {
  if (played(fd) == NULL) return (int)syscall(SYS_getsockname, fd, address, size);
  const struct sockaddr_nl own = {.nl_family = AF_NETLINK, .nl_pid = 1};
  memcpy(address, &own, sizeof own);
  *size = sizeof own;
  return 0;
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t size) {
  if (played(fd) != NULL) return 0;
  return (int)syscall(SYS_setsockopt, fd, level, option, value, size);
}

int getsockopt(int fd, int level, int option, void *restrict value, socklen_t *restrict size) {
  if (played(fd) == NULL) return (int)syscall(SYS_getsockopt, fd, level, option, value, size);
  memset(value, 0, *size);
  return 0;
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
               socklen_t length) {
  struct line *line = played(fd);
  const struct nlmsghdr *request = data;
  const bool dump = size >= sizeof *request && request->nlmsg_type == GET &&
                    (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  if (line == NULL) {
    if (dump && fd < SOCKETS && getenv("PLAYBACK_RECORD") != NULL) {
      lines[fd].record = fopen(getenv("PLAYBACK_RECORD"), "ab");
    }
    return syscall(SYS_sendto, fd, data, size, flags, to, length);
  }
  line->sequence = request->nlmsg_seq;
  line->refusal = dump ? 0 : EOPNOTSUPP;
  if (dump) line->record = fopen(getenv("PLAYBACK_PLAY"), "rb");
  return (ssize_t)size;
}

// The next datagram of the answer, or nothing. Returns its size.
static size_t answer(struct line *line, uint8_t *out, size_t room) {
  if (line->refusal != 0) {
    const struct {
      struct nlmsghdr header;
      struct nlmsgerr error;
    } refused = {{sizeof refused, NLMSG_ERROR, 0, line->sequence, 1}, {.error = -line->refusal}};
    line->refusal = 0;
    memcpy(out, &refused, sizeof refused);
    return sizeof refused;
  }
  uint32_t size = 0;
  if (line->record == NULL || fread(&size, sizeof size, 1, line->record) != 1) return 0;
  if (size > room || fread(out, 1, size, line->record) != size) abort();
  for (size_t at = 0; at + NLMSG_HDRLEN <= size;) {
    struct nlmsghdr *message = (struct nlmsghdr *)(out + at);
    message->nlmsg_seq = line->sequence;
    message->nlmsg_pid = 1;
    at += NLMSG_ALIGN(message->nlmsg_len);
  }
  return size;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  struct line *line = played(fd);
  if (line == NULL) {
    const ssize_t size = syscall(SYS_recvmsg, fd, message, flags);
    const bool taken = size > 0 && (flags & MSG_PEEK) == 0 && fd < SOCKETS;
    if (taken && lines[fd].record != NULL) {
      const uint32_t length = (uint32_t)size;
      fwrite(&length, sizeof length, 1, lines[fd].record);
      fwrite(message->msg_iov->iov_base, 1, length, lines[fd].record);
      fflush(lines[fd].record);
    }
    return size;
  }
  if (message->msg_name != NULL) {
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    memcpy(message->msg_name, &kernel, sizeof kernel);
    message->msg_namelen = sizeof kernel;
  }
  message->msg_controllen = 0;
  message->msg_flags = 0;
  const size_t size = answer(line, message->msg_iov->iov_base, message->msg_iov->iov_len);
  if (size > 0) return (ssize_t)size;
  errno = EAGAIN;
  return -1;
}
