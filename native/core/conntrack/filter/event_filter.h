// A Filter as a classic BPF program for an event socket: what it rejects is dropped in the kernel,
// before it takes room in the receive buffer. The program never rejects an event that the filter
// would pass; everything it passes is tested again by Filter::matches. Knows nothing of sockets but
// the one option that attaches it.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "core/conntrack/filter/filter.h"

namespace nf::ct {

struct EventProgram {
  std::vector<sock_filter> code;  // empty: nothing of the filter can be tested in the kernel
  bool exact = true;              // false: a part of the filter is left to Filter::matches
};

// Never fails: a filter that makes no program gives an empty one, `exact` false.
EventProgram compile_event_filter(const Filter& filter);

// 0, or the errno of the refusal (ENOMEM: net.core.optmem_max).
int attach_event_filter(int socket, const EventProgram& program);

}  // namespace nf::ct
