// The messages of a transaction that change tables, chains and rules. Each function adds one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "core/nftables/batch.h"
#include "core/xtables/layout.h"

namespace nf::nft {

// Where a base chain is called.
struct BaseChain {
  std::string_view type;  // "filter", "nat", "route"
  std::uint32_t hook = 0;
  std::int32_t priority = 0;
  std::uint32_t policy = 0;                // NF_ACCEPT, NF_DROP
  std::optional<xt::Counters> counters{};  // of the policy
};

// All return the index of their message.

// No error if there is one already.
std::size_t create_table(Batch& batch, std::string_view table);

std::size_t create_base_chain(Batch& batch, std::string_view table, std::string_view chain,
                              const BaseChain& base);
// A chain of this name must not exist.
std::size_t create_chain(Batch& batch, std::string_view table, std::string_view chain);
// Rules that lead to it lead to it under its new name.
std::size_t rename_chain(Batch& batch, std::string_view table, std::uint64_t handle,
                         std::string_view name);
// Of a base chain. What is not given stays.
std::size_t change_policy(Batch& batch, std::string_view table, std::string_view chain,
                          std::optional<std::uint32_t> policy,
                          const std::optional<xt::Counters>& counters);
// Nothing may lead to it, and it may have no rules.
std::size_t delete_chain(Batch& batch, std::string_view table, std::string_view chain);

// Where a rule goes in its chain. The handle is that of a rule in the same chain.
struct RulePlace {
  enum class How : std::uint8_t { kAppend, kPrepend, kBefore, kAfter, kReplace };
  How how = How::kAppend;
  std::uint64_t handle = 0;  // of the last three
};

// What writes the rule into the message. Null, or why there is no such rule (write_rule.h).
using WriteRule = std::function<const char*(MessageBuilder&)>;

// Null, or what `write` returned: the batch is as before then.
const char* add_rule(Batch& batch, std::string_view table, std::string_view chain,
                     const RulePlace& place, const WriteRule& write);
// All rules of a chain.
std::size_t flush_chain(Batch& batch, std::string_view table, std::string_view chain);
std::size_t delete_rule(Batch& batch, std::string_view table, std::string_view chain,
                        std::uint64_t handle);

}  // namespace nf::nft
