// Makes N events NEW at full speed: creates flows of a seed in batches.
// event_maker --count N [--from I] [--seed S] [--profile P] [--zone Z] [--batch 1…512]
//             [--delete] [--rest US]
// --delete: then deletes the flows, for N events DESTROY.
// --rest: creates one flow at a time, each after so many microseconds. The report has the times
// (CLOCK_MONOTONIC) just before each request was sent.
#include "baseline.h"

int main(int argc, char** argv) {
  struct baseline b;
  baseline_init(&b);
  bool remove_again = false;
  uint64_t rest_us = 0;
  for (int i = 1; i < argc;) {
    int taken = baseline_option(&b, argv, i);
    if (strcmp(argv[i], "--delete") == 0) {
      remove_again = true;
      taken = 1;
    } else if (strcmp(argv[i], "--rest") == 0) {
      rest_us = ctnl_number(argv[i], argv[i + 1], 900000);
      taken = 2;
    }
    if (taken == 0 || b.dump_first || b.echo) ctnl_die("unknown option %s", argv[i]);
    i += taken;
  }
  baseline_make(&b);
  if (rest_us > 0) b.batch = 1;
  uint64_t* sent = calloc(b.count, sizeof *sent);
  if (sent == NULL) ctnl_die("no memory");
  static struct ctnl_buffer batch;
  const int fd = baseline_socket();
  const uint64_t cpu = cpu_ns();
  const uint64_t began = ctnl_now();
  for (uint32_t i = 0; i < b.count; i++) {
    flow_put_create(&batch, &b.made[i], &b.flows, i + 1);
    if ((i + 1) % b.batch == 0 || i + 1 == b.count) {
      if (rest_us > 0) {
        const struct timespec rest = {.tv_nsec = (long)rest_us * 1000};
        nanosleep(&rest, NULL);
        sent[i] = ctnl_now();
      }
      ctnl_exchange(fd, &batch, i + 1, NULL, ctnl_fail_on_error, NULL);
    }
  }
  const uint64_t created = ctnl_now();
  uint32_t deleted = 0;
  if (remove_again) deleted = baseline_each(fd, &b, NULL, IPCTNL_MSG_CT_DELETE, NULL);
  const uint64_t ended = ctnl_now();
  printf(
      "{\"program\":\"event_maker\",\"created\":%u,\"deleted\":%u,\"create_ns\":%llu,"
      "\"delete_ns\":%llu,\"cpu_ns\":%llu,\"sent_ns\":[",
      b.count, deleted, (unsigned long long)(created - began),
      (unsigned long long)(ended - created), (unsigned long long)(cpu_ns() - cpu));
  for (uint32_t i = 0; i < b.count && rest_us > 0; i++) {
    printf("%s%llu", i == 0 ? "" : ",", (unsigned long long)sent[i]);
  }
  puts("]}");
  return 0;
}
