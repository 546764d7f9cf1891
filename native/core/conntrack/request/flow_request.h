// Makes requests that write flows from packed fields (schema/fields.h). flow_tuples.h writes what
// names a flow. plain_state.h writes the rest if that is enough, otherwise library_state.h.
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

// Appends one NEW message. EINVAL if the fields do not make a request: nothing is appended then.
Result<void> append_flow(WriteVerb verb, std::span<const std::uint8_t> fields, std::uint16_t flags,
                         std::uint32_t sequence, MessageBuilder& message);

// The attributes of a change without any tuple, built once for a protocol and written into the
// update of many flows. CTA_STATUS is left out: it depends on the flow.
Result<std::vector<std::uint8_t>> change_attributes(std::span<const std::uint8_t> fields,
                                                    std::uint8_t family, std::uint8_t protocol);

// The value of a 32-bit field, if it is among the packed ones.
bool find_u32(std::span<const std::uint8_t> fields, Field field, std::uint32_t& out);

}  // namespace nf::ct
