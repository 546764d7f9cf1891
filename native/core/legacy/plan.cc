// Checking and reading a plan.
#include "core/legacy/plan.h"

#include <errno.h>

#include <algorithm>
#include <unordered_set>

#include "core/operation.h"
#include "core/xtables/entry.h"

namespace nf::xt {
namespace {

Error malformed(std::string detail) {
  return fail(EINVAL, operation::kEdit, std::move(detail), ErrorKind::kXtables);
}

bool terminated(const char (&name)[kChainNameSize]) {
  return std::memchr(name, 0, kChainNameSize) != nullptr;
}

}  // namespace

Result<Plan> Plan::parse(std::vector<std::uint8_t> bytes) {
  Plan plan;
  plan.bytes_ = std::move(bytes);
  const std::size_t size = plan.bytes_.size();
  if (size < sizeof(PlanHeader) || plan.header().magic != kPlanMagic) return malformed("no plan");
  const PlanHeader& header = plan.header();
  plan.layout_ = layout_of(static_cast<int>(header.family));
  if (plan.layout_ == nullptr || !terminated(header.name)) return malformed("no plan");
  const std::size_t left = size - sizeof(PlanHeader);
  if (header.chain_count > left / sizeof(PlanChain)) return malformed("chains cut short");
  plan.runs_ = sizeof(PlanHeader) + header.chain_count * sizeof(PlanChain);
  if (header.run_count > (size - plan.runs_) / sizeof(PlanRun)) return malformed("runs cut short");
  const std::size_t entries = plan.runs_ + header.run_count * sizeof(PlanRun);

  std::uint32_t next = 0;
  for (std::uint32_t i = 0; i < header.chain_count; i++) {
    const PlanChain& chain = plan.chain(i);
    if (!terminated(chain.name)) return malformed("a chain's name does not end");
    if (chain.first != next || chain.count > header.run_count - next) {
      return malformed("runs that belong to no chain");
    }
    next += chain.count;
    const bool policy = chain.policy == kPolicyAccept || chain.policy == kPolicyDrop;
    if ((chain.hook != 0) != policy) return malformed("a policy of a chain that cannot have one");
  }
  if (next != header.run_count) return malformed("runs that belong to no chain");
  for (std::uint32_t i = 0; i < header.run_count; i++) {
    const PlanRun& run = plan.run(i);
    if (run.kind == kKeep || run.kind == kKeepZeroed) continue;
    if (run.kind != kEntry) return malformed("a run of an unknown kind");
    if (run.a % 8 != 0 || run.a < entries || run.a > size || run.b > size - run.a) {
      return malformed("an entry outside the plan");
    }
    EntryView view;
    const char* why = view_entry(*plan.layout_, plan.bytes_.data() + run.a, run.b, view);
    if (why == nullptr && view.size != run.b) why = "an entry has a wrong size";
    if (why == nullptr && (view.target_name.empty() || is_verdict(view.target_name)) &&
        view.target_size != kStandardSize) {
      why = "a verdict has a wrong size";
    }
    if (why == nullptr && view.target_name == XT_ERROR_TARGET) why = "ERROR is no target of a rule";
    if (why != nullptr) return malformed(why);
  }
  return plan;
}

Result<void> Plan::check(const Snapshot& base) const {
  std::unordered_set<std::string_view> names;
  std::uint32_t hooks = 0;
  for (std::uint32_t i = 0; i < chain_count(); i++) {
    const PlanChain& wanted = chain(i);
    const std::string_view name = chain_name(wanted.name);
    if (!names.insert(name).second) {
      return malformed("chain " + std::string(name) + " twice");
    }
    const ChainRecord* have = wanted.hook == 0 ? nullptr : base.find(name);
    if (wanted.hook != 0) {
      if (have == nullptr || have->hook != wanted.hook) {
        return malformed("table " + table() + " has no built-in chain " + std::string(name));
      }
      hooks++;
    } else if (const char* why = bad_chain_name(name); why != nullptr) {
      // A name that the kernel already has can stay, even if another program made it.
      const ChainRecord* old = base.find(name);
      if (old == nullptr || old->hook != 0) {
        return malformed("chain name " + std::string(name) + " " + why);
      }
    }
  }
  std::uint32_t built_in = 0;
  for (std::uint32_t i = 0; i < base.chain_count(); i++) {
    if (base.chain(i).hook != 0) built_in++;
  }
  if (hooks != built_in) return malformed("a built-in chain is missing");

  std::vector<bool> kept(base.rule_count());
  for (std::uint32_t i = 0; i < header().run_count; i++) {
    const PlanRun& one = run(i);
    if (one.kind == kEntry) {
      if (one.c != kNone && one.c >= base.rule_count()) return malformed("no such rule");
      EntryView view;
      const std::uint8_t* bytes = bytes_.data() + one.a;
      if (view_entry(layout(), bytes, one.b, view) != nullptr) return malformed("no entry");
      if (view.target_size != kStandardSize && names.contains(view.target_name)) {
        // libiptc would take the target for a jump to the chain.
        return malformed("target " + std::string(view.target_name) +
                         " cannot be used while a chain has its name");
      }
      continue;
    }
    if (one.a > base.rule_count() || one.b > base.rule_count() - one.a) {
      return malformed("no such rule");
    }
    for (std::uint32_t k = one.a; k < one.a + one.b; k++) {
      if (kept[k]) return malformed("one rule twice");
      kept[k] = true;
    }
  }
  return {};
}

std::vector<PlanRule> Plan::rules(const PlanChain& chain) const {
  std::vector<PlanRule> result;
  for (std::uint32_t i = chain.first; i < chain.first + chain.count; i++) {
    const PlanRun& one = run(i);
    if (one.kind == kEntry) {
      PlanRule rule;
      rule.bytes = bytes_.data() + one.a;
      rule.counters_of = one.c;
      result.push_back(rule);
      continue;
    }
    for (std::uint32_t k = 0; k < one.b; k++) {
      PlanRule rule;
      rule.base = one.a + k;
      rule.zeroed = one.kind == kKeepZeroed;
      result.push_back(rule);
    }
  }
  return result;
}

bool Plan::keeps(const PlanChain& chain, std::uint32_t first, std::uint32_t count) const {
  std::uint32_t next = first;
  for (std::uint32_t i = chain.first; i < chain.first + chain.count; i++) {
    const PlanRun& one = run(i);
    if (one.kind != kKeep || (one.b != 0 && one.a != next)) return false;
    next += one.b;
  }
  return next == first + count;
}

}  // namespace nf::xt
