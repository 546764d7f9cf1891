// The request that creates or updates a flow with what most flows have and nothing else: tuples,
// zone, timeout, mark, status, the state and window scaling of TCP. Written in one pass, for tables
// of flows; everything else is flow_request.h's, which makes the same bytes of these.
#pragma once

#include <cstdint>
#include <span>

#include "core/conntrack/request/flow_request.h"
#include "core/netlink/message.h"

namespace nf::ct {

// Appends one NEW message; false, with nothing appended, when the fields hold something else (or
// make no sense): append_flow is asked then.
bool append_plain_flow(WriteVerb verb, std::span<const std::uint8_t> fields, std::uint32_t sequence,
                       MessageBuilder& message);

}  // namespace nf::ct
