// Changes or deletes every flow that a filter matches. One socket dumps the table. A second socket
// works on the matches of each chunk before the next chunk is received, so memory does not grow
// with the table. A few flows at a time are read again. Those that still match are changed in the
// next send: a decision is some tens of microseconds old by then.
//
// Every delete names one flow exactly: by tuple, zone and the id that was just read. Only two
// functions send a DELETE without a tuple: flush_all, and flush_in_kernel behind the guard that is
// explained there.
#pragma once

#include <cstdint>
#include <span>

#include "core/conntrack/dump/dump.h"
#include "core/netlink/exchange.h"

namespace nf::ct {

struct BulkStats {
  DumpStats dump;
  std::uint64_t done = 0;     // flows deleted or updated
  std::uint64_t gone = 0;     // matched in the dump, but was gone or did not match when read again
  std::uint64_t refused = 0;  // updates that the kernel refused
  Error first_refusal;        // of the refused ones
  bool cancelled = false;     // it ended early; the other members say how far it came
};

struct BulkSockets {
  Socket& dump;
  Socket& command;
};

// `deleted` (may be null) gets every flow that was really deleted. If the kernel reports the
// deletion (NLM_F_ECHO, which needs the flow's event-cache extension), state and counters are those
// of that moment. Otherwise they are those that were read directly before.
Result<BulkStats> delete_where(BulkSockets sockets, const Filter& filter, const Cancel& cancel,
                               Columns* deleted);

// `fields`: the packed change (schema/fields.h), without a tuple. Status bits are added to those
// that the flow has.
Result<BulkStats> update_where(BulkSockets sockets, const Filter& filter, const Cancel& cancel,
                               std::span<const std::uint8_t> fields);

// Empties the table in one message.
Result<void> flush_all(Socket& socket, const Cancel& cancel);

// Lets the kernel flush by the filter, if this kernel and this filter allow it. Otherwise it does
// nothing and returns false: the caller then uses delete_where.
Result<bool> flush_in_kernel(Socket& socket, const Filter& filter, const Cancel& cancel);

}  // namespace nf::ct
