// The part of a Filter that the kernel may apply before it sends a row. It only has what every
// kernel either does right or ignores. The rows are tested again, so the kernel can only make the
// dump faster.
#pragma once

#include <cstdint>

#include "core/conntrack/filter/filter.h"
#include "core/netlink/message.h"

namespace nf::ct {

// Bits of what was given to the kernel, for the batch's statistics.
enum KernelFilterUse : std::uint32_t {
  kUseFamily = 1,
  kUseMark = 2,
  kUseStatus = 4,
  kUseZone = 8,
  kUseOrig = 16,
  kUseReply = 32,
};

// The part of the table that one socket of a parallel dump asks for, in addition to the filter.
struct Split {
  std::uint8_t family = 0;  // 0: any
  std::uint32_t status = 0;
  std::uint32_t status_mask = 0;
  std::uint32_t mark = 0;
  std::uint32_t mark_mask = 0;

  bool any() const { return family != 0 || status_mask != 0 || mark_mask != 0; }
  bool matches(const Row& row) const {
    return (family == 0 || row.family == family) && (row.status & status_mask) == status &&
           (row.mark & mark_mask) == mark;
  }
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

// Those of these KernelFilterUse bits that a kernel of this release applies. It ignores the others,
// unless a distribution has brought them to it.
std::uint32_t applied_by_release(std::uint32_t used);

// What can be given to the kernel, decided before the request's header is written.
KernelFilter plan_kernel_filter(const Filter& filter);
// Appends the attributes of the plan to a dump request.
void append_kernel_filter(const Filter& filter, const KernelFilter& plan, const Split& split,
                          MessageBuilder& message);

}  // namespace nf::ct
