// Reads a table of iptables from nf_tables into one buffer (xtables/image.h): its chains, and its
// rules as portable entries. What iptables did not make is kept apart: chains with another hook,
// and rules with other expressions.
//
// After the sets the buffer has, in host byte order:
//   NftHeader
//   NftRule × rule_count
//   uint64 handle × chain_count, in the order of the chain records; 0: nf_tables has no such chain
//   NftForeignChain × foreign_count
//   the bytes and texts that these refer to
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/cancel.h"
#include "core/memory.h"
#include "core/nftables/builtin.h"
#include "core/nftables/objects.h"
#include "core/result.h"
#include "core/xtables/image.h"
#include "core/xtables/layout.h"

namespace nf::nft {

using xt::Slice;

struct NftHeader {
  std::uint32_t generation;  // of all rules in this namespace, when the table was read
  std::uint32_t foreign_count;
  std::uint32_t rules;           // offset of the NftRule records
  std::uint32_t foreign_chains;  // offset of the NftForeignChain records
  std::uint32_t handles;         // offset of the handles of the chains
  std::uint32_t events;          // of a commit (commit_events.h): offset of its NftEvent records
  std::uint32_t event_count;
  std::uint32_t reserved;
  std::uint64_t table;  // its handle: no other table of this namespace ever has it
};
static_assert(sizeof(NftHeader) == 40);

struct NftRule {
  std::uint64_t handle;
  // A hash of the expressions without what they have counted; zero if the entry says it all.
  std::uint64_t content[2];
  Slice expressions;      // NFTA_RULE_EXPRESSIONS as the kernel sent it
  Slice user_data;        // NFTA_RULE_USERDATA
  Slice note;             // text: what the entry does not say
  std::uint32_t reading;  // Reading
  // 1: the chains of the table were not known. The target is an extension, unless there is a chain
  // of that name: then the rule is foreign.
  std::uint32_t unsure;
};
static_assert(sizeof(NftRule) == 56);

// A chain of the table that iptables did not make.
struct NftForeignChain {
  Slice name;
  Slice type;
  std::uint32_t hook;  // hook number + 1 of a base chain, 0 of any other
  std::int32_t priority;
  std::uint32_t rules;
  std::uint32_t reserved;
  std::uint64_t handle;
};
static_assert(sizeof(NftForeignChain) == 40);

struct NftImage {
  Memory memory;
  std::size_t size = 0;
};

// Whether a chain is as iptables makes it.
bool is_iptables_chain(const BuiltinTable& builtin, const Chain& chain);

// The rules to read of a table: those of these chains, or of all chains if the table has few.
struct RulesWanted {
  std::unordered_set<std::string> chains;
  std::uint32_t few = 0;  // rules and jumps together
};

// Reads in the network namespace of the calling thread, again as long as another commit comes in
// between. Reads all rules if none are named. `cancel` may be null. ENOENT if iptables has no table
// of this name. A table that nf_tables does not have is read as a new one would be. EAGAIN if the
// rules changed all the time.
Result<NftImage> read_table(const xt::Layout& layout, const std::string& table,
                            const Cancel* cancel,
                            const std::optional<RulesWanted>& wanted = std::nullopt);

// The names of iptables' tables that nf_tables has in this family. Makes none.
Result<std::vector<std::string>> existing_tables(const xt::Layout& layout, const Cancel* cancel);

}  // namespace nf::nft
