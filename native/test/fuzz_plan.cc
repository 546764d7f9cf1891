// Fuzzes plans: one that passes both checks names only existing rules, and entries inside the plan.
#include "core/legacy/diff.h"
#include "test/tables.h"

using namespace nf::test;

namespace {

const Snapshot& base_of(const Layout& layout) {
  static const auto make = [](const Layout& which) {
    const Blob blob = make_blob(which);
    auto table = parse_table(which, "filter", blob.info, blob.bytes);
    if (!table.ok()) __builtin_trap();
    return std::move(*table);
  };
  static const Snapshot tables[] = {make(kIpv4), make(kIpv6)};
  return tables[layout.family == AF_INET ? 0 : 1];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto plan = Plan::parse({data, data + size});
  if (!plan.ok()) return 0;
  const Snapshot& base = base_of(plan->layout());
  if (!plan->check(base).ok()) return 0;
  std::vector<bool> kept(base.rule_count());
  for (std::uint32_t i = 0; i < plan->chain_count(); i++) {
    const PlanChain& chain = plan->chain(i);
    const std::vector<PlanRule> rules = plan->rules(chain);
    for (const PlanRule& rule : rules) {
      if (rule.bytes != nullptr) {
        if (!same_content(plan->layout(), rule.bytes, rule.bytes)) __builtin_trap();
        if (rule.counters_of != kNone && rule.counters_of >= base.rule_count()) __builtin_trap();
      } else {
        // No rule twice: a commit would write it twice.
        if (rule.base >= base.rule_count() || kept[rule.base]) __builtin_trap();
        kept[rule.base] = true;
      }
    }
    const ChainRecord* have = base.find(chain_name(chain.name));
    const std::uint32_t first = have == nullptr ? 0 : have->first;
    const std::uint32_t count = have == nullptr ? 0 : have->count;
    const bool keeps = plan->keeps(chain, first, count);
    if (keeps && rules.size() != count) __builtin_trap();
    if (keeps && !diff_chain(rules, first, count).operations.empty()) __builtin_trap();
  }
  return 0;
}
