// Requests that write flows, out of packed fields (schema/fields.h). What names a flow is
// written by flow_tuples.h; the rest by plain_state.h where that is enough, else by
// library_state.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/conntrack/request/library_state.h"
#include "core/conntrack/schema/fields.h"
#include "core/netlink/message.h"
#include "core/result.h"

namespace nf::ct {

enum class WriteVerb : std::uint8_t { kCreate, kUpdate };

// Appends one NEW message. EINVAL when the fields do not make a request; nothing is appended then.
Result<void> append_flow(WriteVerb verb, std::span<const std::uint8_t> fields, std::uint16_t flags,
                         std::uint32_t sequence, MessageBuilder& message);

// The attributes of a change without any tuple, built once for a protocol and written into the
// update of many flows. CTA_STATUS is left out: it depends on the flow.
Result<std::vector<std::uint8_t>> change_attributes(std::span<const std::uint8_t> fields,
                                                    std::uint8_t family, std::uint8_t protocol);

// The value of a 32-bit field, if it is among the packed ones.
bool find_u32(std::span<const std::uint8_t> fields, Field field, std::uint32_t& out);

}  // namespace nf::ct
