// What a request says of a flow besides its tuples and its translation, as libnetfilter_conntrack
// writes it: every field of the schema.
#pragma once

#include <cstdint>
#include <span>

#include "core/library.h"
#include "core/netlink/message.h"
#include "core/result.h"

namespace nf::ct {

// kLibrary when libnetfilter_conntrack is missing; the check that every writing operation makes
// first.
Result<void> require_nfct(const char* operation);

// What was found of it, for support().
const LibraryState& nfct_state();

// Appends the attributes for a flow of that family and protocol; a part of them where it fails.
// `with_status`: CTA_STATUS too.
Result<void> append_library_state(std::uint8_t family, std::uint8_t protocol,
                                  std::span<const std::uint8_t> fields, bool with_status,
                                  MessageBuilder& message);

}  // namespace nf::ct
