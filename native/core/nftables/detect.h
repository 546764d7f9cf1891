// Where the rules of a host live: the legacy tables that are registered, and the nf_tables tables
// and chains that look like iptables-nft's. Only looks; creates nothing, changes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "core/legacy/layout.h"
#include "core/result.h"

namespace nf::xt {

// A base chain of nf_tables in the family ip or ip6.
struct NftChain {
  std::string table;
  std::string name;
  std::string type;  // "filter", "nat", "route"
  std::uint32_t hook = 0;
  std::int32_t priority = 0;
  bool drops = false;       // its policy is drop
  std::uint32_t rules = 0;  // what the kernel counts as its use: rules
};

struct NftState {
  bool available = false;  // the kernel has nf_tables
  std::vector<std::string> tables;
  std::vector<NftChain> chains;
  std::uint32_t other_rules = 0;  // in chains that are no base chains
};

// In the network namespace of the calling thread. Needs CAP_NET_ADMIN in it.
Result<NftState> read_nft_state(const Layout& layout, const Cancel* cancel);

}  // namespace nf::xt
