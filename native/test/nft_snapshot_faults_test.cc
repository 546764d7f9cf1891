// Tests of reading a table of nf_tables that changes meanwhile, or whose messages are refused or
// damaged.
#include <errno.h>

#include <algorithm>
#include <limits>

#include "test/nft_ruleset.h"

namespace nf::test {
namespace {

using xt::kIpv4;

}  // namespace

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

}  // namespace nf::test
