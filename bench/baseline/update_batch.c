// Sets the mark of flows in batches: of those of a seed, or of everything that a dump shows, the
// dump included in the time. update_batch (--count N [--from I] [--seed S] [--profile P] [--zone Z]
// | --dump-first)
//              [--batch 1…512]
#include "baseline.h"

static void put_mark(struct ctnl_buffer* b, void* context) {
  (void)context;
  ctnl_be32(b, CTA_MARK, 0x2a);
}

int main(int argc, char** argv) {
  return baseline_run(argc, argv, "update_batch", IPCTNL_MSG_CT_NEW, put_mark);
}
