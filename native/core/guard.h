// Turns lack of memory into an Error. The containers and strings of std throw if they get no
// memory, and nothing else in the core throws. Inside the core the exception unwinds as any return
// does. Callers that an exception must not leave come in through here: a thread's first function, a
// callback from C.
#pragma once

#include <errno.h>

#include <new>
#include <utility>

#include "core/result.h"

namespace nf {

// The error if there is no memory, not even for the error itself: `operation` is a literal.
inline Error out_of_memory(const char* operation, ErrorKind kind = ErrorKind::kNetlink) noexcept {
  Error error;
  error.code = ENOMEM;
  error.kind = kind;
  error.literal = operation;
  return error;
}

// The Result of `work()`, or ENOMEM. `operation` is a literal.
template <typename Work>
auto guarded(const char* operation, ErrorKind kind, Work&& work) noexcept -> decltype(work()) {
  try {
    return std::forward<Work>(work)();
  } catch (...) {
    // std::bad_alloc, or std::length_error of a size that no memory could hold.
    return out_of_memory(operation, kind);
  }
}
template <typename Work>
auto guarded(const char* operation, Work&& work) noexcept -> decltype(work()) {
  return guarded(operation, ErrorKind::kNetlink, std::forward<Work>(work));
}

}  // namespace nf
