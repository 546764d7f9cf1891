// The calls that faults.c can make fail: memory, threads, system calls.
#define _GNU_SOURCE
#include "faults.h"
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// ---- memory -------------------------------------------------------------------------------------

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

// The blocks of our code. They are recorded so that the remaining ones can be counted.
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

// All forms of operator new. To throw, the real one is asked for more memory than exists.
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

// ---- threads ------------------------------------------------------------------------------------

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument) {
  int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
      dlsym(RTLD_NEXT, "pthread_create");
  if (shim_asked("SHIM_THREADS") || fails(THREAD, CALLER)) return EAGAIN;
  return real(thread, attributes, start, argument);
}

// ---- system calls -------------------------------------------------------------------------------

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
  // A short read: it gives one byte.
  if (size > 1 && fails(SHORT, CALLER)) size = 1;
  return syscall(SYS_read, fd, data, size);
}
ssize_t write(int fd, const void *data, size_t size) {
  if (refused(CALLER)) return -1;
  if (size > 1 && fails(SHORT, CALLER)) size = 1;
  return syscall(SYS_write, fd, data, size);
}
