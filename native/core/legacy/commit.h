// Writes a table: one commit through libiptc turns the snapshot into the plan. First it verifies,
// rule by rule, that libiptc reads the table that the plan was made on.
//
// libiptc 1.8.9 has errors. The code that meets one handles it:
//  - every commit loses the policy counters: they are set explicitly
//  - renaming a chain can end in a null pointer: a renamed chain is a new one with the old rules
//  - chain names of 29 to 31 bytes are cut: refused (plan.cc)
//  - EINVAL from its second, separate step looks like a refusal: the table is read again
//  - a parse that lost rules goes unnoticed: its view is compared with ours, rule by rule
#pragma once

#include <cstdint>
#include <string>

#include "core/legacy/plan.h"
#include "core/result.h"

namespace nf::xt {

struct CommitOutcome {
  enum CommitKind : std::uint32_t {
    kCommitted = 0,
    kUnchanged = 1,     // the table already is as planned; nothing was sent
    kChanged = 2,       // another writer changed the table since the snapshot; nothing was sent
    kCountersLost = 3,  // committed, but the step that restores the counters failed
  };
  CommitKind kind = kCommitted;
  // What was done, for the caller's statistics and tests.
  std::uint32_t operations = 0;
  std::uint32_t rebuilt = 0;  // chains written again as a whole, because single edits cost more
};

// The snapshot that the plan was made on, as bytes. It may be empty: the table is read again then.
struct SeenTable {
  Memory memory;
  std::size_t size = 0;
};

// Works in the network namespace of the calling thread, which should hold the xtables lock.
// Registers the table if it is not there.
Result<CommitOutcome> commit_plan(const Plan& plan, SeenTable seen);

}  // namespace nf::xt
