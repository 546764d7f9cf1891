// Preloaded into a child: the n-th call of one kind that native code of the package makes fails,
// and the answers of the kernel are garbled. A call is ours where it comes from the addon or from a
// library that the addon loads, on whatever thread; those of Node are let through untouched.
//
// SHIM_FAULT=path names a file of `struct control`, which is mapped here and written by the test.
// While `kind` is 0 nothing is counted and nothing fails.
#define _GNU_SOURCE
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

enum kind { ALLOCATION = 1, THREAD, CALL, SHORT, GARBLE, SILENCE, CLOCK };

// The test's side is in test/support/faults.mjs.
struct control {
  _Atomic int32_t kind;
  int32_t at;             // the n-th fails, counted from 1
  int32_t all;            // 1: and every one after it
  _Atomic int32_t count;  // calls of this kind since it was set
  _Atomic int32_t hits;   // of these, failed
  int32_t code;           // CALL: the errno
  int32_t variant;        // GARBLE: how
  _Atomic int32_t live;   // blocks of memory that our code holds
  int32_t clock;  // CLOCK: seconds that CLOCK_REALTIME jumps forth and back between two looks
  int32_t track;  // 1: `live` is counted
};

static struct control none;
static struct control *control = &none;

static __attribute__((constructor)) void open_control(void) {
  const char *path = getenv("SHIM_FAULT");
  if (path == NULL) return;
  const long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  const long map =
      syscall(SYS_mmap, NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  syscall(SYS_close, fd);
  if (map > 0) control = (struct control *)map;
}

// ---- whose call it is
// ---------------------------------------------------------------------------------

static __thread int inside;

enum owner { NODE, OURS, LIBRARY, UNKNOWN };

static enum owner owner_of_file(const char *file) {
  static const char *const names[] = {"conntrack.node", "libnetfilter_conntrack", "libip4tc",
                                      "libip6tc",       "libnfnetlink",           "libmnl"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strstr(file, names[i]) != NULL) return OURS;
  }
  // What these do they do for their caller: the library of C++, the runtimes of sanitizers.
  static const char *const between[] = {"libstdc++", "shim-", "libasan", "libtsan"};
  for (size_t i = 0; i < sizeof between / sizeof *between; i++) {
    if (strstr(file, between[i]) != NULL) return LIBRARY;
  }
  return NODE;
}

// The segments that were asked for before: dladdr() searches all names of Node for each.
static struct {
  uintptr_t begin, end;
  enum owner owner;
} segments[256];
static atomic_int segment_count;
static pthread_mutex_t segments_mutex = PTHREAD_MUTEX_INITIALIZER;

static int find_segment(struct dl_phdr_info *module, size_t size, void *data) {
  (void)size;
  const uintptr_t at = *(const uintptr_t *)data;
  for (int i = 0; i < module->dlpi_phnum; i++) {
    const uintptr_t begin = module->dlpi_addr + module->dlpi_phdr[i].p_vaddr;
    const uintptr_t end = begin + module->dlpi_phdr[i].p_memsz;
    if (module->dlpi_phdr[i].p_type != PT_LOAD || at < begin || at >= end) continue;
    pthread_mutex_lock(&segments_mutex);
    const int count = segment_count;
    if (count < (int)(sizeof segments / sizeof *segments)) {
      segments[count].begin = begin;
      segments[count].end = end;
      segments[count].owner = owner_of_file(module->dlpi_name);
      segment_count = count + 1;
    }
    pthread_mutex_unlock(&segments_mutex);
    return 1;
  }
  return 0;
}

static enum owner owner_of(const void *address) {
  const uintptr_t at = (uintptr_t)address;
  for (int pass = 0; pass < 2; pass++) {
    const int count = segment_count;
    for (int i = 0; i < count; i++) {
      if (at >= segments[i].begin && at < segments[i].end) return segments[i].owner;
    }
    uintptr_t wanted = at;
    if (pass > 0 || dl_iterate_phdr(find_segment, &wanted) == 0) break;
  }
  return UNKNOWN;
}

struct walk {
  int depth;
  enum owner owner;
};

static _Unwind_Reason_Code look(struct _Unwind_Context *context, void *data) {
  struct walk *walk = data;
  if (++walk->depth > 24) return _URC_END_OF_STACK;
  walk->owner = owner_of((const void *)_Unwind_GetIP(context));
  return walk->owner == LIBRARY ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static bool ours(const void *caller) {
  if (inside) return false;
  const int before = errno;
  inside = 1;
  struct walk walk = {0, owner_of(caller)};
  if (walk.owner == LIBRARY) _Unwind_Backtrace(look, &walk);
  inside = 0;
  errno = before;
  return walk.owner == OURS;
}

// Whether this call, which is ours, is the one.
static bool chosen(void) {
  const int32_t count = atomic_fetch_add(&control->count, 1) + 1;
  if (control->all ? count < control->at : count != control->at) return false;
  atomic_fetch_add(&control->hits, 1);
  return true;
}
static bool fails(enum kind kind, const void *caller) {
  return control->kind == (int32_t)kind && ours(caller) && chosen();
}

#define CALLER __builtin_return_address(0)

// ---- memory
// -------------------------------------------------------------------------------------------

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

// The blocks of our code, so that what is left can be counted.
#define SLOTS (1u << 17)
#define GONE ((void *)1)
static void *slots[SLOTS];
static pthread_mutex_t slots_mutex = PTHREAD_MUTEX_INITIALIZER;

static size_t slot_of(const void *block) {
  return (size_t)(((uintptr_t)block >> 4) * 0x9e3779b97f4a7c15u >> 40) % SLOTS;
}
static void *track(void *block, const void *caller) {
  if (block == NULL || control->track == 0 || !ours(caller)) return block;
  pthread_mutex_lock(&slots_mutex);
  size_t at = slot_of(block);
  for (size_t i = 0; i < SLOTS && slots[at] != NULL && slots[at] != GONE; i++)
    at = (at + 1) % SLOTS;
  slots[at] = block;
  atomic_fetch_add(&control->live, 1);
  pthread_mutex_unlock(&slots_mutex);
  return block;
}
static void untrack(const void *block) {
  if (block == NULL || control->live == 0) return;
  pthread_mutex_lock(&slots_mutex);
  size_t at = slot_of(block);
  for (size_t i = 0; i < SLOTS && slots[at] != NULL; i++, at = (at + 1) % SLOTS) {
    if (slots[at] != block) continue;
    slots[at] = GONE;
    atomic_fetch_sub(&control->live, 1);
    break;
  }
  pthread_mutex_unlock(&slots_mutex);
}

void *malloc(size_t size) {
  if (fails(ALLOCATION, CALLER)) {
    errno = ENOMEM;
    return NULL;
  }
  return track(__libc_malloc(size), CALLER);
}
void *calloc(size_t count, size_t size) {
  if (fails(ALLOCATION, CALLER)) {
    errno = ENOMEM;
    return NULL;
  }
  return track(__libc_calloc(count, size), CALLER);
}
void *realloc(void *old, size_t size) {
  if (fails(ALLOCATION, CALLER)) {
    errno = ENOMEM;
    return NULL;
  }
  untrack(old);
  return track(__libc_realloc(old, size), CALLER);
}
void free(void *block) {
  untrack(block);
  __libc_free(block);
}

// operator new, in its forms; the real one throws where it is asked for what nobody has.
static void *throws(void) {
  void *(*real)(size_t) = (void *(*)(size_t))dlsym(RTLD_NEXT, "_Znwm");
  return real(SIZE_MAX / 2);
}
static void *make(size_t size, size_t alignment, const void *caller) {
  if (fails(ALLOCATION, caller)) return throws();
  void *block = alignment == 0 ? __libc_malloc(size == 0 ? 1 : size)
                               : __libc_memalign(alignment, size == 0 ? 1 : size);
  return block == NULL ? throws() : track(block, caller);
}
void *_Znwm(size_t size) { return make(size, 0, CALLER); }
void *_Znam(size_t size) { return make(size, 0, CALLER); }
void *_ZnwmSt11align_val_t(size_t size, size_t alignment) { return make(size, alignment, CALLER); }
void *_ZnamSt11align_val_t(size_t size, size_t alignment) { return make(size, alignment, CALLER); }
void *_ZnwmRKSt9nothrow_t(size_t size, const void *nothrow) {
  (void)nothrow;
  return fails(ALLOCATION, CALLER) ? NULL : track(__libc_malloc(size == 0 ? 1 : size), CALLER);
}
void *_ZnamRKSt9nothrow_t(size_t size, const void *nothrow) {
  (void)nothrow;
  return fails(ALLOCATION, CALLER) ? NULL : track(__libc_malloc(size == 0 ? 1 : size), CALLER);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
  if (fails(ALLOCATION, CALLER)) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}
void *mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset)
    __attribute__((alias("mmap")));
void *mremap(void *old, size_t old_size, size_t size, int flags, ...) {
  va_list list;
  va_start(list, flags);
  void *at = (flags & MREMAP_FIXED) != 0 ? va_arg(list, void *) : NULL;
  va_end(list);
  if (fails(ALLOCATION, CALLER)) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return (void *)syscall(SYS_mremap, old, old_size, size, flags, at);
}

// ---- threads
// ------------------------------------------------------------------------------------------

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument) {
  int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
      dlsym(RTLD_NEXT, "pthread_create");
  if (shim_asked("SHIM_THREADS") || fails(THREAD, CALLER)) return EAGAIN;
  return real(thread, attributes, start, argument);
}

// ---- system calls
// -------------------------------------------------------------------------------------

static bool refused(const void *caller) {
  if (!fails(CALL, caller)) return false;
  errno = control->code;
  return true;
}

int eventfd(unsigned int value, int flags) {
  if (shim_asked("SHIM_EVENTFD")) {
    errno = EMFILE;
    return -1;
  }
  return refused(CALLER) ? -1 : (int)syscall(SYS_eventfd2, value, flags);
}
int socket(int domain, int type, int protocol) {
  return refused(CALLER) ? -1 : (int)syscall(SYS_socket, domain, type, protocol);
}
int bind(int fd, const struct sockaddr *address, socklen_t size) {
  return refused(CALLER) ? -1 : (int)syscall(SYS_bind, fd, address, size);
}
int getsockname(int fd, struct sockaddr *address, socklen_t *size) {
  return refused(CALLER) ? -1 : (int)syscall(SYS_getsockname, fd, address, size);
}
int setsockopt(int fd, int level, int option, const void *value, socklen_t size) {
  return refused(CALLER) ? -1 : (int)syscall(SYS_setsockopt, fd, level, option, value, size);
}
int getsockopt(int fd, int level, int option, void *value, socklen_t *size) {
  return refused(CALLER) ? -1 : (int)syscall(SYS_getsockopt, fd, level, option, value, size);
}
ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
               socklen_t to_size) {
  if (refused(CALLER)) return -1;
  return syscall(SYS_sendto, fd, data, size, flags, to, to_size);
}
int setns(int fd, int kind) { return refused(CALLER) ? -1 : (int)syscall(SYS_setns, fd, kind); }
int unshare(int flags) { return refused(CALLER) ? -1 : (int)syscall(SYS_unshare, flags); }
int flock(int fd, int operation) {
  return refused(CALLER) ? -1 : (int)syscall(SYS_flock, fd, operation);
}
static int open_at(int folder, const char *path, int flags, va_list list, const void *caller) {
  const mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
  return refused(caller) ? -1 : (int)syscall(SYS_openat, folder, path, flags, mode);
}
#define OPEN(name)                                               \
  int name(const char *path, int flags, ...) {                   \
    va_list list;                                                \
    va_start(list, flags);                                       \
    const int fd = open_at(AT_FDCWD, path, flags, list, CALLER); \
    va_end(list);                                                \
    return fd;                                                   \
  }
OPEN(open)
OPEN(open64)
ssize_t read(int fd, void *data, size_t size) {
  if (refused(CALLER)) return -1;
  // A short read: one byte of what is asked for.
  if (size > 1 && fails(SHORT, CALLER)) size = 1;
  return syscall(SYS_read, fd, data, size);
}
ssize_t write(int fd, const void *data, size_t size) {
  if (refused(CALLER)) return -1;
  if (size > 1 && fails(SHORT, CALLER)) size = 1;
  return syscall(SYS_write, fd, data, size);
}

// ---- answers of the kernel
// ------------------------------------------------------------------------------

static bool is_netlink(int fd) {
  int domain = 0;
  socklen_t size = sizeof domain;
  return syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
         domain == AF_NETLINK;
}

// The seconds that waiting has skipped.
static _Atomic int64_t skipped;

// Changes the datagram; returns its size, or -1: it is swallowed.
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
    case 2:
      return size / 2;
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
    default:  // it never came
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

// Where an answer was swallowed, waiting for it takes no time: the clock goes on instead.
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
  // Silent though there is something: the answer was swallowed before it was read.
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
