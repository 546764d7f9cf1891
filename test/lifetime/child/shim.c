// Preloaded into a child: makes rare moments happen exactly when a test wants them, by files.
//   SHIM_GATE=path     the third recvmsg() of an addon thread makes path.reached and waits until
//                      path.open is there; path.count holds how many there were in all.
//   SHIM_THREADS=path  while the file is there, pthread_create() fails with EAGAIN.
//   SHIM_EVENTFD=path  while the file is there, eventfd() fails with EMFILE.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int exists(const char *variable, const char *suffix) {
  const char *base = getenv(variable);
  char path[512];
  if (base == NULL) return 0;
  snprintf(path, sizeof path, "%s%s", base, suffix);
  return access(path, F_OK) == 0;
}

static void write_number(const char *suffix, int number) {
  char path[512];
  char text[16];
  snprintf(path, sizeof path, "%s%s", getenv("SHIM_GATE"), suffix);
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const int length = snprintf(text, sizeof text, "%d", number);
  if (write(fd, text, (size_t)length) != length) abort();
  close(fd);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  static atomic_int calls;
  ssize_t (*real)(int, struct msghdr *, int) = dlsym(RTLD_NEXT, "recvmsg");
  char name[16] = "";
  prctl(PR_GET_NAME, name);
  if (getenv("SHIM_GATE") != NULL && strncmp(name, "conntrack-", 10) == 0) {
    const int call = atomic_fetch_add(&calls, 1) + 1;
    write_number(".count", call);
    if (call == 3) {
      const struct timespec moment = {0, 1000000};
      write_number(".reached", call);
      while (!exists("SHIM_GATE", ".open")) nanosleep(&moment, NULL);
    }
  }
  return real(fd, message, flags);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument) {
  int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
      dlsym(RTLD_NEXT, "pthread_create");
  return exists("SHIM_THREADS", "") ? EAGAIN : real(thread, attributes, start, argument);
}

int eventfd(unsigned int value, int flags) {
  int (*real)(unsigned int, int) = dlsym(RTLD_NEXT, "eventfd");
  if (!exists("SHIM_EVENTFD", "")) return real(value, flags);
  errno = EMFILE;
  return -1;
}
