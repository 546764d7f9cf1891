// Creating, updating and deleting flows in pipelined batches, each with its own outcome.
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
  std::vector<std::pair<std::uint32_t, std::string>> texts;  // extended-ack text where there is one

  void refuse(std::size_t index, int code, const std::string& text);
};

// `packed`: per flow a u32 size, then that many bytes of fields; changed where a write takes more
// than one request. What the kernel would drop in silence (kept.h) is refused: such a flow is not
// made, or has been changed in all else.
Result<WriteOutcome> write_flows(Socket& socket, const Cancel* cancel, WriteVerb verb,
                                 std::span<std::uint8_t> packed);

// ENOENT: there is no such flow, or it has another id or start.
Result<WriteOutcome> delete_flows(Socket& socket, const Cancel* cancel,
                                  std::span<const PackedTuple> tuples);

}  // namespace nf::ct
