// Deletes flows in batches: those of a seed by their tuples, or everything that a dump shows, by
// tuple, zone and id, the dump included in the time.
// delete_batch (--count N [--from I] [--seed S] [--profile P] [--zone Z] | --dump-first)
//              [--batch 1…512] [--echo]
// --echo: every deleted flow comes back in its last state and is kept; entries have an echo where
// nf_conntrack_events is 1, or something listened when they were made.
#include "baseline.h"

int main(int argc, char** argv) {
  return baseline_run(argc, argv, "delete_batch", IPCTNL_MSG_CT_DELETE, NULL);
}
