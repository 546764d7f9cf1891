// Tests of native/core/legacy and xtables with the kernel: reading, committing and looking at
// tables in a network namespace that is made for it, and the xtables lock.
#include <errno.h>
#include <sched.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "core/legacy/commit.h"
#include "core/legacy/iptc_library.h"
#include "core/legacy/lock.h"
#include "core/legacy/look.h"
#include "core/legacy/registered.h"
#include "core/legacy/snapshot.h"
#include "core/nftables/compat.h"
#include "core/nftables/detect.h"
#include "core/xtables/revision.h"
#include "test/check.h"
#include "test/table_checks.h"
#include "test/tables.h"

using namespace nf;
using namespace nf::xt;
using namespace nf::test;

namespace {

Result<Snapshot> read(const Layout& layout, const char* table, bool create = false) {
  ReadOptions options;
  options.create = create;
  return read_table(layout, table, options);
}

// What libiptc finds in a table.
template <typename Iptc>
TableLook counted_by(const Iptc& iptc, const char* table) {
  TableLook look;
  look.name = table;
  const std::lock_guard lock(iptc_mutex());
  auto* handle = iptc.init(table);
  CHECK(handle != nullptr);
  if (handle == nullptr) return look;
  for (const char* chain = iptc.first_chain(handle); chain != nullptr;
       chain = iptc.next_chain(handle)) {
    look.chains++;
    xt_counters counters{};
    const char* policy = iptc.get_policy(chain, &counters, handle);
    if (policy == nullptr) look.own_chains = true;
    if (policy != nullptr && std::strcmp(policy, "DROP") == 0) look.drops = true;
    for (const auto* rule = iptc.first_rule(chain, handle); rule != nullptr;
         rule = iptc.next_rule(rule, handle)) {
      look.rules++;
    }
  }
  iptc.free(handle);
  return look;
}

// Compares a look at the only table with libiptc.
void check_look(const Layout& layout) {
  auto looks = look_at_tables(layout, nullptr);
  if (!GOOD(looks)) return;
  CHECK_EQUAL(looks->size(), 1U);
  if (looks->size() != 1) return;
  const TableLook& look = looks->front();
  const TableLook oracle =
      layout.family == AF_INET ? counted_by(iptc4(), "filter") : counted_by(iptc6(), "filter");
  CHECK_EQUAL(look.name, oracle.name);
  CHECK_EQUAL(look.rules, oracle.rules);
  CHECK_EQUAL(look.chains, oracle.chains);
  CHECK_EQUAL(look.own_chains, oracle.own_chains);
  CHECK_EQUAL(look.drops, oracle.drops);
}

void test_kernel(const Layout& layout) {
  auto names = registered_tables(layout);
  if (!GOOD(names)) return;
  CHECK(names->empty());
  CHECK(look_at_tables(layout, nullptr)->empty());
  auto empty = read(layout, "filter");
  if (!GOOD(empty)) return;
  CHECK(empty->header().registered == 0 && empty->chain_count() == 3);
  CHECK(registered_tables(layout)->empty());
  CHECK(!read(layout, "nothing").ok());

  // The first commit registers the table, and finds what was read before.
  PlanBuilder first(layout, "filter", empty->header().fingerprint);
  first.all(*empty).chain("A").add(entry(layout, 1, "DROP", {5, 500}, "first"));
  first.chain("INPUT")
      .add(entry(layout, 2, "A"))
      .add(entry(layout, 3, "", {1, 2}))
      .policy(kPolicyDrop);
  auto done = first.commit();
  if (!GOOD(done)) return;
  CHECK(done->kind == CommitOutcome::kCommitted);
  auto one = read(layout, "filter");
  if (!GOOD(one)) return;
  CHECK(one->header().registered == 1 && one->rule_count() == 3 && one->chain_count() == 4);
  check_look(layout);
  CHECK(one->find("A")->references == 1 && one->find("INPUT")->policy == kPolicyDrop);
  const std::uint8_t* rule = one->rule(one->find("A")->first);
  CHECK(load_counters(rule + layout.counters).bytes == 500);
  CHECK(same_content(layout, rule, entry(layout, 1, "DROP", {}, "first").data()));

  // The same plan again: the table has changed by now.
  auto stale = first.commit();
  CHECK(GOOD(stale) && stale->kind == CommitOutcome::kChanged);
  PlanBuilder same(layout, "filter", one->header().fingerprint);
  auto unchanged = same.all(*one).commit();
  CHECK(GOOD(unchanged) && unchanged->kind == CommitOutcome::kUnchanged);

  // A rule moves to another chain with its counters, its old chain goes, and one rule is zeroed.
  PlanBuilder second(layout, "filter", one->header().fingerprint);
  second.all(*one).chain("A").remove();
  const std::uint32_t moved = one->find("A")->first;
  second.chain("OUTPUT").keep(moved, 1);
  second.chain("INPUT").clear().keep(one->find("INPUT")->first + 1, 1, true);
  if (!GOOD(second.commit())) return;
  auto two = read(layout, "filter");
  if (!GOOD(two)) return;
  CHECK(two->rule_count() == 2 && two->chain_count() == 3);
  CHECK(load_counters(two->rule(two->find("OUTPUT")->first) + layout.counters).packets == 5);
  CHECK(load_counters(two->rule(two->find("INPUT")->first) + layout.counters).packets == 0);

  // Refusals by libiptc, by the plan and by the kernel.
  const auto refuse = [&](PlanBuilder& plan, int code, int line) {
    auto refused = plan.commit();
    if (refused.ok() || refused.error().code != code) {
      nf::test::report(__FILE__, line, refused.ok() ? "accepted" : refused.error().detail);
    }
    CHECK(read(layout, "filter")->header().fingerprint == two->header().fingerprint);
  };
  PlanBuilder dangling(layout, "filter", two->header().fingerprint);
  refuse(dangling.all(*two).chain("INPUT").add(entry(layout, 9, "NOWHERE")), ENOENT, __LINE__);
  PlanBuilder named(layout, "filter", two->header().fingerprint);
  refuse(named.all(*two).chain("a b"), EINVAL, __LINE__);
  PlanBuilder builtin(layout, "filter", two->header().fingerprint);
  refuse(builtin.all(*two).chain("INPUT").add(entry(layout, 9, "OUTPUT")), EINVAL, __LINE__);
  PlanBuilder loop(layout, "filter", two->header().fingerprint);
  loop.all(*two).chain("L").add(entry(layout, 9, "L"));
  refuse(loop.chain("INPUT").add(entry(layout, 9, "L")), ELOOP, __LINE__);
  PlanBuilder missing(layout, "filter", two->header().fingerprint);
  refuse(missing.all(*two).chain("OUTPUT").remove(), EINVAL, __LINE__);
  PlanBuilder twice(layout, "filter", two->header().fingerprint);
  refuse(twice.all(*two).chain("FORWARD").keep(0, 1), EINVAL, __LINE__);
  PlanBuilder outside(layout, "filter", two->header().fingerprint);
  refuse(outside.all(*two).chain("FORWARD").keep(2, 1), EINVAL, __LINE__);

  // Random edits, each committed and read back: the kernel holds what the plan says.
  Random random(4);
  for (int round = 0; round < 150; round++) {
    auto base = read(layout, "filter");
    if (!GOOD(base)) return;
    PlanBuilder plan(layout, "filter", base->header().fingerprint);
    std::vector<std::pair<std::string, std::vector<Bytes>>> expected;
    std::vector<std::uint32_t> order;
    for (std::uint32_t i = 0; i < base->rule_count(); i++) order.push_back(i);
    if (random() % 3 == 0) std::shuffle(order.begin(), order.end(), random);
    std::size_t next = 0;
    for (const char* name : {"INPUT", "FORWARD", "OUTPUT", "U1", "U2"}) {
      const ChainRecord* record = base->find(name);
      const bool user = name[0] == 'U';
      plan.chain(name, record == nullptr ? 0 : record->hook, user ? 0U : 1U + random() % 2);
      std::vector<Bytes> rules;
      for (int k = static_cast<int>(random() % 6); k > 0; k--) {
        if (random() % 2 == 0 && next < order.size()) {
          const std::uint32_t index = order[next++];
          const std::uint8_t* bytes = base->rule(index);
          // A jump between user chains could close a loop: loops are not the subject here.
          EntryView view;
          view_entry(layout, bytes, load16(bytes + layout.next_offset), view);
          if (user && view.target_name[0] == 'U') continue;
          plan.keep(index, 1);
          Bytes copy(bytes, bytes + load16(bytes + layout.next_offset));
          rules.push_back(copy);
        } else {
          static const char* const kTargets[] = {"ACCEPT", "DROP", "RETURN", "", "U1", "U2"};
          const Bytes bytes =
              entry(layout, random(), kTargets[random() % (user ? 4 : 6)],
                    {random() % 1000, random()}, random() % 2 == 0 ? "" : "comment");
          plan.add(bytes);
          rules.push_back(bytes);
        }
      }
      expected.emplace_back(name, rules);
    }
    auto committed = plan.commit();
    if (!GOOD(committed)) return;
    auto after = read(layout, "filter");
    if (!GOOD(after)) return;
    check_look(layout);
    for (const auto& [name, rules] : expected) {
      const ChainRecord* record = after->find(name);
      CHECK(record != nullptr && record->count == rules.size());
      if (record == nullptr || record->count != rules.size()) return;
      for (std::uint32_t i = 0; i < record->count; i++) {
        const std::uint8_t* bytes = after->rule(record->first + i);
        CHECK(same_content(layout, bytes, rules[i].data()));
        CHECK(load_counters(bytes + layout.counters).bytes ==
              load_counters(&rules[i][layout.counters]).bytes);
      }
    }
  }

  // Many edits in the middle of a long chain: the chain is written again, and still right.
  auto base = read(layout, "filter");
  PlanBuilder bulk(layout, "filter", base->header().fingerprint);
  bulk.all(*base).chain("FORWARD").clear();
  for (std::uint32_t i = 1; i <= 4000; i++) bulk.add(entry(layout, i, "ACCEPT", {i, i}));
  if (!GOOD(bulk.commit())) return;
  auto full = read(layout, "filter");
  PlanBuilder scattered(layout, "filter", full->header().fingerprint);
  const std::uint32_t start = full->find("FORWARD")->first;
  scattered.all(*full).chain("FORWARD").clear();
  for (std::uint32_t i = 0; i < 4000; i++) {
    scattered.keep(start + i, 1);
    scattered.add(entry(layout, 10000 + i, "DROP"));
  }
  auto rewritten = scattered.commit();
  if (!GOOD(rewritten)) return;
  CHECK(rewritten->rebuilt == 1);
  auto doubled = read(layout, "filter");
  CHECK(doubled->find("FORWARD")->count == 8000);
  check_look(layout);
  const std::uint32_t at = doubled->find("FORWARD")->first;
  CHECK(load_counters(doubled->rule(at + 7998) + layout.counters).bytes == 4000);
}

void test_look_ups() {
  CHECK(iptc4().usable && iptc6().usable);
  const std::vector<RevisionQuery> queries = {
      {"conntrack", 3, false}, {"conntrack", 99, false}, {"nonsense", 0, false}, {"LOG", 0, true}};
  const std::vector<bool> expected = {true, false, false, true};
  auto legacy = has_extensions(kIpv4, queries);
  if (GOOD(legacy)) CHECK(*legacy == expected);
  auto compat = nft::has_extensions(kIpv4, queries);
  if (GOOD(compat)) CHECK(*compat == expected);
  Cancel cancel;
  auto nft = nft::look_at_nft(NFPROTO_IPV4, &cancel);
  if (GOOD(nft)) CHECK(nft->tables.empty() && nft->chains.empty());
}

void test_lock() {
  Cancel cancel;
  const std::string path =
      std::filesystem::temp_directory_path() / ("xtables_test." + std::to_string(::getpid()));
  {
    auto held = take_lock(path, std::chrono::milliseconds(0), cancel);
    if (!GOOD(held)) return;
    auto second = take_lock(path, std::chrono::milliseconds(5), cancel);
    CHECK(!second.ok() && second.error().code == ETIMEDOUT);
    CHECK(!second.ok() && second.error().detail.find("pid ") != std::string::npos);
    std::thread raiser([&] { cancel.raise(); });
    auto third = take_lock(path, std::nullopt, cancel);
    CHECK(!third.ok() && third.error().kind == ErrorKind::kCancelled);
    raiser.join();
    // Somebody removes the file and makes it again: the name counts.
    ::unlink(path.c_str());
    const Cancel fresh;
    CHECK(take_lock(path, std::chrono::milliseconds(0), fresh).ok());
  }
  ::unlink(path.c_str());
}

// Runs `work` on a new thread in a new network namespace.
template <typename Work>
void in_new_namespace(Work work) {
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      std::cout << "skipped: no network namespaces here\n";
      return;
    }
    work();
  }).join();
}

}  // namespace

TEST(xtables_lock) { test_lock(); }
TEST(xtables_look_ups) { in_new_namespace(test_look_ups); }
TEST(xtables_ipv4) {
  in_new_namespace([] { test_kernel(kIpv4); });
}
TEST(xtables_ipv6) {
  in_new_namespace([] { test_kernel(kIpv6); });
}
