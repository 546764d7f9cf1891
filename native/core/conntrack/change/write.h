// Creates, updates and deletes flows in pipelined batches. Each flow has its own outcome.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/conntrack/request/flow_request.h"
#include "core/conntrack/schema/packed_tuple.h"
#include "core/netlink/exchange.h"

namespace nf::ct {

struct WriteOutcome {
  std::vector<std::int32_t> codes;                           // errno per flow, 0: done
  std::vector<std::pair<std::uint32_t, std::string>> texts;  // extended-ack text, if there is one

  void refuse(std::size_t index, int code, const std::string& text);
};

// `packed`: per flow a u32 size, then that many bytes of fields. They are changed if a write takes
// more than one request. What the kernel would drop without an error (kept.h) counts as refused: a
// new flow is not made, an updated flow has all other changes. Flows are written in their order,
// and an update may give some of them twice. EPERM as the outcome of an update is about one flow:
// its timeout is fixed. Without the capability the whole call fails.
Result<WriteOutcome> write_flows(Socket& socket, const Cancel* cancel, WriteVerb verb,
                                 std::span<std::uint8_t> packed);

// ENOENT: there is no such flow, or it has another id or start.
Result<WriteOutcome> delete_flows(Socket& socket, const Cancel* cancel,
                                  std::span<const PackedTuple> tuples);

}  // namespace nf::ct
