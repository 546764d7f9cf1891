// Preloaded into a child: files tell it to make rare moments happen exactly when a test wants them.
// The calls that use it are in fault-calls.c and fault-answers.c.
//   SHIM_GATE=path     the third recvmsg() of an addon thread makes path.reached and waits until
//                      path.open is there; path.count holds how many there were in all.
//   SHIM_THREADS=path  while the file is there, pthread_create() fails with EAGAIN.
//   SHIM_EVENTFD=path  while the file is there, eventfd() fails with EMFILE.
#define _GNU_SOURCE
#include "shim.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static bool exists(const char *variable, const char *suffix) {
  const char *base = getenv(variable);
  char path[512];
  if (base == NULL) return false;
  snprintf(path, sizeof path, "%s%s", base, suffix);
  return access(path, F_OK) == 0;
}

bool shim_asked(const char *variable) { return exists(variable, ""); }

static void write_number(const char *suffix, int number) {
  char path[512];
  char text[16];
  snprintf(path, sizeof path, "%s%s", getenv("SHIM_GATE"), suffix);
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const int length = snprintf(text, sizeof text, "%d", number);
  if (write(fd, text, (size_t)length) != length) abort();
  close(fd);
}

void shim_gate(void) {
  static atomic_int calls;
  char name[16] = "";
  if (getenv("SHIM_GATE") == NULL) return;
  prctl(PR_GET_NAME, name);
  if (strncmp(name, "conntrack-", 10) != 0) return;
  const int call = atomic_fetch_add(&calls, 1) + 1;
  write_number(".count", call);
  if (call == 3) {
    const struct timespec moment = {0, 1000000};
    write_number(".reached", call);
    while (!exists("SHIM_GATE", ".open")) nanosleep(&moment, NULL);
  }
}
