// A Filter as a classic BPF program for an event socket. The kernel drops what the program rejects,
// before it takes room in the receive buffer. The program never rejects an event that the filter
// would pass. Filter::matches tests again what the program passes. The code here knows nothing of
// sockets except the option that attaches the program.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "core/conntrack/filter/filter.h"

namespace nf::ct {

struct EventProgram {
  std::vector<sock_filter> code;  // empty: the kernel can test nothing of the filter
  bool exact = true;              // false: a part of the filter is left to Filter::matches
};

// Never fails: a filter that gives no program has an empty one, with `exact` false.
EventProgram compile_event_filter(const Filter& filter);

// 0, or the errno of the refusal (ENOMEM: net.core.optmem_max).
int attach_event_filter(int socket, const EventProgram& program);

}  // namespace nf::ct
