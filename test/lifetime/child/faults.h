// Between the parts of faults: which call fails (faults.c), the calls that can fail
// (fault-calls.c), and the answers of the kernel (fault-answers.c).
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum kind { ALLOCATION = 1, THREAD, CALL, SHORT, GARBLE, SILENCE, CLOCK };

// The test's side is in faults.mjs beside this file.
struct control {
  _Atomic int32_t kind;
  int32_t at;             // the n-th fails, counted from 1
  int32_t all;            // 1: and every one after it
  _Atomic int32_t count;  // calls of this kind since it was set
  _Atomic int32_t hits;   // of these, failed
  int32_t code;           // CALL: the errno
  int32_t variant;        // GARBLE: how
  _Atomic int32_t live;   // blocks of memory that our code holds
  int32_t clock;  // CLOCK: seconds that CLOCK_REALTIME jumps forth and back between two looks
  int32_t track;  // 1: `live` is counted
};

#pragma GCC visibility push(hidden)
extern struct control *control;
// Whether the call at `caller` is one of native code of the package.
bool ours(const void *caller);
// Whether this call fails: it is ours, of the kind that is asked for, and its turn has come.
bool fails(enum kind kind, const void *caller);
// As fails(CALL), with errno set.
bool refused(const void *caller);
#pragma GCC visibility pop

#define CALLER __builtin_return_address(0)
