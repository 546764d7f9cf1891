// Writes a rule of nf_tables again as the kernel sent it, perhaps with other counters. Everything
// else stays byte for byte, also expressions that are not known here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/netlink/message.h"
#include "core/xtables/layout.h"

namespace nf::nft {

// `expressions` and `user_data` are what a reading has of the rule. Without `counters` it keeps its
// own. Appends NFTA_RULE_EXPRESSIONS, NFTA_RULE_COMPAT and NFTA_RULE_USERDATA to the message that
// is open. Null, or why the bytes are no rule: nothing was appended then.
const char* write_raw(std::span<const std::uint8_t> expressions,
                      std::span<const std::uint8_t> user_data,
                      const std::optional<xt::Counters>& counters, MessageBuilder& out);

}  // namespace nf::nft
