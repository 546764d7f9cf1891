// Preloaded into iptables by tests. It pretends that the kernel knows an extension only up to some
// revision, so that iptables writes and prints that revision. OLD_REVISIONS holds
// "name=revision,…".
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// struct xt_get_revision, and the numbers of IPT_SO_GET_REVISION_* and IP6T_SO_GET_REVISION_*.
struct revision {
  char name[29];
  unsigned char revision;
};

int getsockopt(int fd, int level, int option, void *value, socklen_t *length) {
  static int (*next)(int, int, int, void *, socklen_t *);
  if (!next) next = dlsym(RTLD_NEXT, "getsockopt");
  const char *limits = getenv("OLD_REVISIONS");
  if (limits && option >= 66 && option <= 69 && *length == sizeof(struct revision)) {
    const struct revision *asked = value;
    size_t size = strlen(asked->name);
    for (const char *at = limits; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : 0) {
      if (strncmp(at, asked->name, size) != 0 || at[size] != '=') continue;
      if (asked->revision <= atoi(at + size + 1)) break;
      errno = EPROTONOSUPPORT;
      return -1;
    }
  }
  return next(fd, level, option, value, length);
}
