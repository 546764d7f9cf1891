// Fuzzes tables as the kernel sends them. What parses can be walked and adopted again, and is what
// was sent. The code that only counts finds the same in it. Input: a byte for the family, an
// ipt_getinfo, then the entries.
#include "core/legacy/look.h"
#include "core/legacy/tracking.h"
#include "test/tables.h"

using namespace nf::test;

namespace {

// Reads what the holder of a snapshot reads of it. The sanitizer watches.
std::size_t walk(const Snapshot& table) {
  std::size_t seen = 0;
  for (std::uint32_t i = 0; i < table.chain_count(); i++) {
    const ChainRecord& chain = table.chain(i);
    if (chain.count > table.rule_count() || chain.first > table.rule_count() - chain.count) {
      __builtin_trap();
    }
    if (table.find(chain_name(chain.name)) == nullptr) __builtin_trap();
    for (std::uint32_t k = 0; k < chain.count; k++) {
      const std::uint8_t* rule = table.rule(chain.first + k);
      const EntryView view = view_of(table.layout(), rule);
      for_each_part(table.layout(), rule, view, [&](const Part& part) {
        if (public_size(part) > part.size || part.offset + part.size > view.size) __builtin_trap();
        for (std::size_t at = 0; at < part.size; at++) seen += rule[part.offset + at];
      });
      if (!same_content(table.layout(), rule, rule)) __builtin_trap();
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ipt_getinfo info{};
  if (size < 1 + sizeof info) return 0;
  const Layout& layout = (data[0] & 1) == 0 ? kIpv4 : kIpv6;
  std::memcpy(&info, data + 1, sizeof info);
  const std::span<const std::uint8_t> blob(data + 1 + sizeof info, size - 1 - sizeof info);
  info.size = static_cast<std::uint32_t>(blob.size());
  TableLook look;
  const bool counted = count_table(layout, info, blob, look) == nullptr;
  nf::TrackingReport report;
  const bool scanned = scan_table(layout, "filter", info, blob, report) == nullptr;
  if (counted != scanned) __builtin_trap();
  auto table = parse_table(layout, "filter", info, blob);
  if (!table.ok()) return 0;
  if (!counted || look.rules != table->rule_count() || look.chains != table->chain_count()) {
    __builtin_trap();
  }
  walk(*table);
  // The snapshot comes back from JavaScript unchanged, and is accepted.
  nf::Memory copy;
  const std::size_t whole = table->size();
  if (!copy.resize(whole)) return 0;
  std::memcpy(copy.data(), &table->header(), whole);
  Snapshot back;
  if (Snapshot::adopt(layout, "filter", std::move(copy), whole, back) != nullptr) __builtin_trap();
  walk(back);
  return 0;
}
