// Makes events at full speed: creates flows of a seed in batches, and deletes them again if told
// so. event_maker --count N [--from I] [--seed S] [--profile P] [--zone Z] [--batch 1…512]
// [--delete] Without --delete there are N NEW events, with it N DESTROY events more.
#include "baseline.h"

int main(int argc, char** argv) {
  struct baseline b;
  baseline_init(&b);
  bool remove_again = false;
  for (int i = 1; i < argc;) {
    int taken = baseline_option(&b, argv, i);
    if (strcmp(argv[i], "--delete") == 0) {
      remove_again = true;
      taken = 1;
    }
    if (taken == 0 || b.dump_first || b.echo) ctnl_die("unknown option %s", argv[i]);
    i += taken;
  }
  baseline_make(&b);
  static struct ctnl_buffer batch;
  const int fd = baseline_socket();
  const uint64_t cpu = cpu_ns();
  const uint64_t began = ctnl_now();
  for (uint32_t i = 0; i < b.count; i++) {
    flow_put_create(&batch, &b.made[i], &b.flows, i + 1);
    if ((i + 1) % b.batch == 0 || i + 1 == b.count) {
      ctnl_exchange(fd, &batch, i + 1, NULL, ctnl_fail_on_error, NULL);
    }
  }
  const uint64_t created = ctnl_now();
  uint32_t deleted = 0;
  if (remove_again) deleted = baseline_each(fd, &b, NULL, IPCTNL_MSG_CT_DELETE, NULL);
  const uint64_t ended = ctnl_now();
  printf(
      "{\"program\":\"event_maker\",\"created\":%u,\"deleted\":%u,\"create_ns\":%llu,"
      "\"delete_ns\":%llu,\"cpu_ns\":%llu}\n",
      b.count, deleted, (unsigned long long)(created - began),
      (unsigned long long)(ended - created), (unsigned long long)(cpu_ns() - cpu));
  return 0;
}
