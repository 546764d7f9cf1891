// What a request says about a flow besides its tuples and its translation, as
// libnetfilter_conntrack writes it. It can write every field of the schema.
#pragma once

#include <cstdint>
#include <span>

#include "core/library.h"
#include "core/netlink/message.h"
#include "core/result.h"

namespace nf::ct {

// kLibrary if libnetfilter_conntrack is missing. Every writing operation makes this check first.
Result<void> require_nfct(const char* operation);

// What was found of the library, for support().
const LibraryState& nfct_state();

// Appends the attributes for a flow of this family and protocol. If it fails, a part of them may be
// there. `with_status`: CTA_STATUS too.
Result<void> append_library_state(std::uint8_t family, std::uint8_t protocol,
                                  std::span<const std::uint8_t> fields, bool with_status,
                                  MessageBuilder& message);

}  // namespace nf::ct
