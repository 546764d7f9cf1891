// Sets the mark of flows in batches: of flows of a seed, or of every flow of a dump. The time
// includes the dump.
// update_batch (--count N [--from I] [--seed S] [--profile P] [--zone Z] | --dump-first)
//              [--batch 1…512]
#include "baseline.h"

static void put_mark(struct ctnl_buffer* b, void* context) {
  (void)context;
  ctnl_be32(b, CTA_MARK, 0x2a);
}

int main(int argc, char** argv) {
  return baseline_run(argc, argv, "update_batch", IPCTNL_MSG_CT_NEW, put_mark);
}
