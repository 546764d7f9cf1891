// What a process asked this kernel for, as lines of JSON.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "old-kernel.h"

static const char *const names[] = {
    [CTA_TUPLE_ORIG] = "orig",
    [CTA_TUPLE_REPLY] = "reply",
    [CTA_STATUS] = "status",
    [CTA_MARK] = "mark",
    [CTA_ID] = "id",
    [CTA_ZONE] = "zone",
    [CTA_MARK_MASK] = "markMask",
    [25] = "filter",
    [26] = "statusMask",
};

static size_t list(char *text, size_t size, const char *key, attribute_set set) {
  size_t at = (size_t)snprintf(text, size, ",\"%s\":[", key);
  const char *between = "";
  for (size_t type = 0; type < 32; type++) {
    if ((set >> type & 1) == 0) continue;
    const char *name = type < sizeof names / sizeof *names ? names[type] : NULL;
    at += (size_t)snprintf(text + at, size - at, "%s\"%s\"", between, name == NULL ? "?" : name);
    between = ",";
  }
  return at + (size_t)snprintf(text + at, size - at, "]");
}

void report(const char *request, const struct meaning *meaning) {
  const char *path = getenv("OLD_KERNEL_LOG");
  if (path == NULL) return;
  char line[2048];
  size_t at =
      (size_t)snprintf(line, sizeof line, "{\"request\":\"%s\",\"family\":%d,\"refused\":%d",
                       request, meaning->filter.family, meaning->refused);
  at += list(line + at, sizeof line - at, "sent", meaning->sent);
  at += list(line + at, sizeof line - at, "ignored", meaning->ignored);
  at += list(line + at, sizeof line - at, "misread", meaning->misread);
  at += (size_t)snprintf(line + at, sizeof line - at, "}\n");
  const int fd =
      (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || syscall(SYS_write, fd, line, at) != (long)at) abort();
  syscall(SYS_close, fd);
}
