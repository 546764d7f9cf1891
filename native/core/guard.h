// Where memory that runs out becomes an Error. The containers and strings of std throw when they
// get none; inside the core that unwinds as any return does, and nothing else throws there. A
// caller that enters the core from where an exception would end the process (a thread's first
// function, a callback from C) goes in through here.
#pragma once

#include <errno.h>

#include <new>
#include <utility>

#include "core/result.h"

namespace nf {

// What is told where there is no memory, not even for that: `operation` is a literal.
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
