// Fuzzes rules for nf_tables: an entry is refused and leaves nothing behind, or it becomes
// well-formed expressions that a packet passes exactly if it passes the entry. Input: the family;
// which parts of the packet are what the entry names; 100 bytes of the packet; the entry.
#include "core/nftables/write_rule.h"
#include "test/nft_rules.h"

using namespace nf;
using namespace nf::test;

namespace {

constexpr std::size_t kPacket = 100;

void copy_name(std::array<std::uint8_t, IFNAMSIZ>& out, const std::uint8_t* from, bool longer) {
  // A device's name has a NUL, and zeros behind it.
  const std::size_t length = ::strnlen(reinterpret_cast<const char*>(from), IFNAMSIZ - 1);
  out.fill(0);
  std::memcpy(out.data(), from, length);
  if (longer && length < IFNAMSIZ - 1) out[length] = 'x';
}

RulePacket packet_of(const xt::Layout& layout, std::uint8_t likeness, const std::uint8_t* bytes,
                     const RuleBytes& entry) {
  const bool ipv6 = layout.family == AF_INET6;
  const HeadAt at = head_at(layout);
  RulePacket packet;
  const bool longer = (likeness & 64) != 0;
  copy_name(packet.in, (likeness & 1) != 0 ? &entry[at.in] : bytes, longer);
  copy_name(packet.out, (likeness & 2) != 0 ? &entry[at.out] : bytes + 16, longer);
  std::memcpy(packet.network.data(), bytes + 32, packet.network.size());
  std::memcpy(packet.transport.data(), bytes + 72, packet.transport.size());
  std::memcpy(&packet.mark, bytes + 92, sizeof packet.mark);
  packet.protocol = (likeness & 4) != 0 ? entry[at.protocol] : bytes[96];
  if ((likeness & 8) != 0) {
    std::memcpy(&packet.network[at.packet_source], &entry[at.source], 2 * at.address);
  }
  packet.has_protocol = !ipv6 || (bytes[97] & 3) != 0;
  if (!ipv6) packet.set_fragment((bytes[97] & 12) == 4);
  if ((likeness & 16) == 0) return packet;
  // Ports in the order of the network, the first numbers of a tcp or udp match; the mark of a mark.
  const xt::EntryView view = xt::view_of(layout, entry.data());
  xt::for_each_match(layout, entry.data(), view, [&](const xt::Part& part) {
    const std::uint8_t* payload = &entry[part.offset + xt::kHeader];
    if (part.size < xt::kHeader + 8) return;
    if (part.name == "mark") std::memcpy(&packet.mark, payload, sizeof packet.mark);
    if (part.name != "tcp" && part.name != "udp") return;
    for (std::size_t i = 0; i < 2; i++) {
      const std::uint8_t* port = payload + 4 * i + ((likeness & 32) != 0 ? 2 : 0);
      packet.transport[2 * i] = port[1];
      packet.transport[2 * i + 1] = port[0];
    }
  });
  return packet;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 + kPacket) return 0;
  const xt::Layout& layout = (data[0] & 1) != 0 ? xt::kIpv6 : xt::kIpv4;
  const RuleBytes entry(data + 2 + kPacket, data + size);
  xt::EntryView view;
  if (xt::view_entry(layout, entry.data(), entry.size(), view) != nullptr) return 0;
  const auto is_chain = [](std::string_view name) { return name == "CHAIN"; };
  MessageBuilder out;
  out.u32(77, 7);
  const std::size_t before = out.size();
  if (nft::write_rule(layout, entry.data(), entry.size(), {1, 2}, is_chain, out) != nullptr) {
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
  return 0;
}
