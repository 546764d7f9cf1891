// Fuzzes the operations that turn one chain into another. Run on a model, they make what is wanted,
// and never touch what stays. Input: where the old rules begin, how many there are, then a byte for
// each wanted rule: new, or which old one, zeroed or not.
#include "core/legacy/diff.h"
#include "test/tables.h"

using namespace nf::test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 512) return 0;
  static const std::uint8_t some = 0;
  const std::uint32_t first = data[0] % 8;
  const std::uint32_t count = data[1] % 100;
  std::vector<bool> used(256);
  std::vector<PlanRule> wanted;
  for (std::size_t i = 2; i < size; i++) {
    PlanRule rule;
    const std::uint32_t number = data[i] & 0x7f;
    if (number < 100 && !used[number]) {
      used[number] = true;
      rule.base = first + number;  // of this chain, or moved here from another
      rule.zeroed = (data[i] & 0x80) != 0;
    } else {
      rule.bytes = &some;
    }
    wanted.push_back(rule);
  }
  const ChainDiff diff = diff_chain(wanted, first, count);
  // An old rule is its index. A written rule is its place among the wanted rules, plus 1000.
  constexpr std::uint32_t kWritten = 1000;
  std::vector<std::uint32_t> live;
  std::vector<bool> zeroed;
  for (std::uint32_t i = 0; i < count; i++) live.push_back(first + i);
  zeroed.resize(count);
  for (const ChainOperation& operation : diff.operations) {
    const auto at = static_cast<std::ptrdiff_t>(operation.at);
    const bool inserts = operation.kind == ChainOperation::kInsert;
    if (operation.at >= live.size() + (inserts ? 1 : 0)) __builtin_trap();
    switch (operation.kind) {
      case ChainOperation::kInsert:
        live.insert(live.begin() + at, kWritten + operation.rule);
        zeroed.insert(zeroed.begin() + at, false);
        break;
      case ChainOperation::kReplace:
        live[operation.at] = kWritten + operation.rule;
        zeroed[operation.at] = false;
        break;
      case ChainOperation::kDelete:
        if (live[operation.at] != operation.rule) __builtin_trap();
        live.erase(live.begin() + at);
        zeroed.erase(zeroed.begin() + at);
        break;
      case ChainOperation::kZero:
        zeroed[operation.at] = true;
        break;
    }
  }
  if (live.size() != wanted.size()) __builtin_trap();
  std::uint32_t stay = 0;
  for (std::uint32_t i = 0; i < live.size(); i++) {
    const bool stays = live[i] < kWritten;
    stay += stays ? 1 : 0;
    if (stays ? live[i] != wanted[i].base : live[i] != kWritten + i) __builtin_trap();
    // A rule that is written gets its counters then.
    if (stays && (zeroed[i] || diff.zero_all) != wanted[i].zeroed) __builtin_trap();
  }
  if (stay != diff.stay) __builtin_trap();
  return 0;
}
