// Preloaded into a child. It makes the n-th call of one kind fail, and garbles the answers of the
// kernel. It touches only our calls: calls of the addon and of the libraries that the addon loads,
// on every thread. Calls of Node go through unchanged.
//
// SHIM_FAULT=path names a file of `struct control`, which is mapped here and written by the test.
// While `kind` is 0 nothing is counted and nothing fails.
#define _GNU_SOURCE
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

static struct control none;
struct control *control = &none;

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

static __thread int inside;

enum owner { NODE, OURS, LIBRARY, UNKNOWN };

static enum owner owner_of_file(const char *file) {
  static const char *const names[] = {"conntrack.node",
                                      "conntrack.glibc.node",
                                      "libnetfilter_conntrack",
                                      "libip4tc",
                                      "libip6tc",
                                      "libnfnetlink",
                                      "libmnl"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strstr(file, names[i]) != NULL) return OURS;
  }
  // The C++ library and the runtimes of sanitizers work for their caller.
  static const char *const between[] = {"libstdc++", "shim-", "libasan", "libtsan"};
  for (size_t i = 0; i < sizeof between / sizeof *between; i++) {
    if (strstr(file, between[i]) != NULL) return LIBRARY;
  }
  return NODE;
}

// The segments that were found before. dladdr() would search all names of Node each time.
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

bool ours(const void *caller) {
  if (inside) return false;
  const int before = errno;
  inside = 1;
  struct walk walk = {0, owner_of(caller)};
  if (walk.owner == LIBRARY) _Unwind_Backtrace(look, &walk);
  inside = 0;
  errno = before;
  return walk.owner == OURS;
}

// Whether this call of ours is the one that must fail.
static bool chosen(void) {
  const int32_t count = atomic_fetch_add(&control->count, 1) + 1;
  if (control->all ? count < control->at : count != control->at) return false;
  atomic_fetch_add(&control->hits, 1);
  return true;
}
bool fails(enum kind kind, const void *caller) {
  return control->kind == (int32_t)kind && ours(caller) && chosen();
}

bool refused(const void *caller) {
  if (!fails(CALL, caller)) return false;
  errno = control->code;
  return true;
}
