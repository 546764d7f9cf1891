// Looks flows up by tuple, one at a time or many in pipelined batches.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/conntrack/columns.h"
#include "core/conntrack/request/tuple_request.h"
#include "core/conntrack/row.h"
#include "core/netlink/exchange.h"

namespace nf::ct {

// Per tuple: the row of the result, or kAbsent.
inline constexpr std::int32_t kAbsent = -1;

struct LookupResult {
  Columns columns;
  std::vector<std::int32_t> rows;
  std::uint64_t undecodable = 0;
};

// Gets the flow with tuple `index`. Null: there is a flow, but its message makes no sense. Not
// called if no flow has the tuple.
using OnRow = std::function<void(std::size_t index, const Row* row)>;

// One batch, of at most as many tuples as the exchange's window for two answers. ENOENT is an
// answer. The first other refusal fails the batch, after all answers were read.
Result<void> read_flows(Exchange& exchange, TupleVerb verb, std::span<const PackedTuple> tuples,
                        const OnRow& on_row);

// ENOENT is an answer (kAbsent), and so is a flow with another id or start than the tuple has. Any
// other refusal fails the whole lookup. `verb`: kGet, or kGetAndZero, which reads the counters and
// sets them to zero in one step.
Result<LookupResult> look_up(Socket& socket, const Cancel* cancel,
                             std::span<const PackedTuple> tuples, TupleVerb verb = TupleVerb::kGet);

// Looks up one tuple on the calling thread. Allocates nothing but the request: `row` has views into
// `buffer`. False: no such flow.
Result<bool> look_up_one(Socket& socket, const PackedTuple& tuple, MessageBuilder& request,
                         std::span<std::uint8_t> buffer, Row& row);

}  // namespace nf::ct
