// Creates and deletes flows without pause, so that a table changes while it is read.
// ctchurn [--live N] [--max-seconds S] [--seed S] [--profile P] [--network B] [--timeout S]
// Keeps at most N flows alive (a ring: each round creates 64 new ones and deletes the 64 oldest).
// Says `ready` when the ring is full, goes on until standard input is closed or the time is up,
// then deletes what is left and prints {"created":…,"deleted":…,"seconds":…}.
#include <poll.h>

#include "flows.h"

static const char* const kOwn[] = {"--live", "--max-seconds"};

static uint64_t deleted;
static uint64_t gone;

// A flow that another program has deleted, or that has timed out, is not an error here.
static void on_delete_error(uint32_t sequence, int code, void* context) {
  (void)context;
  if (code != ENOENT) ctnl_die("delete, message %u: %s", sequence, strerror(code));
  gone++;
}

static void create_group(int fd, const struct flow_options* options, uint32_t from) {
  static struct ctnl_buffer batch;
  for (uint32_t i = 0; i < FLOW_GROUP; i++) {
    struct flow flow;
    flow_make(&flow, options, from + i);
    flow_put_create(&batch, &flow, options, i + 1);
  }
  ctnl_exchange(fd, &batch, FLOW_GROUP, NULL, ctnl_fail_on_error, NULL);
}

static void remove_group(int fd, const struct flow_options* options, uint32_t from) {
  static struct ctnl_buffer batch;
  // A flow holds its master, so the master of a group must go last.
  for (uint32_t i = 0; i < FLOW_GROUP; i++) {
    struct flow flow;
    flow_make(&flow, options, from + FLOW_GROUP - 1 - i);
    flow_put_by_tuple(&batch, &flow, IPCTNL_MSG_CT_DELETE, i + 1);
  }
  const uint64_t before = gone;
  ctnl_exchange(fd, &batch, FLOW_GROUP, NULL, on_delete_error, NULL);
  deleted += FLOW_GROUP - (gone - before);
}

static bool told_to_stop(void) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  if (poll(&input, 1, 0) <= 0) return false;
  char ignored[256];
  return read(STDIN_FILENO, ignored, sizeof ignored) <= 0;
}

int main(int argc, char** argv) {
  struct flow_options options;
  flow_options_init(&options);
  options.network = 11;  // not the network of ctfill
  uint64_t own[] = {4096, 60};
  for (int i = 1; i < argc;) {
    int taken = flow_option(&options, argv, i);
    for (size_t k = 0; k < 2 && taken == 0; k++) {
      if (strcmp(argv[i], kOwn[k]) != 0) continue;
      own[k] = ctnl_number(argv[i], argv[i + 1], k == 0 ? FLOW_INDEX_MAX / 2 : 600);
      taken = 2;
    }
    if (taken == 0) ctnl_die("unknown option %s", argv[i]);
    i += taken;
  }
  const uint32_t live = (uint32_t)(own[0] < FLOW_GROUP ? 1 : own[0] / FLOW_GROUP) * FLOW_GROUP;
  const int fd = ctnl_open(0);
  ctnl_receive_buffer(fd, 1 << 20);
  const uint64_t began = ctnl_now();
  uint64_t made = 0;
  for (; made < live; made += FLOW_GROUP) create_group(fd, &options, (uint32_t)made);
  puts("ready");
  fflush(stdout);
  uint64_t oldest = 0;
  while (!told_to_stop() && ctnl_now() - began < own[1] * 1000000000ull) {
    remove_group(fd, &options, (uint32_t)(oldest % FLOW_INDEX_MAX));
    oldest += FLOW_GROUP;
    create_group(fd, &options, (uint32_t)(made % FLOW_INDEX_MAX));
    made += FLOW_GROUP;
  }
  const double seconds = (double)(ctnl_now() - began) / 1e9;
  for (; oldest < made; oldest += FLOW_GROUP) {
    remove_group(fd, &options, (uint32_t)(oldest % FLOW_INDEX_MAX));
  }
  printf("{\"created\":%llu,\"deleted\":%llu,\"seconds\":%.3f}\n", (unsigned long long)made,
         (unsigned long long)deleted, seconds);
  return 0;
}
