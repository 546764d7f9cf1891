// Packets from the bytes of a fuzzer's input, and rules that are read again, for the fuzzers of
// rules of nf_tables.
#pragma once

#include <algorithm>

#include "core/nftables/objects.h"
#include "core/nftables/read_rule.h"
#include "core/nftables/write_rule.h"
#include "test/nft_rules.h"

namespace nf::test {

// So many bytes of an input make a packet.
inline constexpr std::size_t kPacket = 100;

inline void copy_name(std::array<std::uint8_t, IFNAMSIZ>& out, const std::uint8_t* from,
                      bool longer) {
  // A device's name has a NUL, and zeros behind it. It has no slash: a rule for no device names one
  // that has.
  const std::size_t length = ::strnlen(reinterpret_cast<const char*>(from), IFNAMSIZ - 1);
  out.fill(0);
  std::memcpy(out.data(), from, length);
  std::replace(out.begin(), out.end(), std::uint8_t{'/'}, std::uint8_t{'x'});
  if (longer && length < IFNAMSIZ - 1) out[length] = 'x';
}

// `likeness`: the parts that are what the entry names.
inline RulePacket packet_of(const xt::Layout& layout, std::uint8_t likeness,
                            const std::uint8_t* bytes, const RuleBytes& entry) {
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
  if (!ipv6) packet.network[9] = packet.protocol;
  packet.type = bytes[98] & 7;
  if ((likeness & 16) == 0) return packet;
  // Ports in the order of the network, the first numbers of a tcp or udp match; the mark of a mark.
  const xt::EntryView view = xt::view_of(layout, entry.data());
  xt::for_each_match(layout, entry.data(), view, [&](const xt::Part& part) {
    const std::uint8_t* payload = &entry[part.offset + xt::kHeader];
    if (part.size < xt::kHeader + 8) return;
    if (part.name == "pkttype") packet.type = payload[0];
    if (part.name.starts_with("icmp")) std::memcpy(packet.transport.data(), payload, 2);
    if (part.name == "mark") std::memcpy(&packet.mark, payload, sizeof packet.mark);
    if (part.name != "tcp" && part.name != "udp") return;
    if (part.name == "tcp" && (likeness & 128) != 0 && part.size >= xt::kHeader + 16) {
      packet.transport[13] = payload[10];
    }
    for (std::size_t i = 0; i < 2; i++) {
      const std::uint8_t* port = payload + 4 * i + ((likeness & 32) != 0 ? 2 : 0);
      packet.transport[2 * i] = port[1];
      packet.transport[2 * i + 1] = port[0];
    }
  });
  return packet;
}

inline bool is_test_chain(std::string_view name) { return name == "CHAIN" || name == "OTHER"; }

struct ReadEntry {
  nft::Reading reading = nft::Reading::kForeign;
  RuleBytes entry;
};

// Reads the rule that has these attributes. The entry is well-formed, whatever the rule is.
inline ReadEntry read_entry(const xt::Layout& layout, const nft::Rule& rule) {
  ReadEntry read;
  read.reading = nft::read_rule(layout, rule, is_test_chain, read.entry).reading;
  xt::EntryView view;
  if (xt::view_entry(layout, read.entry.data(), read.entry.size(), view) != nullptr ||
      view.size != read.entry.size()) {
    __builtin_trap();
  }
  return read;
}

// Reads attributes that write_rule made. Nothing if they are no rule.
inline std::optional<ReadEntry> read_written(const xt::Layout& layout, const std::uint8_t* data,
                                             std::size_t size) {
  nft::Rule rule;
  if (!nft::parse(AttributeCursor(data, size), rule)) return std::nullopt;
  return read_entry(layout, rule);
}

}  // namespace nf::test
