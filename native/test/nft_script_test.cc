// Tests of scripts of transactions as bytes, and of rules that are written as they were read.
#include <errno.h>

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/nftables/transaction.h"
#include "core/nftables/write_raw.h"
#include "test/nft_messages.h"
#include "test/nft_rules.h"
#include "test/scripted.h"

namespace nf::test {

namespace {

using xt::kIpv4;
using xt::kIpv6;
using xt::Layout;

struct WrittenRaw {
  const char* why = nullptr;
  NftBytes expressions, user_data;
  std::uint32_t protocol = 0, flags = 0;
  bool compat = false;
};
WrittenRaw raw_of(const NftBytes& list, const NftBytes& user_data = {},
                  const std::optional<xt::Counters>& counters = xt::Counters{30, 40}) {
  const auto block = std::make_unique<std::uint8_t[]>(list.size());
  std::copy(list.begin(), list.end(), block.get());
  MessageBuilder out;
  out.u32(77, 7);
  const std::size_t before = out.size();
  WrittenRaw raw;
  raw.why = nft::write_raw({block.get(), list.size()}, user_data, counters, out);
  if (raw.why != nullptr) CHECK_EQUAL(out.size(), before);
  AttributeCursor cursor(out.data() + before, out.size() - before);
  for (Attribute a; cursor.next(a);) {
    if (a.type == NFTA_RULE_EXPRESSIONS) raw.expressions.assign(a.data, a.data + a.size);
    if (a.type == NFTA_RULE_USERDATA) raw.user_data.assign(a.data, a.data + a.size);
    if (a.type != NFTA_RULE_COMPAT) continue;
    const Nest compat(a);
    raw.compat = true;
    raw.protocol = compat.number(NFTA_RULE_COMPAT_PROTO);
    raw.flags = compat.number(NFTA_RULE_COMPAT_FLAGS);
  }
  CHECK(cursor.intact());
  return raw;
}

}  // namespace

TEST(nft_write_raw_keeps_all_but_counters) {
  const auto rule = [](std::uint64_t packets, std::uint64_t bytes) {
    return RuleMaker()
        .add("ct", [](MessageBuilder& out) { out.u8(7, 9); })
        .add("odd")
        .match("x", 1, NftBytes(8, 1))
        .counter(packets, bytes)
        .add("lookup", [](MessageBuilder& out) { out.string(1, "set"); })
        .verdict(NFT_JUMP, "CHAIN")
        .list();
  };
  const NftBytes comment = user_comment("said");
  const WrittenRaw raw = raw_of(rule(3, 4), comment);
  CHECK_EQUAL(raw.why, nullptr);
  CHECK(raw.expressions == rule(30, 40));
  CHECK(raw.user_data == comment && !raw.compat);
  CHECK(raw_of({}).why == nullptr && raw_of({}).user_data.empty());
  // Without counters each counter keeps its own.
  const NftBytes two = RuleMaker().counter(3, 4).add("odd").counter(5, 6).list();
  CHECK(raw_of(two, {}, std::nullopt).expressions == two);
  CHECK(raw_of(two).expressions == RuleMaker().counter(30, 40).add("odd").counter(30, 40).list());
  // The protocol that the rule compares with.
  const auto protocol = [](const RuleMaker& made) {
    const WrittenRaw one = raw_of(made.list());
    return one.compat ? std::pair(one.protocol, one.flags) : std::pair(999U, 999U);
  };
  const auto load = RuleMaker().meta(NFT_META_L4PROTO);
  CHECK(protocol(RuleMaker(load).equal({6})) == std::pair(6U, 0U));
  CHECK(protocol(RuleMaker(load).unequal({6})) ==
        std::pair(6U, static_cast<std::uint32_t>(NFT_RULE_COMPAT_F_INV)));
  CHECK(protocol(RuleMaker(load).equal({6}).protocol(17)) == std::pair(6U, 0U));
  const std::pair none(999U, 999U);
  CHECK(protocol(RuleMaker(load).equal({6, 0})) == none);
  CHECK(protocol(RuleMaker(load).compare(NFT_CMP_EQ, {6}, NFT_REG_2)) == none);
  CHECK(protocol(RuleMaker(load).counter().equal({6})) == none);
  CHECK(protocol(RuleMaker().meta(NFT_META_MARK).equal({6})) == none);
  // Malformed, or too long for an attribute.
  const NftBytes whole = rule(3, 4);
  for (std::size_t cut = 0; cut < whole.size(); cut++) {
    raw_of(NftBytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut)));
  }
  CHECK(raw_of({0xff, 0, 1, 0}).why != nullptr);
  CHECK(raw_of({8, 0, 1, 0, 9, 0, 1, 0}).why != nullptr);
  CHECK(raw_of(NftBytes(65536)).why != nullptr);
  CHECK(raw_of({}, NftBytes(65536)).why != nullptr);
}

namespace {

// A script with two steps and a rule, as src/iptables/nft/script.ts writes it.
struct MadeScript {
  nft::ScriptHeader header{};
  std::vector<nft::ScriptStep> steps;
  NftBytes tail;

  explicit MadeScript(const Layout& layout = kIpv4) {
    header.magic = nft::kScriptMagic;
    header.family = static_cast<std::uint32_t>(layout.family);
    std::memcpy(header.table, "filter", 7);
    header.chains = {0, 0};
  }
  // Offsets of slices are from the tail until the script is whole.
  nft::Slice put(const NftBytes& bytes) {
    const nft::Slice slice{static_cast<std::uint32_t>(tail.size()),
                           static_cast<std::uint32_t>(bytes.size())};
    tail.insert(tail.end(), bytes.begin(), bytes.end());
    return slice;
  }
  nft::ScriptStep& step(nft::StepKind kind, const std::string& chain) {
    nft::ScriptStep one{};
    one.kind = static_cast<std::uint32_t>(kind);
    one.chain = put(test::bytes_of(chain));
    steps.push_back(one);
    return steps.back();
  }
  NftBytes bytes() const {
    nft::ScriptHeader whole = header;
    whole.count = static_cast<std::uint32_t>(steps.size());
    const auto from =
        static_cast<std::uint32_t>(sizeof whole + steps.size() * sizeof(nft::ScriptStep));
    whole.chains.at += from;
    NftBytes out(from);
    std::memcpy(out.data(), &whole, sizeof whole);
    for (std::size_t i = 0; i < steps.size(); i++) {
      nft::ScriptStep one = steps[i];
      for (nft::Slice* slice : {&one.chain, &one.name, &one.content, &one.user_data}) {
        slice->at += from;
      }
      std::memcpy(&out[sizeof whole + i * sizeof one], &one, sizeof one);
    }
    out.insert(out.end(), tail.begin(), tail.end());
    return out;
  }
};

MadeScript some_script(const Layout& layout) {
  MadeScript script(layout);
  const nft::Slice names = script.put(test::bytes_of(std::string_view("CHAIN\0INPUT\0", 12)));
  script.header.chains = names;
  script.step(nft::StepKind::kTable, "");
  script.step(nft::StepKind::kBaseChain, "INPUT").policy = xt::kPolicyDrop;
  script.step(nft::StepKind::kChain, "CHAIN");
  const nft::Slice name = script.put(test::bytes_of("other"));
  script.step(nft::StepKind::kRename, "CHAIN").name = name;
  script.step(nft::StepKind::kPolicy, "INPUT").has_counters = 1;
  script.step(nft::StepKind::kDeleteChain, "CHAIN");
  script.step(nft::StepKind::kFlush, "CHAIN");
  script.step(nft::StepKind::kDeleteRule, "CHAIN").handle = 5;
  const nft::Slice entry = script.put(rule_entry(layout, {}, standard("CHAIN")));
  script.step(nft::StepKind::kEntry, "INPUT").content = entry;
  const nft::Slice list = script.put(RuleMaker().add("ct").counter().list());
  const nft::Slice comment = script.put(user_comment("said"));
  nft::ScriptStep& raw = script.step(nft::StepKind::kExpressions, "INPUT");
  raw.content = list;
  raw.user_data = comment;
  raw.how = static_cast<std::uint32_t>(nft::StepPlace::kReplace);
  return script;
}

// "committed", "step 3: why", or "EINVAL: why".
std::string checked(const NftBytes& bytes) {
  auto script = nft::Script::parse(bytes);
  if (!script) {
    CHECK_EQUAL(script.error().code, EINVAL);
    return "EINVAL: " + script.error().detail;
  }
  auto outcome = nft::check_scripts({&*script, 1});
  CHECK(outcome.ok());
  if (outcome->end == nft::TransactionEnd::kCommitted) return "committed";
  CHECK(outcome->end == nft::TransactionEnd::kRefused && outcome->code == EOPNOTSUPP);
  return "step " + std::to_string(outcome->step) + ": " + outcome->text;
}

}  // namespace

TEST(nft_scripts) {
  for (const Layout* layout : {&kIpv4, &kIpv6}) {
    const MadeScript made = some_script(*layout);
    const NftBytes whole = made.bytes();
    CHECK_EQUAL(checked(whole), "committed");
    auto script = nft::Script::parse(whole);
    CHECK(script.ok() && script->table() == "filter" && &script->layout() == layout);
    CHECK((script->chains() == std::vector<std::string>{"CHAIN", "INPUT"}));
    // The tail is in use to its last byte, so no shorter script is one.
    for (std::size_t size = 0; size < whole.size(); size++) {
      const NftBytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      CHECK(checked(cut).starts_with("EINVAL: "));
    }
    // Every slice behind the end, or so large that the sum wraps.
    for (std::size_t step = 0; step < made.steps.size(); step++) {
      for (auto slice : {&nft::ScriptStep::chain, &nft::ScriptStep::name, &nft::ScriptStep::content,
                         &nft::ScriptStep::user_data}) {
        for (const nft::Slice& bad :
             {nft::Slice{0x7fffffff, 1}, nft::Slice{0, 0x7fffffff}, nft::Slice{8, 0xfffffffc}}) {
          MadeScript damaged = made;
          damaged.steps[step].*slice = bad;
          CHECK_EQUAL(checked(damaged.bytes()), "EINVAL: cut short");
        }
      }
      MadeScript unknown = made;
      unknown.steps[step].kind = 10;
      CHECK_EQUAL(checked(unknown.bytes()), "step " + std::to_string(step) + ": an unknown step");
    }
    MadeScript damaged = made;
    damaged.header.chains = {0, 0x7fffffff};
    CHECK_EQUAL(checked(damaged.bytes()), "EINVAL: cut short");
    damaged = made;
    damaged.header.magic++;
    CHECK_EQUAL(checked(damaged.bytes()), "EINVAL: not a script");
    damaged = made;
    damaged.header.family = AF_UNSPEC;
    CHECK_EQUAL(checked(damaged.bytes()), "EINVAL: not a script");
    damaged = made;
    std::memset(damaged.header.table, 'x', sizeof damaged.header.table);
    CHECK_EQUAL(checked(damaged.bytes()), "EINVAL: a table's name");
    NftBytes many = whole;
    for (const std::uint32_t count : {11U, 0xffffU, 0xffffffffU}) {
      std::memcpy(&many[offsetof(nft::ScriptHeader, count)], &count, sizeof count);
      CHECK(checked(many).starts_with("EINVAL: "));
    }
  }
}

TEST(nft_scripts_that_cannot_be_written) {
  const auto with = [](nft::StepKind kind, const std::string& chain, const NftBytes& content,
                       const std::function<void(nft::ScriptStep&)>& change = {}) {
    MadeScript script;
    script.step(nft::StepKind::kTable, "");
    const nft::Slice bytes = script.put(content);
    nft::ScriptStep& step = script.step(kind, chain);
    step.content = bytes;
    if (change) change(step);
    return checked(script.bytes());
  };
  using nft::StepKind;
  const RuleBytes entry = rule_entry(kIpv4, {}, standard("ACCEPT"));
  CHECK_EQUAL(with(StepKind::kEntry, "INPUT", entry), "committed");
  CHECK_EQUAL(with(StepKind::kEntry, "INPUT", entry, [](auto& step) { step.how = 4; }),
              "step 1: an unknown place");
  CHECK_EQUAL(with(StepKind::kEntry, "INPUT", {}), "step 1: an entry is cut short");
  CHECK_EQUAL(with(StepKind::kExpressions, "INPUT", {0xff, 0, 1, 0}),
              "step 1: malformed expressions");
  CHECK_EQUAL(with(StepKind::kExpressions, "INPUT", NftBytes(70000)),
              "step 1: malformed expressions");
  CHECK_EQUAL(with(StepKind::kBaseChain, "CHAIN", {}), "step 1: iptables has no such base chain");
  CHECK_EQUAL(with(StepKind::kBaseChain, "PREROUTING", {}),
              "step 1: iptables has no such base chain");
  CHECK_EQUAL(with(StepKind::kChain, std::string(256, 'n'), {}), "committed");
  CHECK_EQUAL(with(StepKind::kChain, std::string(257, 'n'), {}), "EINVAL: a long name");
  CHECK_EQUAL(checked(MadeScript().bytes()), "committed");
}

TEST(nft_several_scripts) {
  std::vector<nft::Script> scripts;
  MadeScript bad;
  bad.header.generation = 8;
  bad.step(nft::StepKind::kTable, "");
  bad.step(nft::StepKind::kBaseChain, "CHAIN");
  for (const MadeScript& made : {some_script(kIpv4), some_script(kIpv6), bad}) {
    auto script = nft::Script::parse(made.bytes());
    if (!script) return CHECK(false);
    scripts.push_back(std::move(*script));
  }
  const std::span both(scripts.data(), 2);
  auto outcome = nft::check_scripts(both);
  CHECK(outcome.ok() && outcome->end == nft::TransactionEnd::kCommitted);
  outcome = nft::check_scripts(scripts);
  CHECK(outcome.ok() && outcome->end == nft::TransactionEnd::kRefused);
  if (outcome) CHECK(outcome->script == 2 && outcome->step == 1);
  // Nothing is sent.
  CHECK_EQUAL(nft::run_scripts({}, nft::Purpose::kCommit).error().code, EINVAL);
  const Error mixed = nft::run_scripts(scripts, nft::Purpose::kRehearse).error();
  CHECK_EQUAL(mixed.code, EINVAL);
  CHECK_EQUAL(mixed.operation,
              "iptables commit filter, ip6tables commit filter, iptables commit filter");
}

}  // namespace nf::test
