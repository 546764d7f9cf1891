// Requests that write flows, out of packed fields (schema.h, NF_FIELDS). What is written of a flow
// is built by libnetfilter_conntrack, what names it by flow_tuples.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/conntrack/row.h"
#include "core/library.h"
#include "core/netlink/message.h"
#include "core/result.h"

namespace nf::ct {

enum class WriteVerb : std::uint8_t { kCreate, kUpdate };

// kLibrary when libnetfilter_conntrack is missing; the check that every writing operation makes
// first.
Result<void> require_nfct(const char* operation);

// What was found of it, for support().
const LibraryState& nfct_state();

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
