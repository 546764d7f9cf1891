// Shared by the parts of the faults: faults.c decides which call fails, fault-calls.c has the calls
// that can fail, and fault-answers.c changes the answers of the kernel.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum kind { ALLOCATION = 1, THREAD, CALL, SHORT, GARBLE, SILENCE, CLOCK };

// The test writes it in faults.mjs beside this file.
struct control {
  _Atomic int32_t kind;
  int32_t at;             // the number of the call that fails, counted from 1
  int32_t all;            // 1: every later call fails too
  _Atomic int32_t count;  // calls of this kind since it was set
  _Atomic int32_t hits;   // how many of them failed
  int32_t code;           // CALL: the errno
  int32_t variant;        // GARBLE: how
  _Atomic int32_t live;   // blocks of memory that our code holds
  int32_t clock;          // CLOCK: seconds that CLOCK_REALTIME jumps, forth and back in turn
  int32_t track;          // 1: `live` is counted
};

#pragma GCC visibility push(hidden)
extern struct control *control;
// Whether the call at `caller` is one of native code of the package.
bool ours(const void *caller);
// Whether this call must fail: it is ours, it is of the chosen kind, and its turn has come.
bool fails(enum kind kind, const void *caller);
// As fails(CALL), with errno set.
bool refused(const void *caller);
#pragma GCC visibility pop

#define CALLER __builtin_return_address(0)
