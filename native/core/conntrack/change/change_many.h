// One change of many flows that are named by their tuples, in pipelined batches.
#pragma once

#include <cstdint>
#include <span>

#include "core/conntrack/change/write.h"
#include "core/conntrack/schema/packed_tuple.h"

namespace nf::ct {

// `fields`: the packed change, without a tuple. ENOENT: there is no such flow, or the tuple has an
// id or a start and the flow has another. Such a tuple is read right before its flow is changed:
// the kernel does not compare ids here. Flows are changed in the order of the tuples.
//
// EPERM as an outcome is about one flow: its timeout is fixed. Without the capability the whole
// call fails.
Result<WriteOutcome> change_flows(Socket& socket, const Cancel* cancel,
                                  std::span<const PackedTuple> tuples,
                                  std::span<const std::uint8_t> fields);

// Tells the two apart: reads a flow that was refused with EPERM. The error says that nothing may be
// read either.
Result<void> prove_capability(Exchange& exchange, const PackedTuple& refused,
                              const char* operation);

}  // namespace nf::ct
