// Messages of nf_tables' multicast group, for tests and fuzzers.
#pragma once

#include <linux/netfilter/nfnetlink.h>

#include <string_view>

#include "core/netlink/socket.h"
#include "test/nft_messages.h"

namespace nf::test {

// A message with these attributes. Type: NFT_MSG_*.
inline NftBytes group_message(std::uint16_t verb, const NftBytes& attributes,
                              std::uint16_t flags = 0, std::uint8_t family = AF_INET) {
  MessageBuilder out;
  out.begin(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | verb), flags, 1, family);
  out.raw(attributes);
  out.end();
  return bytes_of(out);
}

inline NftBytes generation_message(std::uint32_t generation, std::string_view name = "tool") {
  MessageBuilder out;
  out.be32(NFTA_GEN_ID, generation);
  out.be32(NFTA_GEN_PROC_PID, 4321);
  out.string(NFTA_GEN_PROC_NAME, name);
  return group_message(NFT_MSG_NEWGEN, bytes_of(out), 0, AF_UNSPEC);
}

inline NftBytes table_message(std::uint16_t verb, std::string_view table = "filter") {
  MessageBuilder out;
  out.string(NFTA_TABLE_NAME, table);
  return group_message(verb, bytes_of(out));
}

inline NftBytes chain_message(std::uint16_t verb, std::string_view name, std::uint64_t handle,
                              int hook = -1, std::uint32_t policy = NF_ACCEPT, int priority = 0) {
  MessageBuilder out;
  out.string(NFTA_CHAIN_TABLE, "filter");
  out.string(NFTA_CHAIN_NAME, name);
  put_be64(out, NFTA_CHAIN_HANDLE, handle);
  if (hook >= 0) {
    put_nest(out, NFTA_CHAIN_HOOK, [&](MessageBuilder& nest) {
      nest.be32(NFTA_HOOK_HOOKNUM, static_cast<std::uint32_t>(hook));
      nest.be32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(priority));
    });
    out.be32(NFTA_CHAIN_POLICY, policy);
    out.string(NFTA_CHAIN_TYPE, "filter");
  }
  return group_message(verb, bytes_of(out));
}

inline NftBytes rule_message(std::uint16_t verb, std::uint64_t handle, const RuleMaker& rule,
                             std::uint64_t before = 0, std::uint16_t flags = 0,
                             std::string_view table = "filter") {
  NftBytes attributes = RuleMessage{table, "INPUT", handle, {}}(rule.list());
  if (before != 0) {
    MessageBuilder out;
    put_be64(out, NFTA_RULE_POSITION, before);
    const NftBytes more = bytes_of(out);
    attributes.insert(attributes.end(), more.begin(), more.end());
  }
  return group_message(verb, attributes, flags);
}

// The message in these bytes.
inline MessageView view_of_message(const NftBytes& bytes) {
  MessageView view;
  MessageWalker walker(bytes.data(), bytes.size());
  walker.next(view);
  return view;
}

}  // namespace nf::test
