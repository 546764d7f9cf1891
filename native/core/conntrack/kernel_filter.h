// The part of a Filter that the kernel may apply before it sends a row. Only what every kernel
// either does right or ignores goes in; the rows are tested again, so the kernel can only make it
// faster.
#pragma once

#include <cstdint>

#include "core/conntrack/filter.h"
#include "core/netlink/message.h"

namespace nf::ct {

// Bits of what was given to the kernel, for the batch's statistics.
enum KernelFilterUse : std::uint32_t {
  kUseFamily = 1,
  kUseMark = 2,
  kUseStatus = 4,
  kUseZone = 8,
  kUseOrigTuple = 16,
  kUseReplyTuple = 32,
};

// A status predicate that a parallel dump adds to the filter's own.
struct StatusSplit {
  std::uint32_t value = 0;
  std::uint32_t mask = 0;
};

struct KernelVersion {
  int major = 0;
  int minor = 0;
  bool at_least(int wanted_major, int wanted_minor) const {
    return major > wanted_major || (major == wanted_major && minor >= wanted_minor);
  }
};
KernelVersion kernel_version();

struct KernelFilter {
  std::uint8_t family = 0;
  std::uint32_t used = 0;
};

// What can be given to the kernel, decided before the request's header is written.
KernelFilter plan_kernel_filter(const Filter& filter);
// Appends the attributes of the plan to a dump request.
void append_kernel_filter(const Filter& filter, const KernelFilter& plan, const StatusSplit& split,
                          MessageBuilder& message);

}  // namespace nf::ct
