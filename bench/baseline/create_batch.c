// Creates flows of a seed in batches.
// create_batch --count N [--from I] [--seed S] [--profile P] [--zone Z] [--batch 1…512]
#include "baseline.h"

int main(int argc, char** argv) {
  struct baseline b;
  baseline_parse(&b, argc, argv);
  if (b.dump_first || b.echo) ctnl_die("--dump-first, --echo: not here");
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
  const uint64_t ended = ctnl_now();
  printf("{\"program\":\"create_batch\",\"batch\":%u,\"count\":%u,\"ns\":%llu,\"cpu_ns\":%llu}\n",
         b.batch, b.count, (unsigned long long)(ended - began),
         (unsigned long long)(cpu_ns() - cpu));
  return 0;
}
