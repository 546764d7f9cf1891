// A rule of nf_tables as a portable entry (xtables/entry.h): the form that the rules of legacy
// tables have. So both backends give the same typed rules.
//
// It reads what iptables-nft and ip6tables-nft write (1.8.7 to 1.8.11), and what says the same in
// the same expressions. Anything else makes the rule foreign. An entry must never say less than its
// rule: somebody would copy it, and the copy would match more. So an expression counts only if all
// of it is understood, in an order in which iptables could have written it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/nftables/objects.h"
#include "core/nftables/rule_entry.h"
#include "core/xtables/layout.h"

namespace nf::nft {

enum class Reading : std::uint8_t {
  kExact = 0,
  kInexact = 1,  // the entry says what iptables can say, the note says what else the rule is
  kForeign = 2,  // the entry says nothing but the counters, the note has the names of expressions
};

struct RuleReading {
  Reading reading = Reading::kExact;
  std::string note;  // empty if exact
};

// Appends the entry of the rule, aligned to 8 bytes.
RuleReading read_rule(const xt::Layout& layout, const Rule& rule, const IsChain& is_chain,
                      std::vector<std::uint8_t>& entries);

}  // namespace nf::nft
