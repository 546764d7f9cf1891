// Netlink for the C programs of tests and benches: a socket, a message builder, and batches with
// one acknowledgement at their end. It knows message framing and attributes, but not flows. Every
// function ends the program when the kernel does something unexpected.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

__attribute__((noreturn, format(printf, 1, 2))) static inline void ctnl_die(const char* format,
                                                                            ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

static inline uint64_t ctnl_clock(clockid_t clock) {
  struct timespec now;
  if (clock_gettime(clock, &now) != 0) ctnl_die("clock_gettime: %s", strerror(errno));
  return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static inline uint64_t ctnl_now(void) { return ctnl_clock(CLOCK_MONOTONIC); }

// A whole number from the command line, within its limits.
static inline uint64_t ctnl_number(const char* option, const char* text, uint64_t max) {
  char* end = NULL;
  errno = 0;
  const uint64_t value = text == NULL ? 0 : strtoull(text, &end, 0);
  if (text == NULL || end == text || *end != '\0' || *text == '-' || errno != 0 || value > max) {
    ctnl_die("%s: expected a number up to %llu, got %s", option, (unsigned long long)max,
             text == NULL ? "nothing" : text);
  }
  return value;
}

// groups: bit 0 NEW, bit 1 UPDATE, bit 2 DESTROY, as the legacy group masks of netlink.
static inline int ctnl_open(uint32_t groups) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (fd < 0) ctnl_die("socket: %s", strerror(errno));
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
  if (bind(fd, (struct sockaddr*)&address, sizeof address) != 0) {
    ctnl_die("bind: %s", strerror(errno));
  }
  return fd;
}

// Sets the receive buffer, by force if that is allowed. Returns the effective size.
static inline int ctnl_receive_buffer(int fd, int bytes) {
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0 &&
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) != 0) {
    ctnl_die("SO_RCVBUF: %s", strerror(errno));
  }
  int effective = 0;
  socklen_t size = sizeof effective;
  if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &effective, &size) != 0) {
    ctnl_die("SO_RCVBUF: %s", strerror(errno));
  }
  return effective;
}

// How many messages the kernel has dropped on this socket (SK_MEMINFO_DROPS of SO_MEMINFO).
static inline uint32_t ctnl_drops(int fd) {
#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif
  uint32_t values[9] = {0};
  socklen_t size = sizeof values;
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values, &size) != 0 || size < sizeof values) {
    ctnl_die("SO_MEMINFO: %s", strerror(errno));
  }
  return values[8];
}

static inline void ctnl_send(int fd, const void* data, size_t size) {
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  ssize_t sent;
  do {
    sent = sendto(fd, data, size, 0, (struct sockaddr*)&kernel, sizeof kernel);
  } while (sent < 0 && errno == EINTR);
  if (sent != (ssize_t)size) ctnl_die("send of %zu bytes: %s", size, strerror(errno));
}

// One datagram. A truncated one ends the program.
static inline size_t ctnl_receive(int fd, void* buffer, size_t size) {
  struct iovec vector = {.iov_base = buffer, .iov_len = size};
  struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
  ssize_t got;
  do {
    got = recvmsg(fd, &header, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) ctnl_die("recv: %s", strerror(errno));
  if ((header.msg_flags & MSG_TRUNC) != 0) ctnl_die("a datagram was truncated");
  return (size_t)got;
}

// ---- builder -----------------------------------------------------------------------------------

struct ctnl_buffer {
  size_t size;
  size_t message;  // where the open message begins
  _Alignas(8) uint8_t data[1 << 18];
};

static inline void ctnl_put(struct ctnl_buffer* b, uint16_t type, const void* value, size_t size) {
  const size_t whole = NLA_HDRLEN + size;
  if (b->size + NLA_ALIGN(whole) > sizeof b->data) ctnl_die("a batch is too large");
  const struct nlattr header = {.nla_len = (uint16_t)whole, .nla_type = type};
  memcpy(b->data + b->size, &header, sizeof header);
  if (size > 0) memcpy(b->data + b->size + NLA_HDRLEN, value, size);
  memset(b->data + b->size + whole, 0, NLA_ALIGN(whole) - whole);
  b->size += NLA_ALIGN(whole);
}

static inline void ctnl_u8(struct ctnl_buffer* b, uint16_t type, uint8_t value) {
  ctnl_put(b, type, &value, 1);
}
static inline void ctnl_be16(struct ctnl_buffer* b, uint16_t type, uint16_t value) {
  const uint16_t wire = htons(value);
  ctnl_put(b, type, &wire, 2);
}
static inline void ctnl_be32(struct ctnl_buffer* b, uint16_t type, uint32_t value) {
  const uint32_t wire = htonl(value);
  ctnl_put(b, type, &wire, 4);
}

static inline size_t ctnl_open_nest(struct ctnl_buffer* b, uint16_t type) {
  const size_t at = b->size;
  ctnl_put(b, type | NLA_F_NESTED, NULL, 0);
  return at;
}
static inline void ctnl_close_nest(struct ctnl_buffer* b, size_t at) {
  const uint16_t size = (uint16_t)(b->size - at);
  memcpy(b->data + at, &size, sizeof size);
}

static inline void ctnl_begin(struct ctnl_buffer* b, uint8_t message, uint16_t flags,
                              uint8_t family, uint32_t sequence) {
  if (b->size + NLMSG_HDRLEN + sizeof(struct nfgenmsg) > sizeof b->data) {
    ctnl_die("a batch is too large");
  }
  b->message = b->size;
  const struct nlmsghdr header = {.nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | message),
                                  .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
                                  .nlmsg_seq = sequence};
  const struct nfgenmsg generic = {.nfgen_family = family, .version = NFNETLINK_V0};
  memcpy(b->data + b->size, &header, sizeof header);
  memcpy(b->data + b->size + NLMSG_HDRLEN, &generic, sizeof generic);
  b->size += NLMSG_HDRLEN + sizeof generic;
}

static inline void ctnl_end(struct ctnl_buffer* b) {
  const uint32_t size = (uint32_t)(b->size - b->message);
  memcpy(b->data + b->message, &size, sizeof size);
}

// Asks for the acknowledgement of the last message of the batch.
static inline void ctnl_ack_last(struct ctnl_buffer* b) {
  struct nlmsghdr header;
  memcpy(&header, b->data + b->message, sizeof header);
  header.nlmsg_flags |= NLM_F_ACK;
  memcpy(b->data + b->message, &header, sizeof header);
}

// ---- answers -----------------------------------------------------------------------------------

typedef void (*ctnl_on_message)(const struct nlmsghdr* header, void* context);
// `code` is a positive errno. Called only for refusals, never for an acknowledgement.
typedef void (*ctnl_on_error)(uint32_t sequence, int code, void* context);

static inline void ctnl_fail_on_error(uint32_t sequence, int code, void* context) {
  (void)context;
  ctnl_die("message %u: %s", sequence, strerror(code));
}

// Sends a batch whose last message has the sequence number `last`, and reads until that message is
// acknowledged or refused.
static inline void ctnl_exchange(int fd, struct ctnl_buffer* batch, uint32_t last,
                                 ctnl_on_message on_message, ctnl_on_error on_error,
                                 void* context) {
  static _Thread_local _Alignas(8) uint8_t answer[32768];
  ctnl_ack_last(batch);
  ctnl_send(fd, batch->data, batch->size);
  for (bool open = true; open;) {
    size_t left = ctnl_receive(fd, answer, sizeof answer);
    for (const struct nlmsghdr* at = (const void*)answer; NLMSG_OK(at, left);
         at = NLMSG_NEXT(at, left)) {
      if (at->nlmsg_type != NLMSG_ERROR) {
        if (on_message != NULL) on_message(at, context);
        continue;
      }
      const struct nlmsgerr* error = NLMSG_DATA(at);
      if (error->error != 0) on_error(at->nlmsg_seq, -error->error, context);
      if (at->nlmsg_seq == last) open = false;
    }
  }
  batch->size = 0;
}

// The header of a dump request; filters may be appended before ctnl_end.
static inline void ctnl_begin_dump(struct ctnl_buffer* b, uint8_t family, uint32_t sequence) {
  ctnl_begin(b, IPCTNL_MSG_CT_GET, NLM_F_DUMP, family, sequence);
}
