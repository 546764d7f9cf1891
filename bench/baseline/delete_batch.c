// Deletes flows in batches: flows of a seed by their tuples, or every flow of a dump by tuple, zone
// and id. The time includes the dump.
// delete_batch (--count N [--from I] [--seed S] [--profile P] [--zone Z] | --dump-first)
//              [--batch 1…512] [--echo]
// --echo: the kernel sends every deleted flow back in its last state, and the program keeps it.
// Only flows that were made while nf_conntrack_events was 1, or while something listened, do this.
#include "baseline.h"

int main(int argc, char** argv) {
  return baseline_run(argc, argv, "delete_batch", IPCTNL_MSG_CT_DELETE, NULL);
}
