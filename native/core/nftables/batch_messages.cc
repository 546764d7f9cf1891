// The attributes of the messages.
#include "core/nftables/batch_messages.h"

#include <linux/netfilter/nf_tables.h>

namespace nf::nft {
namespace {

void put_counters(MessageBuilder& message, const xt::Counters& counters) {
  const std::size_t nest = message.open_nest(NFTA_CHAIN_COUNTERS);
  message.be64(NFTA_COUNTER_BYTES, counters.bytes);
  message.be64(NFTA_COUNTER_PACKETS, counters.packets);
  message.close_nest(nest);
}

MessageBuilder& begin_chain(Batch& batch, std::uint16_t verb, std::uint16_t flags,
                            std::string_view table, std::string_view chain) {
  MessageBuilder& message = batch.begin(verb, flags);
  message.string(NFTA_CHAIN_TABLE, table);
  message.string(NFTA_CHAIN_NAME, chain);
  return message;
}

MessageBuilder& begin_rule(Batch& batch, std::uint16_t verb, std::uint16_t flags,
                           std::string_view table, std::string_view chain) {
  MessageBuilder& message = batch.begin(verb, flags);
  message.string(NFTA_RULE_TABLE, table);
  message.string(NFTA_RULE_CHAIN, chain);
  return message;
}

// With a position, NLM_F_APPEND means after it. Without one it means the end of the chain.
std::uint16_t flags_of(RulePlace::How how) {
  switch (how) {
    case RulePlace::How::kAppend:
    case RulePlace::How::kAfter:
      return NLM_F_CREATE | NLM_F_APPEND;
    case RulePlace::How::kReplace:
      return NLM_F_REPLACE;
    default:
      return NLM_F_CREATE;
  }
}

}  // namespace

std::size_t create_table(Batch& batch, std::string_view table) {
  batch.begin(NFT_MSG_NEWTABLE, NLM_F_CREATE).string(NFTA_TABLE_NAME, table);
  return batch.end();
}

std::size_t create_base_chain(Batch& batch, std::string_view table, std::string_view chain,
                              const BaseChain& base) {
  MessageBuilder& message = begin_chain(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE, table, chain);
  const std::size_t hook = message.open_nest(NFTA_CHAIN_HOOK);
  message.be32(NFTA_HOOK_HOOKNUM, base.hook);
  message.be32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(base.priority));
  message.close_nest(hook);
  message.be32(NFTA_CHAIN_POLICY, base.policy);
  message.string(NFTA_CHAIN_TYPE, base.type);
  if (base.counters) put_counters(message, *base.counters);
  return batch.end();
}

std::size_t create_chain(Batch& batch, std::string_view table, std::string_view chain) {
  begin_chain(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, table, chain);
  return batch.end();
}

std::size_t rename_chain(Batch& batch, std::string_view table, std::uint64_t handle,
                         std::string_view name) {
  MessageBuilder& message = begin_chain(batch, NFT_MSG_NEWCHAIN, 0, table, name);
  message.be64(NFTA_CHAIN_HANDLE, handle);
  return batch.end();
}

std::size_t change_policy(Batch& batch, std::string_view table, std::string_view chain,
                          std::optional<std::uint32_t> policy,
                          const std::optional<xt::Counters>& counters) {
  MessageBuilder& message = begin_chain(batch, NFT_MSG_NEWCHAIN, 0, table, chain);
  if (policy) message.be32(NFTA_CHAIN_POLICY, *policy);
  if (counters) put_counters(message, *counters);
  return batch.end();
}

std::size_t delete_chain(Batch& batch, std::string_view table, std::string_view chain) {
  begin_chain(batch, NFT_MSG_DELCHAIN, 0, table, chain);
  return batch.end();
}

const char* add_rule(Batch& batch, std::string_view table, std::string_view chain,
                     const RulePlace& place, const WriteRule& write) {
  using How = RulePlace::How;
  MessageBuilder& message = begin_rule(batch, NFT_MSG_NEWRULE, flags_of(place.how), table, chain);
  if (place.how == How::kReplace) {
    message.be64(NFTA_RULE_HANDLE, place.handle);
  } else if (place.how == How::kBefore || place.how == How::kAfter) {
    message.be64(NFTA_RULE_POSITION, place.handle);
  }
  if (const char* why = write(message); why != nullptr) {
    batch.drop();
    return why;
  }
  batch.end();
  return nullptr;
}

std::size_t flush_chain(Batch& batch, std::string_view table, std::string_view chain) {
  begin_rule(batch, NFT_MSG_DELRULE, 0, table, chain);
  return batch.end();
}

std::size_t delete_rule(Batch& batch, std::string_view table, std::string_view chain,
                        std::uint64_t handle) {
  MessageBuilder& message = begin_rule(batch, NFT_MSG_DELRULE, 0, table, chain);
  message.be64(NFTA_RULE_HANDLE, handle);
  return batch.end();
}

}  // namespace nf::nft
