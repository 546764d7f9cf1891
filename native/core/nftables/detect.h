// The parts of nf_tables that tell which backend a host uses: the tables of a family, and its base
// chains, of which some look like iptables-nft's. Only looks; creates nothing, changes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "core/result.h"

namespace nf::nft {

struct BaseChainLook {
  std::string table;
  std::string name;
  bool iptables = false;    // as iptables-nft makes it
  bool drops = false;       // its policy is drop
  std::uint32_t rules = 0;  // about their number; 0: it has none
};

struct Look {
  bool available = false;  // the kernel has nf_tables
  std::vector<std::string> tables;
  std::vector<BaseChainLook> chains;
};

// In the network namespace of the calling thread. Needs CAP_NET_ADMIN in it. `family` is one of
// NFPROTO_*.
Result<Look> look_at_nft(std::uint8_t family, const Cancel* cancel);

}  // namespace nf::nft
