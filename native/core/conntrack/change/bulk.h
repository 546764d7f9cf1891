// Changing or deleting every flow that a filter matches. The table is dumped on one socket and each
// chunk's matches are dealt with on a second one before the next chunk is received, so memory does
// not grow with the table. A few flows at a time are read again and, if they still match, changed
// in the next send: a decision is some tens of microseconds old.
//
// Every delete names one flow exactly: tuple, zone and the id that was just read. No request here
// is ever a DELETE without a tuple, except in flush_all and, behind the guard explained there, in
// flush_in_kernel.
#pragma once

#include <cstdint>
#include <span>

#include "core/conntrack/dump/dump.h"
#include "core/netlink/exchange.h"

namespace nf::ct {

struct BulkStats {
  DumpStats dump;
  std::uint64_t done = 0;     // flows deleted or updated
  std::uint64_t gone = 0;     // matched in the dump, but gone or no match any more when read again
  std::uint64_t refused = 0;  // updates that the kernel refused
  Error first_refusal;        // of the refused ones
  bool cancelled = false;     // it did not come to its end; the rest says how far it came
};

struct BulkSockets {
  Socket& dump;
  Socket& command;
};

// `deleted` (may be null) gets every flow that was really deleted. Its state and counters are those
// of the moment of deletion where the kernel reports it (NLM_F_ECHO, which needs the flow's
// event-cache extension), else those read directly before.
Result<BulkStats> delete_where(BulkSockets sockets, const Filter& filter, const Cancel& cancel,
                               Columns* deleted);

// `fields`: the packed change (schema/fields.h), without a tuple. Status bits are added to those
// that the flow has.
Result<BulkStats> update_where(BulkSockets sockets, const Filter& filter, const Cancel& cancel,
                               std::span<const std::uint8_t> fields);

// Empties the table in one message.
Result<void> flush_all(Socket& socket, const Cancel& cancel);

// Lets the kernel flush by the filter, where this kernel and this filter allow it; false (and
// nothing done) where not: the caller then uses delete_where.
Result<bool> flush_in_kernel(Socket& socket, const Filter& filter, const Cancel& cancel);

}  // namespace nf::ct
