// Fuzzes snapshots that come back from JavaScript. Whatever was done to one, it is refused, or it
// holds exactly the rules that were read. Input: a byte for the family, two for the size, then what
// is combined with an intact snapshot by exclusive or.
#include "test/tables.h"

using namespace nf::test;

namespace {

const Snapshot& intact(bool ipv6) {
  static const auto make = [](const Layout& layout) {
    const Blob blob = make_blob(layout);
    auto table = parse_table(layout, "filter", blob.info, blob.bytes);
    if (!table.ok()) __builtin_trap();
    return std::move(*table);
  };
  static const Snapshot tables[] = {make(kIpv4), make(kIpv6)};
  return tables[ipv6 ? 1 : 0];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const Snapshot& table = intact((data[0] & 1) != 0);
  const Layout& layout = table.layout();
  const std::size_t cut = data[1] + std::size_t{256} * data[2];
  nf::Memory memory;
  if (!memory.resize(table.size())) return 0;
  std::memcpy(memory.data(), &table.header(), table.size());
  for (std::size_t i = 3; i < size && i - 3 < table.size(); i++) memory.data()[i - 3] ^= data[i];
  const std::size_t given = table.size() - cut % (table.size() + 1);
  Snapshot back;
  if (Snapshot::adopt(layout, "filter", std::move(memory), given, back) != nullptr) return 0;
  if (back.rule_count() != table.rule_count() || back.chain_count() != table.chain_count()) {
    __builtin_trap();
  }
  for (std::uint32_t i = 0; i < back.chain_count(); i++) {
    const ChainRecord& was = table.chain(i);
    const ChainRecord& is = back.chain(i);
    if (chain_name(is.name) != chain_name(was.name) || is.first != was.first ||
        is.count != was.count || is.policy != was.policy) {
      __builtin_trap();
    }
  }
  for (std::uint32_t i = 0; i < back.rule_count(); i++) {
    if (!same_content(layout, back.rule(i), table.rule(i))) __builtin_trap();
  }
  return 0;
}
