// A ruleset of nf_tables that a script answers with in place of the kernel, and the table that is
// read from it.
#pragma once

#include <errno.h>

#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/nftables/snapshot.h"
#include "test/nft_messages.h"
#include "test/nft_rules.h"
#include "test/scripted.h"

namespace nf::test {

// Answers dumps of tables, chains and rules, and tells the generation.
class FakeRuleset final : public Script {
 public:
  std::vector<Bytes> tables, chains, rules;
  std::uint32_t generation = 7;
  // Called when the generation was told, and after each list, with the kind of message.
  std::function<void(std::uint16_t)> after;
  std::map<std::uint16_t, int> refusals;     // errno by kind of message
  std::map<std::uint16_t, int> interrupted;  // so many answers of this kind changed meanwhile
  std::vector<std::uint16_t> asked;
  std::string asked_table, asked_chain;  // of the last list of rules
  std::uint8_t family = AF_INET;

  void request(const MessageView& message) override {
    const nlmsghdr& header = *message.header;
    CHECK_EQUAL(header.nlmsg_type >> 8, NFNL_SUBSYS_NFTABLES);
    const std::uint16_t kind = header.nlmsg_type & 0xff;
    asked.push_back(kind);
    const auto refusal = refusals.find(kind);
    if (refusal != refusals.end()) return acknowledge(header, refusal->second);
    if (kind == NFT_MSG_GETGEN) {
      MessageBuilder told;
      told.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN, 0, header.nlmsg_seq, AF_UNSPEC);
      told.be32(NFTA_GEN_ID, generation);
      told.end();
      answers->push_back(test::bytes_of(told));
      acknowledge(header, 0);
    } else {
      nfgenmsg generic{};
      std::memcpy(&generic, message.payload, sizeof generic);
      CHECK_EQUAL(generic.nfgen_family, family);
      if (kind == NFT_MSG_GETRULE) note_chain(message);
      list(header, kind);
    }
    if (after) after(kind);
  }

 private:
  void note_chain(const MessageView& message) {
    asked_table.clear();
    asked_chain.clear();
    AttributeCursor cursor(message.payload + sizeof(nfgenmsg), message.size - sizeof(nfgenmsg));
    for (Attribute a; cursor.next(a);) {
      if (a.type == NFTA_RULE_TABLE) asked_table = a.text();
      if (a.type == NFTA_RULE_CHAIN) asked_chain = a.text();
    }
  }
  bool is_asked_for(const Bytes& attributes) const {
    AttributeCursor cursor(attributes.data(), attributes.size());
    for (Attribute a; cursor.next(a);) {
      if (a.type == NFTA_RULE_CHAIN && a.text() != asked_chain) return false;
    }
    return true;
  }
  void list(const nlmsghdr& header, std::uint16_t kind) {
    std::uint16_t flags = NLM_F_MULTI;
    if (interrupted[kind] > 0) {
      interrupted[kind]--;
      flags |= NLM_F_DUMP_INTR;
    }
    const auto& all = kind == NFT_MSG_GETTABLE ? tables : kind == NFT_MSG_GETCHAIN ? chains : rules;
    for (const Bytes& attributes : all) {
      if (kind == NFT_MSG_GETRULE && !is_asked_for(attributes)) continue;
      MessageBuilder builder;
      builder.begin(NFNL_SUBSYS_NFTABLES << 8, flags, header.nlmsg_seq, family);
      builder.raw(attributes);
      builder.end();
      answers->push_back(test::bytes_of(builder));
    }
    answers->push_back(end_of_dump(header.nlmsg_seq, flags));
  }
};

inline Bytes table_of(const char* name) {
  MessageBuilder out;
  out.string(NFTA_TABLE_NAME, name);
  out.be32(NFTA_TABLE_FLAGS, 0);
  put_be64(out, NFTA_TABLE_HANDLE, 44);
  return test::bytes_of(out);
}

struct ChainOf {
  std::string name;
  int hook = -1;
  int priority = 0;
  std::string type = "filter";
  int policy = NF_ACCEPT;
  std::uint64_t handle = 1;
  std::string table = "filter";
  std::uint32_t use = 1;
};
inline Bytes chain_of(const ChainOf& chain) {
  MessageBuilder out;
  out.string(NFTA_CHAIN_TABLE, chain.table);
  out.string(NFTA_CHAIN_NAME, chain.name);
  put_be64(out, NFTA_CHAIN_HANDLE, chain.handle);
  out.be32(NFTA_CHAIN_USE, chain.use);
  if (chain.hook >= 0) {
    put_nest(out, NFTA_CHAIN_HOOK, [&](MessageBuilder& hook) {
      hook.be32(NFTA_HOOK_HOOKNUM, static_cast<std::uint32_t>(chain.hook));
      hook.be32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(chain.priority));
    });
    out.be32(NFTA_CHAIN_POLICY, static_cast<std::uint32_t>(chain.policy));
    out.string(NFTA_CHAIN_TYPE, chain.type);
    put_nest(out, NFTA_CHAIN_COUNTERS, [](MessageBuilder& counters) {
      put_be64(counters, NFTA_COUNTER_PACKETS, 11);
      put_be64(counters, NFTA_COUNTER_BYTES, 12);
    });
  }
  return test::bytes_of(out);
}
inline const ChainOf kInput{"INPUT", NF_INET_LOCAL_IN, 0, "filter", NF_DROP, 2};

inline Bytes rule_of(std::string_view chain, std::uint64_t handle, const RuleMaker& rule,
                     std::string_view table = "filter") {
  return RuleMessage{table, chain, handle, {}}(rule.list());
}

// The script answers the next socket that is opened: the system gives the lowest free number.
class ScriptedNext {
 public:
  explicit ScriptedNext(Script& script) {
    auto probe = Socket::open("test");
    CHECK(probe.ok());
    fd_ = probe->fd();
    lines[fd_] = {&script, {}};
  }
  ~ScriptedNext() { lines.erase(fd_); }
  ScriptedNext(const ScriptedNext&) = delete;
  ScriptedNext& operator=(const ScriptedNext&) = delete;

 private:
  int fd_ = -1;
};

// An image with its records.
struct ReadTable {
  nft::NftImage image;
  xt::ImageHeader header{};
  nft::NftHeader own{};

  template <typename T>
  T at(std::size_t offset) const {
    T value{};
    CHECK(offset <= image.size && sizeof value <= image.size - offset);
    if (offset <= image.size && sizeof value <= image.size - offset) {
      std::memcpy(&value, image.memory.data() + offset, sizeof value);
    }
    return value;
  }
  std::string text(const nft::Slice& slice) const {
    if (slice.at > image.size || slice.size > image.size - slice.at) return "out of bounds";
    return {reinterpret_cast<const char*>(image.memory.data()) + slice.at, slice.size};
  }
  xt::ChainRecord chain(std::uint32_t index) const {
    return at<xt::ChainRecord>(header.chains + index * sizeof(xt::ChainRecord));
  }
  nft::NftRule rule(std::uint32_t index) const {
    return at<nft::NftRule>(own.rules + index * sizeof(nft::NftRule));
  }
  nft::NftForeignChain foreign(std::uint32_t index) const {
    return at<nft::NftForeignChain>(own.foreign_chains + index * sizeof(nft::NftForeignChain));
  }
  // "INPUT 2 +1": each chain, its rules and the references to it.
  std::string chains() const {
    std::string all;
    for (std::uint32_t i = 0; i < header.chain_count; i++) {
      const xt::ChainRecord one = chain(i);
      if (!all.empty()) all += ", ";
      all += std::string(xt::chain_name(one.name)) + ' ' + std::to_string(one.count);
      if (one.references > 0) all += " +" + std::to_string(one.references);
      const auto presence = static_cast<xt::Presence>(one.presence);
      if (presence == xt::Presence::kAbsent) all += " absent";
      if (presence == xt::Presence::kUnread) all += " unread";
    }
    return all;
  }
  std::string handles() const {
    std::string all;
    for (std::uint32_t i = 0; i < header.rule_count; i++) {
      all += std::to_string(rule(i).handle) + ' ';
    }
    return all;
  }
};

inline Result<ReadTable> read_of(FakeRuleset& fake, const xt::Layout& layout = xt::kIpv4,
                                 const std::string& table = "filter",
                                 const Cancel* cancel = nullptr,
                                 const std::optional<nft::RulesWanted>& wanted = std::nullopt) {
  fake.asked.clear();
  fake.family = static_cast<std::uint8_t>(layout.family);
  const ScriptedNext scripted(fake);
  auto image = nft::read_table(layout, table, cancel, wanted);
  if (!image) return image.error();
  ReadTable read{std::move(*image), {}, {}};
  read.header = read.at<xt::ImageHeader>(0);
  CHECK_EQUAL(read.header.size, read.image.size);
  read.own = read.at<nft::NftHeader>(read.header.own);
  return read;
}
inline int code_of(FakeRuleset& fake, const std::string& table = "filter") {
  auto read = read_of(fake, xt::kIpv4, table);
  return read.ok() ? 0 : read.error().code;
}

inline FakeRuleset small_ruleset() {
  FakeRuleset fake;
  fake.tables = {table_of("other"), table_of("filter")};
  fake.chains = {chain_of({"zwei"}), chain_of(kInput), chain_of({"eins", -1, 0, "", 0, 5})};
  fake.rules = {rule_of("INPUT", 20, RuleMaker().counter().verdict(NFT_JUMP, "eins")),
                rule_of("INPUT", 21, RuleMaker().add("ct").counter(5, 6)),
                rule_of("eins", 22, RuleMaker().counter().verdict(NFT_GOTO, "zwei"))};
  return fake;
}

inline constexpr char kAbsentTable[] = "INPUT 0 absent, FORWARD 0 absent, OUTPUT 0 absent";

}  // namespace nf::test
