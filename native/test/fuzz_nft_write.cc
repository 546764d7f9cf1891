// Fuzzes rules for nf_tables: an entry is refused and leaves nothing behind, or it becomes
// well-formed expressions that a packet passes exactly if it passes the entry. Read again, they are
// an entry that the same packets pass. Input: the family; which parts of the packet are what the
// entry names; 100 bytes of the packet; the entry.
#include "test/nft_fuzz.h"

using namespace nf;
using namespace nf::test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 + kPacket) return 0;
  const xt::Layout& layout = (data[0] & 1) != 0 ? xt::kIpv6 : xt::kIpv4;
  const RuleBytes entry(data + 2 + kPacket, data + size);
  xt::EntryView view;
  if (xt::view_entry(layout, entry.data(), entry.size(), view) != nullptr) return 0;
  MessageBuilder out;
  out.u32(77, 7);
  const std::size_t before = out.size();
  if (nft::write_rule(layout, entry.data(), entry.size(), {1, 2}, is_test_chain, out) != nullptr) {
    if (out.size() != before) __builtin_trap();
    return 0;
  }
  AttributeCursor cursor(out.data() + before, out.size() - before);
  Attribute expressions;
  Attribute compat;
  Attribute more;
  if (!cursor.next(expressions) || expressions.type != NFTA_RULE_EXPRESSIONS) __builtin_trap();
  if (!cursor.next(compat) || compat.type != NFTA_RULE_COMPAT || compat.size != 16)
    __builtin_trap();
  if (cursor.next(more) || !cursor.intact()) __builtin_trap();
  const RulePacket packet = packet_of(layout, data[1], data + 2, entry);
  const auto passes = expressions_pass(expressions, packet);
  if (!passes || *passes != entry_passes(layout, entry, packet)) __builtin_trap();
  const auto back = read_written(layout, out.data() + before, out.size() - before);
  if (!back) __builtin_trap();
  if (back->reading == nft::Reading::kForeign) return 0;
  if (back->reading != nft::Reading::kExact) __builtin_trap();
  if (entry_passes(layout, back->entry, packet) != *passes) __builtin_trap();
  return 0;
}
