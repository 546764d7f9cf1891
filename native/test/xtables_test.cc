// Tests of native/core/legacy and xtables: the table parser against damaged blobs, the diff against
// a model, and (with "kernel" as the argument, in a network namespace of its own) reading and
// committing.
#include <errno.h>
#include <sched.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "core/legacy/commit.h"
#include "core/legacy/diff.h"
#include "core/legacy/iptc_library.h"
#include "core/legacy/lock.h"
#include "core/legacy/look.h"
#include "core/legacy/registered.h"
#include "core/legacy/snapshot.h"
#include "core/nftables/detect.h"
#include "core/xtables/revision.h"
#include "core/xtables/sets.h"
#include "test/check.h"
#include "test/tables.h"

using namespace nf;
using namespace nf::xt;
using namespace nf::test;

namespace {

template <typename T>
bool good(const Result<T>& result, int line) {
  if (result.ok()) return true;
  nf::test::report(__FILE__, line, result.error().operation + ": " + result.error().detail);
  return false;
}
#define GOOD(result) good((result), __LINE__)

class Random {
 public:
  using result_type = std::uint32_t;
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return UINT32_MAX; }
  result_type operator()() { return static_cast<result_type>(engine_()); }

 private:
  std::mt19937 engine_;
};

// --- without a kernel ---

// Two rules have the same number exactly if they have the same bytes.
void check_parts(const Snapshot& table) {
  const Layout& layout = table.layout();
  const auto* base = reinterpret_cast<const std::uint8_t*>(&table.header());
  const auto parts = [&](std::uint32_t rule) {
    RuleParts numbers{};
    std::memcpy(&numbers, base + table.header().parts + rule * sizeof numbers, sizeof numbers);
    return numbers;
  };
  const auto matches = [&](std::uint32_t rule) {
    const std::uint8_t* entry = table.rule(rule);
    return Bytes(entry + layout.entry_size, entry + load16(entry + layout.target_offset));
  };
  const auto target = [&](std::uint32_t rule) {
    const std::uint8_t* entry = table.rule(rule);
    Bytes bytes(entry + load16(entry + layout.target_offset),
                entry + load16(entry + layout.next_offset));
    bytes.push_back(entry[layout.flags] & layout.goto_flag);
    return bytes;
  };
  for (std::uint32_t a = 0; a < table.rule_count(); a++) {
    CHECK(parts(a).matches < table.header().match_lists);
    CHECK(parts(a).target < table.header().targets);
    for (std::uint32_t b = 0; b < a; b++) {
      CHECK((parts(a).matches == parts(b).matches) == (matches(a) == matches(b)));
      CHECK((parts(a).target == parts(b).target) == (target(a) == target(b)));
    }
  }
}

void test_parse(const Layout& layout) {
  const Blob blob = make_blob(layout);
  auto table = parse_table(layout, "filter", blob.info, blob.bytes);
  if (!GOOD(table)) return;
  CHECK(table->chain_count() == 2 && table->rule_count() == 3);
  const ChainRecord& input = table->chain(0);
  CHECK(chain_name(input.name) == "INPUT" && input.hook == NF_INET_LOCAL_IN + 1);
  CHECK(input.policy == kPolicyDrop && input.count == 2 && input.counters.bytes == 700);
  const ChainRecord& chain = table->chain(1);
  CHECK(chain_name(chain.name) == "CHAIN" && chain.first == 2 && chain.references == 1);
  check_parts(*table);
  EntryView view;
  CHECK(view_entry(layout, table->rule(0), load16(table->rule(0) + layout.next_offset), view) ==
            nullptr &&
        view.target_name == "CHAIN");

  // Counters and the note of the hooks are no content. Everything else is.
  for (std::size_t i = 0; i < blob.bytes.size(); i++) {
    Blob other = blob;
    other.bytes[i] ^= 1;
    auto changed = parse_table(layout, "filter", other.info, other.bytes);
    if (!changed) continue;
    check_parts(*changed);
    std::size_t start = 0;
    while (start + load16(&blob.bytes[start + layout.next_offset]) <= i) {
      start += load16(&blob.bytes[start + layout.next_offset]);
    }
    const std::size_t at = i - start;
    // Bytes behind the NUL of a name are no content.
    const std::size_t target = load16(&blob.bytes[start + layout.target_offset]);
    const std::size_t match = target == layout.entry_size ? target : layout.entry_size;
    const bool tail = (at > target + 2 && at < target + 31) ||
                      (match != target && at > match + 2 + 7 && at < match + 31);
    const bool content = !tail && (at < layout.comefrom || at >= layout.entry_size);
    // Heads and closing rules carry only their target.
    const bool closing =
        start != 0 && std::memcmp(&blob.bytes[start], &blob.bytes[start + 4], 4) == 0;
    if (!closing) CHECK((changed->header().fingerprint != table->header().fingerprint) == content);
  }

  // Damage of every kind is refused or read, never out of bounds (the sanitizer watches).
  Random random(1);
  for (int round = 0; round < 20000; round++) {
    Blob other = blob;
    const int changes = 1 + static_cast<int>(random() % 4);
    for (int k = 0; k < changes; k++) {
      other.bytes[random() % other.bytes.size()] = static_cast<std::uint8_t>(random());
    }
    if (random() % 8 == 0) other.bytes.resize(random() % other.bytes.size());
    if (random() % 8 == 0) other.info.num_entries = random();
    if (random() % 8 == 0) other.info.hook_entry[random() % 5] = random() % 4096;
    other.info.size = static_cast<std::uint32_t>(other.bytes.size());
    (void)parse_table(layout, "filter", other.info, other.bytes);
  }
  // A reading with fewer rules than the kernel counts must not be written back.
  Blob fewer = blob;
  fewer.info.num_entries++;
  CHECK(!parse_table(layout, "filter", fewer.info, fewer.bytes).ok());
}

// A snapshot that comes back is accepted if it is unchanged. Whatever else is done to it, it is
// never read out of bounds (the sanitizer watches), and never has other rules.
void test_adopt(const Layout& layout) {
  const Blob blob = make_blob(layout);
  auto table = parse_table(layout, "filter", blob.info, blob.bytes);
  if (!GOOD(table)) return;
  const auto* base = reinterpret_cast<const std::uint8_t*>(&table->header());
  const Bytes intact(base, base + table->size());
  const auto adopt = [](const Layout& family, std::string_view name, const Bytes& bytes,
                        Snapshot& out) {
    Memory memory;
    if (bytes.empty() || !memory.resize(bytes.size())) return false;
    std::memcpy(memory.data(), bytes.data(), bytes.size());
    return Snapshot::adopt(family, name, std::move(memory), bytes.size(), out) == nullptr;
  };
  const auto same = [&](const Snapshot& other) {
    bool equal = other.rule_count() == table->rule_count() &&
                 other.chain_count() == table->chain_count() &&
                 other.header().fingerprint == table->header().fingerprint;
    for (std::uint32_t i = 0; equal && i < other.chain_count(); i++) {
      equal = chain_name(other.chain(i).name) == chain_name(table->chain(i).name) &&
              other.chain(i).first == table->chain(i).first &&
              other.chain(i).count == table->chain(i).count &&
              other.chain(i).policy == table->chain(i).policy;
    }
    for (std::uint32_t i = 0; equal && i < other.rule_count(); i++) {
      equal = same_content(layout, other.rule(i), table->rule(i));
    }
    return equal;
  };
  Snapshot back;
  CHECK(adopt(layout, "filter", intact, back) && same(back));
  CHECK(!adopt(layout, "nat", intact, back));
  CHECK(!adopt(layout.family == AF_INET ? kIpv6 : kIpv4, "filter", intact, back));
  CHECK(!adopt(layout, "filter", {}, back));
  for (std::size_t i = 0; i < intact.size(); i++) {
    for (int bit = 0; bit < 8; bit++) {
      Bytes bytes = intact;
      bytes[i] ^= static_cast<std::uint8_t>(1U << bit);
      Snapshot other;
      if (adopt(layout, "filter", bytes, other)) CHECK(same(other));
    }
  }
  Random random(6);
  for (int round = 0; round < 20000; round++) {
    Bytes bytes = intact;
    const int changes = 1 + static_cast<int>(random() % 4);
    for (int k = 0; k < changes; k++) {
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    Snapshot other;
    if (adopt(layout, "filter", bytes, other)) CHECK(same(other));
  }
}

void test_plan() {
  Random random(2);
  PlanBuilder builder(kIpv4, "filter", {});
  builder.chain("INPUT", 2, kPolicyDrop).keep(0, 3).add(entry(kIpv4, 1, "ACCEPT"));
  builder.chain("X").add(entry(kIpv4, 2, "", {}, "hello"));
  const Bytes good_plan = builder.bytes();
  if (!GOOD(Plan::parse(good_plan))) return;
  for (int round = 0; round < 50000; round++) {
    Bytes bytes = good_plan;
    const int changes = 1 + static_cast<int>(random() % 3);
    for (int k = 0; k < changes; k++) {
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    (void)Plan::parse(bytes);
  }
}

void test_diff() {
  Random random(3);
  for (int round = 0; round < 3000; round++) {
    const std::uint32_t first = random() % 5;
    const std::uint32_t count = random() % 12;
    // A mixture of kept (some moved, some zeroed, some from elsewhere) and new rules.
    std::vector<PlanRule> wanted;
    for (std::uint32_t i = 0; i < count; i++) {
      PlanRule rule;
      if (random() % 4 == 0) continue;
      rule.base = first + i;
      rule.zeroed = random() % 3 == 0;
      wanted.push_back(rule);
    }
    for (int k = static_cast<int>(random() % 3); k > 0 && wanted.size() > 1; k--) {
      std::swap(wanted[random() % wanted.size()], wanted[random() % wanted.size()]);
    }
    static const std::uint8_t kSome = 0;
    for (int k = static_cast<int>(random() % 5); k > 0; k--) {
      PlanRule rule;
      if (random() % 3 == 0) {
        rule.base = first + count + static_cast<std::uint32_t>(k);
      } else {
        rule.bytes = &kSome;
      }
      wanted.insert(wanted.begin() + static_cast<std::ptrdiff_t>(random() % (wanted.size() + 1)),
                    rule);
    }
    // The model: what is at each place, by old index or by wanted index + 1000.
    std::vector<std::uint32_t> live;
    std::vector<std::uint32_t> zeroed;
    for (std::uint32_t i = 0; i < count; i++) live.push_back(first + i);
    const ChainDiff diff = diff_chain(wanted, first, count);
    for (const auto& operation : diff.operations) {
      switch (operation.kind) {
        case ChainOperation::kInsert:
          CHECK(operation.at <= live.size());
          live.insert(live.begin() + operation.at, 1000 + operation.rule);
          break;
        case ChainOperation::kReplace:
          CHECK(operation.at < live.size());
          live[operation.at] = 1000 + operation.rule;
          break;
        case ChainOperation::kDelete:
          CHECK(operation.at < live.size() && live[operation.at] == operation.rule);
          live.erase(live.begin() + operation.at);
          break;
        case ChainOperation::kZero:
          CHECK(operation.at < live.size() && live[operation.at] < 1000);
          zeroed.push_back(operation.at);
          break;
      }
    }
    CHECK(live.size() == wanted.size());
    std::uint32_t stay = 0;
    for (std::uint32_t i = 0; i < live.size() && i < wanted.size(); i++) {
      if (live[i] >= 1000) {
        CHECK(live[i] == 1000 + i);
        continue;
      }
      stay++;
      CHECK(wanted[i].base == live[i]);
      const bool zero = diff.zero_all || std::find(zeroed.begin(), zeroed.end(), i) != zeroed.end();
      CHECK(zero == wanted[i].zeroed);
    }
    CHECK(stay == diff.stay);
  }
}

// --- with a kernel ---

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
  auto probe = RevisionProbe::open(kIpv4);
  if (GOOD(probe)) {
    CHECK(*probe->has({"conntrack", 3, false}) && !*probe->has({"conntrack", 99, false}));
    CHECK(!*probe->has({"nonsense", 0, false}) && *probe->has({"LOG", 0, true}));
  }
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

// Runs `work` on a thread of its own in a network namespace of its own.
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

TEST(xtables_parse) {
  for (const Layout* layout : {&kIpv4, &kIpv6}) test_parse(*layout);
}
TEST(xtables_adopt) {
  for (const Layout* layout : {&kIpv4, &kIpv6}) test_adopt(*layout);
}
TEST(xtables_plan) { test_plan(); }
TEST(xtables_diff) { test_diff(); }
TEST(xtables_lock) { test_lock(); }
TEST(xtables_look_ups) { in_new_namespace(test_look_ups); }
TEST(xtables_ipv4) {
  in_new_namespace([] { test_kernel(kIpv4); });
}
TEST(xtables_ipv6) {
  in_new_namespace([] { test_kernel(kIpv6); });
}
