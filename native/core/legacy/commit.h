// Writing a table: one commit through libiptc that turns the snapshot into the plan. Verifies first
// that what libiptc reads is what the plan was made on, rule by rule.
//
// What libiptc 1.8.9 gets wrong is handled here, each where it is done:
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
  std::uint32_t rebuilt = 0;  // chains that were written anew because single edits cost more
};

// What the plan was made on, as it was read: the bytes of a snapshot. May be empty, then the table
// is read again.
struct SeenTable {
  Memory memory;
  std::size_t size = 0;
};

// In the network namespace of the calling thread, which should hold the xtables lock. Registers the
// table if it is not there.
Result<CommitOutcome> commit_plan(const Plan& plan, SeenTable seen);

}  // namespace nf::xt
