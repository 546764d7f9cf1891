// Creates flows of a seed in batches, and changes those that are there: timeout, status, mark and
// state. It counts both. upsert_batch --count N [--from I] [--seed S] [--profile P] [--zone Z]
// [--batch 1…512]
#include "baseline.h"

struct there {
  uint32_t count;
  uint32_t sequences[512];
};

static void on_error(uint32_t sequence, int code, void* context) {
  struct there* there = context;
  if (code != EEXIST) ctnl_fail_on_error(sequence, code, context);
  there->sequences[there->count++] = sequence;
}

int main(int argc, char** argv) {
  struct baseline b;
  baseline_parse(&b, argc, argv);
  if (b.dump_first || b.echo) ctnl_die("--dump-first, --echo: not here");
  baseline_make(&b);
  static struct ctnl_buffer batch;
  const int fd = baseline_socket();
  struct there there = {0};
  uint32_t updated = 0;
  const uint64_t cpu = cpu_ns();
  const uint64_t began = ctnl_now();
  for (uint32_t i = 0; i < b.count; i++) {
    flow_put_create(&batch, &b.made[i], &b.flows, i + 1);
    if ((i + 1) % b.batch != 0 && i + 1 != b.count) continue;
    ctnl_exchange(fd, &batch, i + 1, NULL, on_error, &there);
    for (uint32_t k = 0; k < there.count; k++) {
      const struct flow* flow = &b.made[there.sequences[k] - 1];
      flow_put_by_tuple(&batch, flow, IPCTNL_MSG_CT_NEW, there.sequences[k]);
      ctnl_be32(&batch, CTA_TIMEOUT, flow->timeout);
      ctnl_be32(&batch, CTA_STATUS, flow->status);
      ctnl_be32(&batch, CTA_MARK, flow->mark);
      flow_put_protoinfo(&batch, flow);
      ctnl_end(&batch);
    }
    if (there.count > 0) {
      ctnl_exchange(fd, &batch, there.sequences[there.count - 1], NULL, ctnl_fail_on_error, NULL);
    }
    updated += there.count;
    there.count = 0;
  }
  const uint64_t ended = ctnl_now();
  printf(
      "{\"program\":\"upsert_batch\",\"batch\":%u,\"count\":%u,\"updated\":%u,\"ns\":%llu,"
      "\"cpu_ns\":%llu}\n",
      b.batch, b.count, updated, (unsigned long long)(ended - began),
      (unsigned long long)(cpu_ns() - cpu));
  return 0;
}
