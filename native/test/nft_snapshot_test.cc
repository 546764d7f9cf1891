// Tests of reading a table of nf_tables: what the image of a table has.
#include <errno.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "test/nft_ruleset.h"

namespace nf::test {
namespace {

using xt::kIpv4;
using xt::kIpv6;
using xt::Layout;

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
    CHECK_EQUAL(read->own.table, 44U);
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

TEST(nft_snapshot_trusts_no_use_count) {
  // A transaction that is not committed yet has deleted all rules.
  FakeRuleset fake = small_ruleset();
  fake.chains.clear();
  for (ChainOf chain : {ChainOf{"zwei"}, kInput, ChainOf{"eins"}}) {
    chain.use = 0;
    fake.chains.push_back(chain_of(chain));
  }
  ChainOf strange{"INPUT2", NF_INET_LOCAL_IN, 7};
  strange.use = 0;
  fake.chains.push_back(chain_of(strange));
  fake.rules.push_back(rule_of("INPUT2", 30, RuleMaker().counter()));
  auto read = read_of(fake);
  CHECK(read.ok() && read->header.rule_count == 3 && read->own.foreign_count == 1);
  if (read.ok()) CHECK_EQUAL(read->foreign(0).rules, 1U);
  // The chains that are there, and that of others.
  CHECK_EQUAL(std::count(fake.asked.begin(), fake.asked.end(), NFT_MSG_GETRULE), 4);
}

TEST(nft_snapshot_reads_wanted_rules) {
  FakeRuleset fake = small_ruleset();
  ChainOf strange{"INPUT2", NF_INET_LOCAL_IN, 7};
  fake.chains.push_back(chain_of(strange));
  fake.rules.push_back(rule_of("INPUT2", 30, RuleMaker().counter()));
  ChainOf empty{"drei"};
  empty.use = 0;
  fake.chains.push_back(chain_of(empty));
  const auto told = [&](const std::optional<nft::RulesWanted>& wanted) {
    auto read = read_of(fake, kIpv4, "filter", nullptr, wanted);
    if (!read.ok()) return std::string("error");
    CHECK(wanted || read->foreign(0).rules == 1);
    const auto lists = std::count(fake.asked.begin(), fake.asked.end(), NFT_MSG_GETRULE);
    return read->chains() + "; " + read->handles() + "; " + std::to_string(lists);
  };
  const std::string bases = "FORWARD 0 absent, OUTPUT 0 absent, ";
  const std::string all = "INPUT 2, " + bases + "drei 0, eins 1 +1, zwei 0 +1; 20 21 22 ; ";
  CHECK_EQUAL(told(std::nullopt), all + "5");
  CHECK_EQUAL(told(nft::RulesWanted{{}, 2}),
              "INPUT 0 unread, " + bases + "drei 0 unread, eins 0 unread, zwei 0 unread; ; 0");
  CHECK_EQUAL(told(nft::RulesWanted{{"eins", "drei", "nirgends", "INPUT2"}, 0}),
              "INPUT 0 unread, " + bases + "drei 0, eins 1, zwei 0 +1 unread; 22 ; 2");
  // As many rules and jumps as are few.
  CHECK_EQUAL(told(nft::RulesWanted{{}, 3}), all + "4");
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
