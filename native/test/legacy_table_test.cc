// Tests of native/core/legacy that need no kernel: damaged tables, snapshots and plans, and the
// diff against a model.
#include <algorithm>
#include <cstring>
#include <vector>

#include "core/legacy/diff.h"
#include "core/legacy/snapshot.h"
#include "test/check.h"
#include "test/table_checks.h"
#include "test/tables.h"

using namespace nf;
using namespace nf::xt;
using namespace nf::test;

namespace {

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

}  // namespace

TEST(xtables_parse) {
  for (const Layout* layout : {&kIpv4, &kIpv6}) test_parse(*layout);
}
TEST(xtables_adopt) {
  for (const Layout* layout : {&kIpv4, &kIpv6}) test_adopt(*layout);
}
TEST(xtables_plan) { test_plan(); }
TEST(xtables_diff) { test_diff(); }
