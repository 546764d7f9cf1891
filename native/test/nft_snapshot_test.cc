// Tests of reading a table of nf_tables, with a script in place of the kernel.
#include <errno.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/nftables/snapshot.h"
#include "test/nft_messages.h"
#include "test/nft_rules.h"
#include "test/scripted.h"

namespace nf::test {
namespace {

using xt::kIpv4;
using xt::kIpv6;
using xt::Layout;

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

Bytes table_of(const char* name) {
  MessageBuilder out;
  out.string(NFTA_TABLE_NAME, name);
  out.be32(NFTA_TABLE_FLAGS, 0);
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
Bytes chain_of(const ChainOf& chain) {
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
const ChainOf kInput{"INPUT", NF_INET_LOCAL_IN, 0, "filter", NF_DROP, 2};

Bytes rule_of(std::string_view chain, std::uint64_t handle, const RuleMaker& rule,
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

Result<ReadTable> read_of(FakeRuleset& fake, const Layout& layout = kIpv4,
                          const std::string& table = "filter", const Cancel* cancel = nullptr) {
  fake.asked.clear();
  fake.family = static_cast<std::uint8_t>(layout.family);
  const ScriptedNext scripted(fake);
  auto image = nft::read_table(layout, table, cancel);
  if (!image) return image.error();
  ReadTable read{std::move(*image), {}, {}};
  read.header = read.at<xt::ImageHeader>(0);
  CHECK_EQUAL(read.header.size, read.image.size);
  read.own = read.at<nft::NftHeader>(read.header.own);
  return read;
}
int code_of(FakeRuleset& fake, const std::string& table = "filter") {
  auto read = read_of(fake, kIpv4, table);
  return read.ok() ? 0 : read.error().code;
}

FakeRuleset small_ruleset() {
  FakeRuleset fake;
  fake.tables = {table_of("other"), table_of("filter")};
  fake.chains = {chain_of({"zwei"}), chain_of(kInput), chain_of({"eins", -1, 0, "", 0, 5})};
  fake.rules = {rule_of("INPUT", 20, RuleMaker().counter().verdict(NFT_JUMP, "eins")),
                rule_of("INPUT", 21, RuleMaker().add("ct").counter(5, 6)),
                rule_of("eins", 22, RuleMaker().counter().verdict(NFT_GOTO, "zwei"))};
  return fake;
}

const char kAbsentTable[] = "INPUT 0 absent, FORWARD 0 absent, OUTPUT 0 absent";

}  // namespace

TEST(nft_snapshot_of_absent_tables) {
  FakeRuleset fake;
  fake.tables = {table_of("other")};
  auto read = read_of(fake);
  CHECK(read.ok() && read->chains() == kAbsentTable);
  CHECK_EQUAL(read->header.registered, 0U);
  CHECK_EQUAL(read->own.generation, 7U);
  CHECK(
      (fake.asked == std::vector<std::uint16_t>{NFT_MSG_GETGEN, NFT_MSG_GETTABLE, NFT_MSG_GETGEN}));
  // Iptables has no such table: the kernel is not asked.
  CHECK_EQUAL(code_of(fake, "other"), ENOENT);
  CHECK_EQUAL(code_of(fake, "broute"), ENOENT);
  CHECK(fake.asked.empty());
  fake.tables = {table_of("filter")};
  read = read_of(fake);
  CHECK(read.ok() && read->chains() == kAbsentTable && read->header.registered == 1);
}

TEST(nft_snapshot_has_all) {
  FakeRuleset fake = small_ruleset();
  fake.chains.push_back(chain_of({"strange", -1, 0, "", 0, 1, "other"}));
  fake.rules.push_back(rule_of("INPUT", 99, RuleMaker().counter(), "other"));
  for (const Layout* layout : {&kIpv4, &kIpv6}) {
    auto read = read_of(fake, *layout);
    CHECK(read.ok());
    if (!read.ok()) return;
    CHECK_EQUAL(read->chains(), "INPUT 2, FORWARD 0 absent, OUTPUT 0 absent, eins 1 +1, zwei 0 +1");
    CHECK_EQUAL(read->handles(), "20 21 22 ");
    CHECK_EQUAL(fake.asked_table, "filter");
    CHECK_EQUAL(fake.asked_chain, "zwei");
    const xt::ChainRecord input = read->chain(0);
    CHECK_EQUAL(input.policy, xt::kPolicyDrop);
    CHECK_EQUAL(input.counters.packets, 11U);
    CHECK_EQUAL(read->at<std::uint64_t>(read->own.handles), 2U);
    CHECK_EQUAL(read->at<std::uint64_t>(read->own.handles + 3 * sizeof(std::uint64_t)), 5U);
    const nft::NftRule foreign = read->rule(1);
    CHECK_EQUAL(foreign.reading, 2U);
    CHECK_EQUAL(read->text(foreign.note), "ct counter");
    const NftBytes list = RuleMaker().add("ct").counter(5, 6).list();
    CHECK_EQUAL(read->text(foreign.expressions), std::string(list.begin(), list.end()));
    CHECK(foreign.content[0] != 0 && read->rule(0).content[0] == 0);
    CHECK_EQUAL(read->own.foreign_count, 0U);
  }
}

TEST(nft_snapshot_foreign_chains) {
  const auto told = [](const ChainOf& chain, const std::string& table = "filter") {
    FakeRuleset fake = small_ruleset();
    fake.tables.push_back(table_of(table.c_str()));
    ChainOf placed = chain;
    placed.table = table;
    fake.chains = {chain_of(placed)};
    fake.rules = {rule_of(chain.name, 1, RuleMaker().counter(), table),
                  rule_of(chain.name, 2, RuleMaker().add("ct"), table)};
    auto read = read_of(fake, kIpv4, table);
    if (!read.ok()) return std::string("error");
    if (read->own.foreign_count == 0) return std::string("own");
    CHECK_EQUAL(read->header.rule_count, 0U);
    const nft::NftForeignChain one = read->foreign(0);
    CHECK(read->chains().find(chain.name + ' ') == std::string::npos);
    return read->text(one.name) + ' ' + read->text(one.type) + ' ' + std::to_string(one.hook) +
           ' ' + std::to_string(one.priority) + ' ' + std::to_string(one.rules);
  };
  CHECK_EQUAL(told({"INPUT", NF_INET_LOCAL_IN}), "own");
  CHECK_EQUAL(told({"INPUT", NF_INET_FORWARD}), "INPUT filter 3 0 2");
  CHECK_EQUAL(told({"INPUT", NF_INET_LOCAL_IN, -1}), "INPUT filter 2 -1 2");
  CHECK_EQUAL(told({"INPUT", NF_INET_LOCAL_IN, 0, "nat"}), "INPUT nat 2 0 2");
  CHECK_EQUAL(told({"INPUT"}), "INPUT  0 0 2");
  CHECK_EQUAL(told({"PREROUTING", NF_INET_PRE_ROUTING}), "PREROUTING filter 1 0 2");
  CHECK_EQUAL(told({"input", NF_INET_LOCAL_IN}), "input filter 2 0 2");
  CHECK_EQUAL(told({std::string(28, 'n')}), "own");
  const std::string longer(29, 'n');
  CHECK_EQUAL(told({longer}), longer + "  0 0 2");
  CHECK_EQUAL(told({"OUTPUT", NF_INET_LOCAL_OUT, -150, "route"}, "mangle"), "own");
  CHECK_EQUAL(told({"OUTPUT", NF_INET_LOCAL_OUT, -150, "filter"}, "mangle"),
              "OUTPUT filter 4 -150 2");
  // Both priorities are in use.
  CHECK_EQUAL(told({"INPUT", NF_INET_LOCAL_IN, 150}, "security"), "own");
  CHECK_EQUAL(told({"INPUT", NF_INET_LOCAL_IN, 50}, "security"), "own");

  // A jump to such a chain has no words.
  FakeRuleset fake = small_ruleset();
  fake.chains.push_back(chain_of({longer}));
  fake.rules = {rule_of("INPUT", 1, RuleMaker().counter().verdict(NFT_JUMP, longer))};
  auto read = read_of(fake);
  CHECK(read.ok() && read->rule(0).reading == 2 && read->own.foreign_count == 1);
}

TEST(nft_snapshot_asks_for_chains_with_rules) {
  FakeRuleset fake = small_ruleset();
  for (const char* name : {"drei", "vier"}) {
    ChainOf empty{name};
    empty.use = 0;
    fake.chains.push_back(chain_of(empty));
  }
  ChainOf strange{"INPUT2", NF_INET_LOCAL_IN, 7};
  fake.chains.push_back(chain_of(strange));
  strange = {"OUTPUT2", NF_INET_LOCAL_OUT, 7};
  strange.use = 0;
  fake.chains.push_back(chain_of(strange));
  fake.rules.push_back(rule_of("INPUT2", 30, RuleMaker().counter()));
  auto read = read_of(fake);
  CHECK(read.ok() && read->header.rule_count == 3 && read->own.foreign_count == 2);
  CHECK_EQUAL(std::count(fake.asked.begin(), fake.asked.end(), NFT_MSG_GETRULE), 4);
}

TEST(nft_snapshot_is_of_one_generation) {
  // Another commit after each kind of list: all is read again.
  for (const std::uint16_t kind :
       {NFT_MSG_GETGEN, NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETRULE}) {
    FakeRuleset fake = small_ruleset();
    bool changed = false;
    fake.after = [&](std::uint16_t done) {
      if (changed || done != kind) return;
      changed = true;
      fake.generation++;
      fake.chains.pop_back();
      fake.rules = {rule_of("INPUT", 30, RuleMaker().counter())};
    };
    auto read = read_of(fake);
    CHECK(read.ok());
    if (!read.ok()) continue;
    CHECK_EQUAL(read->own.generation, 8U);
    CHECK_EQUAL(read->chains(), "INPUT 1, FORWARD 0 absent, OUTPUT 0 absent, zwei 0");
    CHECK_EQUAL(read->handles(), "30 ");
  }
  // The table goes away, or comes.
  FakeRuleset gone = small_ruleset();
  gone.after = [&](std::uint16_t done) {
    if (done != NFT_MSG_GETCHAIN) return;
    gone.generation++;
    gone.tables.clear();
  };
  auto read = read_of(gone);
  CHECK(read.ok() && read->chains() == kAbsentTable && read->header.rule_count == 0);

  FakeRuleset busy = small_ruleset();
  busy.after = [&](std::uint16_t done) { busy.generation += done == NFT_MSG_GETRULE ? 1 : 0; };
  CHECK_EQUAL(code_of(busy), EAGAIN);

  // A list that changed while it was sent is asked for again, and forgets what it had.
  for (const std::uint16_t kind : {NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETRULE}) {
    FakeRuleset fake = small_ruleset();
    fake.interrupted[kind] = 3;
    read = read_of(fake);
    CHECK(read.ok() && read->handles() == "20 21 22 ");
    // The rules of three chains, of which the first is asked for again.
    const int once = kind == NFT_MSG_GETRULE ? 3 : 1;
    CHECK_EQUAL(std::count(fake.asked.begin(), fake.asked.end(), kind), once + 3);
    // More often than one reading tries: the next one begins with the tables.
    fake.interrupted[kind] = 10;
    CHECK(read_of(fake).ok());
    fake.interrupted[kind] = std::numeric_limits<int>::max();
    CHECK_EQUAL(code_of(fake), EAGAIN);
  }
}

TEST(nft_snapshot_refused) {
  for (const std::uint16_t kind :
       {NFT_MSG_GETGEN, NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETRULE}) {
    for (const int code : {EPERM, EINVAL, EOPNOTSUPP, ENOMEM}) {
      FakeRuleset fake = small_ruleset();
      fake.refusals[kind] = code;
      auto read = read_of(fake);
      CHECK(!read.ok() && read.error().code == code && read.error().kind == ErrorKind::kXtables);
      if (read.ok()) continue;
      CHECK_EQUAL(read.error().operation, "iptables read filter");
      const bool absent = code == EINVAL || code == EOPNOTSUPP;
      CHECK_EQUAL(read.error().detail == "the kernel has no nf_tables", absent);
    }
  }
  Cancel cancel;
  cancel.raise();
  FakeRuleset fake = small_ruleset();
  auto read = read_of(fake, kIpv4, "filter", &cancel);
  CHECK(!read.ok() && read.error().kind == ErrorKind::kCancelled);
  Cancel later;
  fake.after = [&](std::uint16_t done) {
    if (done == NFT_MSG_GETCHAIN) later.raise();
  };
  auto halfway = read_of(fake, kIpv4, "filter", &later);
  CHECK(!halfway.ok() && halfway.error().kind == ErrorKind::kCancelled);
}

TEST(nft_snapshot_malformed) {
  const Bytes bad{0xff, 0, 1, 0};
  FakeRuleset fake = small_ruleset();
  fake.tables.push_back(bad);
  CHECK_EQUAL(code_of(fake), EBADMSG);
  fake = small_ruleset();
  fake.chains.push_back(bad);
  CHECK_EQUAL(code_of(fake), EBADMSG);
  fake = small_ruleset();
  fake.rules.push_back(bad);
  CHECK_EQUAL(code_of(fake), EBADMSG);
  // Expressions that are none make a rule foreign: it is there, with its handle.
  fake = small_ruleset();
  fake.rules = {rule_of("INPUT", 44, RuleMaker().counter().raw({0xff, 0, 1, 0}))};
  auto read = read_of(fake);
  CHECK(read.ok() && read->handles() == "44 " && read->rule(0).reading == 2);
  // Every message cut at every length: an error or a table, nothing out of bounds.
  const FakeRuleset whole = small_ruleset();
  for (auto list : {&FakeRuleset::tables, &FakeRuleset::chains, &FakeRuleset::rules}) {
    for (std::size_t index = 0; index < (whole.*list).size(); index++) {
      const std::size_t size = (whole.*list)[index].size();
      for (std::size_t cut = 0; cut < size; cut++) {
        fake = small_ruleset();
        (fake.*list)[index].resize(cut);
        read = read_of(fake);
        CHECK(read.ok() || read.error().code == EBADMSG);
      }
    }
  }

  // A chain that comes twice is there once. Rules of a chain that is not listed are not the
  // table's.
  fake = small_ruleset();
  fake.chains.push_back(chain_of({"eins", -1, 0, "", 0, 5}));
  fake.chains.push_back(chain_of(kInput));
  for (int i = 0; i < 2; i++) fake.chains.push_back(chain_of({"theirs", NF_INET_LOCAL_IN}));
  fake.rules.push_back(rule_of("nowhere", 50, RuleMaker().counter()));
  fake.rules.push_back(rule_of("INPUT", 51, RuleMaker().counter()));
  fake.rules.push_back(rule_of("theirs", 52, RuleMaker().counter()));
  read = read_of(fake);
  CHECK(read.ok());
  if (!read.ok()) return;
  CHECK_EQUAL(read->chains(), "INPUT 3, FORWARD 0 absent, OUTPUT 0 absent, eins 1 +1, zwei 0 +1");
  CHECK_EQUAL(read->handles(), "20 21 51 22 ");
  CHECK(read->own.foreign_count == 1 && read->foreign(0).rules == 1);
}

TEST(nft_snapshot_references) {
  FakeRuleset fake = small_ruleset();
  // A target with the name of a chain leads nowhere.
  fake.rules = {rule_of("INPUT", 1, RuleMaker().counter().target("eins", 1, NftBytes(8))),
                rule_of("INPUT", 2, RuleMaker().counter().target("eins", 0, NftBytes(16))),
                rule_of("INPUT", 3, RuleMaker().counter().target("eins", 0, NftBytes(8)))};
  auto read = read_of(fake);
  CHECK(read.ok());
  if (!read.ok()) return;
  CHECK_EQUAL(read->chains(), "INPUT 3, FORWARD 0 absent, OUTPUT 0 absent, eins 0, zwei 0");
  CHECK(read->rule(0).reading == 0 && read->rule(1).reading == 0 && read->rule(2).reading == 2);
}

TEST(nft_snapshot_content) {
  // What a foreign rule has counted is not its content.
  const auto content = [](const RuleMaker& rule) {
    FakeRuleset fake = small_ruleset();
    fake.rules = {rule_of("INPUT", 1, rule)};
    auto read = read_of(fake);
    CHECK(read.ok() && read->rule(0).reading == 2);
    return std::pair(read->rule(0).content[0], read->header.fingerprint[0]);
  };
  const auto quota = [](std::uint64_t bytes, std::uint64_t used) {
    return RuleMaker().add("quota", [=](MessageBuilder& out) {
      put_be64(out, NFTA_QUOTA_BYTES, bytes);
      put_be64(out, NFTA_QUOTA_CONSUMED, used);
    });
  };
  CHECK(content(RuleMaker().add("ct").counter(1, 2)) ==
        content(RuleMaker().add("ct").counter(3, 4)));
  CHECK(content(quota(9, 1)) == content(quota(9, 2)));
  CHECK(content(quota(9, 1)) != content(quota(8, 1)));
  CHECK(content(RuleMaker().add("ct")) != content(RuleMaker().add("rt")));
  CHECK(content(RuleMaker().network(12, 4)) != content(RuleMaker().network(16, 4)));
}

TEST(nft_existing_tables) {
  FakeRuleset fake;
  fake.tables = {table_of("nat"), table_of("mine"), table_of("filter")};
  const auto names = [&] {
    const ScriptedNext scripted(fake);
    auto found = nft::existing_tables(kIpv4, nullptr);
    return found.ok() ? *found : std::vector<std::string>{std::to_string(found.error().code)};
  };
  CHECK((names() == std::vector<std::string>{"nat", "filter"}));
  fake.interrupted[NFT_MSG_GETTABLE] = 1;
  CHECK((names() == std::vector<std::string>{"nat", "filter"}));
  fake.refusals[NFT_MSG_GETTABLE] = EINVAL;
  CHECK(names().empty());
  fake.refusals[NFT_MSG_GETTABLE] = EPERM;
  CHECK((names() == std::vector<std::string>{std::to_string(EPERM)}));
}

}  // namespace nf::test
