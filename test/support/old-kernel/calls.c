// Preloaded into a process: its kernel looks like another release of Linux. The table is that of
// the real kernel, in the network namespace of the process.
//   OLD_KERNEL=5.8          the release.
//   OLD_KERNEL_WITHOUT=mark options that it was built without: mark, zones.
//   OLD_KERNEL_WITH=flush   what a distribution has brought to it: a flush with CTA_FILTER.
//   OLD_KERNEL_LOG=path     gets a line about each dump and each deletion.
// A dump is asked for without its filter, and the rows that the kernel would not send are taken out
// of the answer. A flush goes on with what that kernel looks at. A request that it refuses becomes
// one that every kernel refuses, and the error gets the right number.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "old-kernel.h"

enum { HOOK_SUBSYSTEM = 12, FILTER = 25, TIMESTAMP_EVENT = 27 };
enum {
  NEW = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW,
  GET = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
  DELETE = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
};

static int release[2];

__attribute__((constructor)) static void read_release(void) {
  const char *text = getenv("OLD_KERNEL");
  if (text == NULL || sscanf(text, "%d.%d", &release[0], &release[1]) != 2) {
    fputs("OLD_KERNEL: expected a release such as 5.8\n", stderr);
    _exit(1);
  }
}

bool at_least(int major, int minor) {
  return release[0] > major || (release[0] == major && release[1] >= minor);
}

static bool names(const char *variable, const char *word) {
  const char *words = getenv(variable);
  return words != NULL && strstr(words, word) != NULL;
}

bool lacks(const char *option) { return names("OLD_KERNEL_WITHOUT", option); }

bool flushes_by_filter(void) { return at_least(6, 12) || names("OLD_KERNEL_WITH", "flush"); }

// What is known of a socket: its dump, and the requests that must end with an error.
#define SOCKETS 1024
#define REFUSALS 64
static struct line {
  bool dumps;
  uint32_t sequence;
  struct filter filter;
  struct {
    uint32_t sequence;
    int code;
  } refused[REFUSALS];
  size_t refusals;
} lines[SOCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// A socket may have the number of one that was closed, and all sockets begin with the same
// sequence.
int socket(int domain, int type, int protocol) {
  const int fd = (int)syscall(SYS_socket, domain, type, protocol);
  if (fd >= 0 && fd < SOCKETS) {
    pthread_mutex_lock(&lock);
    memset(&lines[fd], 0, sizeof lines[fd]);
    pthread_mutex_unlock(&lock);
  }
  return fd;
}

static bool is_netfilter(int fd) {
  int domain = 0, protocol = 0;
  socklen_t size = sizeof domain;
  if (fd < 0 || fd >= SOCKETS) return false;
  if (syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) return false;
  size = sizeof protocol;
  if (syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0) return false;
  return domain == AF_NETLINK && protocol == NETLINK_NETFILTER;
}

// A GET that names no flow ends with EINVAL on every kernel.
static size_t refuse(struct line *line, const struct nlmsghdr *request, int code, uint8_t *out) {
  struct nlmsghdr *header = (struct nlmsghdr *)out;
  const size_t size = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));
  memset(out, 0, size);
  *header = (struct nlmsghdr){(uint32_t)size, GET, NLM_F_REQUEST | NLM_F_ACK, request->nlmsg_seq,
                              request->nlmsg_pid};
  const size_t at = line->refusals++ % REFUSALS;
  line->refused[at].sequence = request->nlmsg_seq;
  line->refused[at].code = code;
  return size;
}

// Writes the request that the real kernel gets. Returns its size.
static size_t translate(struct line *line, const struct nlmsghdr *request, uint8_t *out) {
  struct nlmsghdr *header = (struct nlmsghdr *)out;
  struct meaning meaning;
  memcpy(out, request, request->nlmsg_len);
  const bool dump = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  if (request->nlmsg_type == GET && dump) {
    understand_dump(request, &meaning);
    report("dump", &meaning);
    if (meaning.refused != 0) return refuse(line, request, meaning.refused, out);
    line->dumps = true;
    line->sequence = request->nlmsg_seq;
    line->filter = meaning.filter;
    header->nlmsg_len = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));
  } else if (request->nlmsg_type == DELETE && is_flush(request)) {
    understand_flush(request, &meaning);
    report("flush", &meaning);
    if (meaning.refused != 0) return refuse(line, request, meaning.refused, out);
    for (int type = 0; type < 32; type++) {
      if ((meaning.ignored >> type & 1) != 0) remove_attribute(header, type);
    }
  } else if (request->nlmsg_type == DELETE && ignores_filter(request, &meaning)) {
    report("delete", &meaning);
    remove_attribute(header, FILTER);
  } else if (request->nlmsg_type >> 8 == HOOK_SUBSYSTEM && !at_least(5, 14)) {
    return refuse(line, request, EINVAL, out);
  }
  return header->nlmsg_len;
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
               socklen_t length) {
  if (!is_netfilter(fd)) return syscall(SYS_sendto, fd, data, size, flags, to, length);
  uint8_t *out = malloc(2 * size + 64);
  if (out == NULL) abort();
  size_t used = 0;
  pthread_mutex_lock(&lock);
  const uint8_t *at = data;
  for (size_t left = size; left >= NLMSG_HDRLEN;) {
    const struct nlmsghdr *request = (const struct nlmsghdr *)at;
    if (request->nlmsg_len < NLMSG_HDRLEN || request->nlmsg_len > left) break;
    used += NLMSG_ALIGN(translate(&lines[fd], request, out + used));
    const size_t step = NLMSG_ALIGN(request->nlmsg_len);
    if (step >= left) break;
    at += step;
    left -= step;
  }
  pthread_mutex_unlock(&lock);
  const ssize_t sent = syscall(SYS_sendto, fd, out, used, flags, to, length);
  free(out);
  return sent < 0 ? sent : (ssize_t)size;
}

// Makes one message what that kernel would have sent. False: it would not have sent it.
static bool adapt(struct line *line, struct nlmsghdr *message) {
  const bool asked = line->dumps && message->nlmsg_seq == line->sequence;
  if (message->nlmsg_type == NEW && asked && !matches(&line->filter, message)) return false;
  if (message->nlmsg_type == NEW || message->nlmsg_type == DELETE) {
    if (!at_least(6, 14)) remove_attribute(message, TIMESTAMP_EVENT);
    if (lacks("mark")) remove_attribute(message, CTA_MARK);
  }
  if (message->nlmsg_type != NLMSG_ERROR) return true;
  for (size_t i = 0; i < REFUSALS; i++) {
    if (line->refused[i].code == 0 || line->refused[i].sequence != message->nlmsg_seq) continue;
    ((struct nlmsgerr *)NLMSG_DATA(message))->error = -line->refused[i].code;
    line->refused[i].code = 0;
  }
  return true;
}

static ssize_t adapt_datagram(int fd, uint8_t *data, size_t size) {
  size_t used = 0;
  pthread_mutex_lock(&lock);
  for (size_t at = 0; size - at >= NLMSG_HDRLEN;) {
    struct nlmsghdr *message = (struct nlmsghdr *)(data + at);
    const size_t length = message->nlmsg_len;
    if (length < NLMSG_HDRLEN || length > size - at) break;
    if (adapt(&lines[fd], message)) {
      const size_t now = message->nlmsg_len;
      memmove(data + used, message, now);
      memset(data + used + now, 0, NLMSG_ALIGN(now) - now);
      used += NLMSG_ALIGN(now);
    }
    if (NLMSG_ALIGN(length) >= size - at) break;
    at += NLMSG_ALIGN(length);
  }
  pthread_mutex_unlock(&lock);
  return (ssize_t)used;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  for (;;) {
    const ssize_t size = syscall(SYS_recvmsg, fd, message, flags);
    if (size <= 0 || (flags & MSG_PEEK) != 0 || !is_netfilter(fd)) return size;
    if ((message->msg_flags & MSG_TRUNC) != 0) return size;
    const ssize_t left = adapt_datagram(fd, message->msg_iov->iov_base, (size_t)size);
    // A datagram of rows that are all left out was never sent.
    if (left > 0) return left;
  }
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags,
             struct timespec *timeout) {
  const int got = (int)syscall(SYS_recvmmsg, fd, messages, count, flags, timeout);
  if (got <= 0 || !is_netfilter(fd)) return got;
  for (int i = 0; i < got; i++) {
    if ((messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) continue;
    uint8_t *data = messages[i].msg_hdr.msg_iov->iov_base;
    messages[i].msg_len = (unsigned)adapt_datagram(fd, data, messages[i].msg_len);
  }
  return got;
}

int uname(struct utsname *names) {
  if (syscall(SYS_uname, names) != 0) return -1;
  snprintf(names->release, sizeof names->release, "%s.0-pretended", getenv("OLD_KERNEL"));
  return 0;
}

static const char settings[] = "/proc/sys/net/netfilter/nf_conntrack_";

static bool is_setting(const char *path, const char *name) {
  const size_t length = sizeof settings - 1;
  return strncmp(path, settings, length) == 0 && strcmp(path + length, name) == 0;
}

// tcp_ignore_invalid_rst: 1da4cd82dd18.
static bool unknown_file(const char *path) {
  return !at_least(5, 14) && is_setting(path, "tcp_ignore_invalid_rst");
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if (unknown_file(path)) {
    errno = ENOENT;
    return -1;
  }
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
// The same call, for an addon that was built without large files.
int open(const char *path, int flags, ...) __attribute__((alias("open64")));

// nf_conntrack_events takes 2 since 5.19 (90d1daa45849). Before, its highest value is 1.
ssize_t write(int fd, const void *data, size_t size) {
  if (size > 0 && size <= 2 && *(const char *)data == '2' && !at_least(5, 19)) {
    char link[32], path[128];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = syscall(SYS_readlink, link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    if (is_setting(path, "events")) {
      errno = EINVAL;
      return -1;
    }
  }
  return syscall(SYS_write, fd, data, size);
}
