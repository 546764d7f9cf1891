// Reads conntrack events and measures what that costs.
// event_reader --mode nfct [--count N] [--buffer BYTES]
//   Uses nfct_open, nfct_catch and a callback that counts. Reports how many events came, and how
//   many the kernel dropped on this socket. Prints `ready` when it listens. Ends when --count
//   events came or were dropped, or when standard input is closed and no more events come.
// event_reader --mode latency [--count N]
//   Creates one flow after the other, with a millisecond of rest before each. Measures from before
//   it sends the request until a thread that waits for the event has received it.
#include <pthread.h>

#include "baseline.h"

#include <fcntl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/time.h>

enum { ALL_GROUPS = 7 };

struct reader {
  int fd;
  uint64_t expected, received, types[3], overruns;
  bool told;  // standard input is closed
};

// A receive that has waited this long checks whether the end has come.
static void set_timeout(int fd) {
  const struct timeval wait = {.tv_usec = 50000};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) != 0) {
    ctnl_die("SO_RCVTIMEO: %s", strerror(errno));
  }
}

static bool at_end(struct reader* r) {
  if (r->expected > 0 && r->received + ctnl_drops(r->fd) >= r->expected) return true;
  if (r->told) return true;  // and the socket has been empty for a whole timeout
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  char ignored[256];
  if (poll(&input, 1, 0) > 0 && read(STDIN_FILENO, ignored, sizeof ignored) <= 0) r->told = true;
  return false;
}

static int on_event(enum nf_conntrack_msg_type type, struct nf_conntrack* ct, void* data) {
  struct reader* r = data;
  (void)ct;
  r->types[type == NFCT_T_NEW ? 0 : type == NFCT_T_UPDATE ? 1 : 2]++;
  r->received++;
  return r->received == r->expected ? NFCT_CB_STOP : NFCT_CB_CONTINUE;
}

static void read_events(struct reader* r, struct nfct_handle* handle) {
  if (nfct_callback_register(handle, NFCT_T_ALL, on_event, r) != 0) {
    ctnl_die("nfct_callback_register: %s", strerror(errno));
  }
  while (r->expected == 0 || r->received < r->expected) {
    if (nfct_catch(handle) >= 0) continue;
    if (errno == ENOBUFS) {
      r->overruns++;
    } else if (errno == EAGAIN) {
      if (at_end(r)) return;
    } else {
      ctnl_die("nfct_catch: %s", strerror(errno));
    }
  }
}

static void follow(uint64_t expected, int bytes) {
  struct nfct_handle* handle = nfct_open(NFNL_SUBSYS_CTNETLINK, ALL_GROUPS);
  if (handle == NULL) ctnl_die("nfct_open: %s", strerror(errno));
  struct reader r = {.fd = nfct_fd(handle), .expected = expected};
  int effective = 0;
  socklen_t size = sizeof effective;
  if (bytes > 0) ctnl_receive_buffer(r.fd, bytes);
  if (getsockopt(r.fd, SOL_SOCKET, SO_RCVBUF, &effective, &size) != 0) ctnl_die("SO_RCVBUF");
  set_timeout(r.fd);
  puts("ready");
  fflush(stdout);
  const uint64_t cpu = cpu_ns();
  read_events(&r, handle);
  printf(
      "{\"program\":\"event_reader\",\"mode\":\"nfct\",\"received\":%llu,\"new\":%llu,"
      "\"update\":%llu,\"destroy\":%llu,\"drops\":%u,\"overruns\":%llu,\"buffer\":%d,"
      "\"cpu_ns\":%llu}\n",
      (unsigned long long)r.received, (unsigned long long)r.types[0],
      (unsigned long long)r.types[1], (unsigned long long)r.types[2], ctnl_drops(r.fd),
      (unsigned long long)r.overruns, effective, (unsigned long long)(cpu_ns() - cpu));
}

// ---- latency -----------------------------------------------------------------------------------

struct listener {
  int fd;
  uint64_t received_ns;
  sem_t heard;
};

static void* listen_for(void* argument) {
  struct listener* l = argument;
  static _Alignas(8) uint8_t buffer[32768];
  for (;;) {
    ctnl_receive(l->fd, buffer, sizeof buffer);
    l->received_ns = ctnl_now();
    sem_post(&l->heard);
  }
  return NULL;
}

static int compare(const void* a, const void* b) {
  const uint64_t x = *(const uint64_t*)a;
  const uint64_t y = *(const uint64_t*)b;
  return x < y ? -1 : x > y ? 1 : 0;
}

static void latency(uint32_t count, const struct baseline* b) {
  struct listener l = {.fd = ctnl_open(1)};  // NEW only
  pthread_t thread;
  if (sem_init(&l.heard, 0, 0) != 0) ctnl_die("sem_init: %s", strerror(errno));
  if (pthread_create(&thread, NULL, listen_for, &l) != 0) ctnl_die("no thread");
  uint64_t* times = calloc(count, sizeof *times);
  if (times == NULL) ctnl_die("no memory");
  static struct ctnl_buffer batch;
  const int fd = baseline_socket();
  for (uint32_t i = 0; i < count; i++) {
    const struct timespec rest = {.tv_nsec = 1000000};
    nanosleep(&rest, NULL);
    flow_put_create(&batch, &b->made[i], &b->flows, i + 1);
    const uint64_t sent = ctnl_now();
    ctnl_exchange(fd, &batch, i + 1, NULL, ctnl_fail_on_error, NULL);
    while (sem_wait(&l.heard) != 0) {
      if (errno != EINTR) ctnl_die("sem_wait: %s", strerror(errno));
    }
    times[i] = l.received_ns - sent;
  }
  qsort(times, count, sizeof *times, compare);
  printf(
      "{\"program\":\"event_reader\",\"mode\":\"latency\",\"count\":%u,\"p50_ns\":%llu,"
      "\"p99_ns\":%llu,\"max_ns\":%llu}\n",
      count, (unsigned long long)times[count / 2], (unsigned long long)times[count * 99ull / 100],
      (unsigned long long)times[count - 1]);
}

int main(int argc, char** argv) {
  struct baseline b;
  baseline_init(&b);
  const char* mode = "";
  uint64_t bytes = 0;
  for (int i = 1; i < argc;) {
    int taken = baseline_option(&b, argv, i);
    if (strcmp(argv[i], "--mode") == 0) {
      mode = argv[i + 1] == NULL ? "" : argv[i + 1];
      taken = 2;
    } else if (strcmp(argv[i], "--buffer") == 0) {
      bytes = ctnl_number(argv[i], argv[i + 1], 1 << 30);
      taken = 2;
    }
    if (taken == 0 || b.dump_first || b.echo) ctnl_die("unknown option %s", argv[i]);
    i += taken;
  }
  if (strcmp(mode, "latency") == 0) {
    if (b.count == 0) b.count = 1000;
    baseline_make(&b);
    latency(b.count, &b);
  } else if (strcmp(mode, "nfct") == 0) {
    follow(b.count, (int)bytes);
  } else {
    ctnl_die("--mode: nfct or latency");
  }
  return 0;
}
