// Entries for tests of rules in nf_tables, and what packets make of them: of the entry as ip_tables
// reads it, and of the expressions that were made of it.
#pragma once

#include <net/if.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_tcpudp.h>

#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/netlink/attribute.h"
#include "core/xtables/entry.h"

namespace nf::test {

using RuleBytes = std::vector<std::uint8_t>;

// A match or a target.
struct RulePart {
  std::string name;
  std::uint8_t revision = 0;
  RuleBytes payload;  // its size is a multiple of 8
};
inline RulePart standard(const std::string& name) { return {name, 0, RuleBytes(8)}; }
template <typename Info>
RulePart part_of(const std::string& name, std::uint8_t revision, const Info& info) {
  RuleBytes payload(XT_ALIGN(sizeof info));
  std::memcpy(payload.data(), &info, sizeof info);
  return {name, revision, payload};
}

// A head that every packet passes; tests change its bytes.
inline RuleBytes rule_entry(const xt::Layout& layout, const std::vector<RulePart>& matches,
                            const RulePart& target) {
  RuleBytes bytes(layout.entry_size);
  const auto put16 = [&](std::size_t at, std::size_t value) {
    const auto half = static_cast<std::uint16_t>(value);
    std::memcpy(&bytes[at], &half, sizeof half);
  };
  const auto add = [&](const RulePart& part) {
    const std::size_t at = bytes.size();
    bytes.resize(at + xt::kHeader + part.payload.size());
    put16(at, bytes.size() - at);
    std::memcpy(&bytes[at + 2], part.name.data(), part.name.size());
    bytes[at + 31] = part.revision;
    if (part.payload.empty()) return;
    std::memcpy(&bytes[at + xt::kHeader], part.payload.data(), part.payload.size());
  };
  for (const RulePart& match : matches) add(match);
  put16(layout.target_offset, bytes.size());
  add(target);
  put16(layout.next_offset, bytes.size());
  return bytes;
}

// Where both families have the fields of the head.
struct HeadAt {
  std::size_t source, destination, source_mask, destination_mask;
  std::size_t in, out, in_mask, out_mask, protocol, flags, inversions;
  std::size_t address;        // its size
  std::size_t packet_source;  // in the network header
};
inline HeadAt head_at(const xt::Layout& layout) {
  if (layout.family == AF_INET6) return {0, 16, 32, 48, 64, 80, 96, 112, 128, 131, 132, 16, 8};
  return {0, 4, 8, 12, 16, 32, 48, 64, 80, 82, 83, 4, 12};
}

struct RulePacket {
  std::array<std::uint8_t, IFNAMSIZ> in{};
  std::array<std::uint8_t, IFNAMSIZ> out{};
  std::array<std::uint8_t, 40> network{};
  std::array<std::uint8_t, 20> transport{};
  std::uint32_t mark = 0;
  std::uint8_t protocol = 0;
  std::uint8_t type = 0;     // PACKET_HOST and others
  bool has_protocol = true;  // false: only of IPv6
  bool fragment = false;     // a later one; of IPv4 as its header says

  void set_fragment(bool later) {
    fragment = later;
    network[6] = 0;
    network[7] = later ? 1 : 0;
  }
};

// The matches that the tests know; all others match.
inline bool part_passes(std::string_view name, std::uint8_t revision, const std::uint8_t* payload,
                        std::size_t size, const RulePacket& packet) {
  const auto port = [&](std::size_t at) {
    return packet.transport[at] << 8 | packet.transport[at + 1];
  };
  const auto ports = [&](const std::uint16_t(&range)[2], int value, bool inverted) {
    return (value >= range[0] && value <= range[1]) != inverted;
  };
  if (name == "tcp" && revision == 0 && size == XT_ALIGN(sizeof(xt_tcp))) {
    xt_tcp info;
    std::memcpy(&info, payload, sizeof info);
    const bool flags = (packet.transport[13] & info.flg_mask) == info.flg_cmp;
    return !packet.fragment && ports(info.spts, port(0), (info.invflags & XT_TCP_INV_SRCPT) != 0) &&
           ports(info.dpts, port(2), (info.invflags & XT_TCP_INV_DSTPT) != 0) &&
           flags != ((info.invflags & XT_TCP_INV_FLAGS) != 0);
  }
  if (name == "udp" && revision == 0 && size == XT_ALIGN(sizeof(xt_udp))) {
    xt_udp info;
    std::memcpy(&info, payload, sizeof info);
    return !packet.fragment && ports(info.spts, port(0), (info.invflags & XT_UDP_INV_SRCPT) != 0) &&
           ports(info.dpts, port(2), (info.invflags & XT_UDP_INV_DSTPT) != 0);
  }
  if (name == "mark" && revision == 1 && size == XT_ALIGN(sizeof(xt_mark_mtinfo1))) {
    xt_mark_mtinfo1 info;
    std::memcpy(&info, payload, sizeof info);
    return (static_cast<unsigned>((packet.mark & info.mask) == info.mark) ^ info.invert) != 0;
  }
  if (name == "pkttype" && revision == 0 && size == XT_ALIGN(sizeof(xt_pkttype_info))) {
    xt_pkttype_info info;
    std::memcpy(&info, payload, sizeof info);
    return (static_cast<unsigned>(packet.type == info.pkttype) ^
            static_cast<unsigned>(info.invert)) != 0;
  }
  if ((name == "icmp" || name == "icmp6") && revision == 0 && size == 8) {
    // Type, first and last code, whether inverted. Only ipt_icmp has a type for all.
    const std::uint8_t code = packet.transport[1];
    const bool met =
        (name == "icmp" && payload[0] == 0xff) ||
        (packet.transport[0] == payload[0] && code >= payload[1] && code <= payload[2]);
    return !packet.fragment && met != ((payload[3] & IPT_ICMP_INV) != 0);
  }
  return true;
}

// Whether the packet passes all conditions of an entry that view_entry accepted (ip_packet_match,
// ip6_packet_match).
inline bool entry_passes(const xt::Layout& layout, const RuleBytes& entry,
                         const RulePacket& packet) {
  const bool ipv6 = layout.family == AF_INET6;
  const HeadAt at = head_at(layout);
  const std::uint8_t inversions = entry[at.inversions];
  const auto address = [&](std::size_t value, std::size_t mask, std::size_t in_packet) {
    for (std::size_t i = 0; i < at.address; i++) {
      const std::uint8_t own = packet.network[in_packet + i];
      const std::uint8_t bits = entry[mask + i];
      const std::uint8_t wanted = entry[value + i];
      if (ipv6 ? ((own ^ wanted) & bits) != 0 : (own & bits) != wanted) return false;
    }
    return true;
  };
  const auto interface = [&](const auto& name, std::size_t value, std::size_t mask) {
    for (std::size_t i = 0; i < IFNAMSIZ; i++) {
      if (((name[i] ^ entry[value + i]) & entry[mask + i]) != 0) return false;
    }
    return true;
  };
  const auto passes = [&](bool met, unsigned bit) { return met != ((inversions & bit) != 0); };
  const std::size_t from = at.packet_source;
  if (!passes(address(at.source, at.source_mask, from), IPT_INV_SRCIP)) return false;
  if (!passes(address(at.destination, at.destination_mask, from + at.address), IPT_INV_DSTIP)) {
    return false;
  }
  if (!passes(interface(packet.in, at.in, at.in_mask), IPT_INV_VIA_IN)) return false;
  if (!passes(interface(packet.out, at.out, at.out_mask), IPT_INV_VIA_OUT)) return false;
  const std::uint16_t protocol = xt::load16(&entry[at.protocol]);
  const bool same = protocol == packet.protocol;
  if (!ipv6) {
    if (protocol != 0 && !passes(same, IPT_INV_PROTO)) return false;
    const bool wanted = (entry[at.flags] & IPT_F_FRAG) != 0;
    if (!passes(!wanted || packet.fragment, IPT_INV_FRAG)) return false;
  } else if ((entry[at.flags] & IP6T_F_PROTO) != 0) {
    if (!packet.has_protocol) return false;
    if (protocol != 0 && !passes(same, IPT_INV_PROTO)) return false;
  }
  bool all = true;
  const xt::EntryView view = xt::view_of(layout, entry.data());
  xt::for_each_match(layout, entry.data(), view, [&](const xt::Part& part) {
    all = all && part_passes(part.name, part.revision, &entry[part.offset + xt::kHeader],
                             part.size - xt::kHeader, packet);
  });
  return all;
}

// The attributes of a nest, by their types.
class Nest {
 public:
  explicit Nest(const Attribute& nest) {
    AttributeCursor cursor(nest);
    for (Attribute a; cursor.next(a);) {
      if (a.type < found_.size()) found_[a.type] = a;
    }
  }
  const Attribute& operator[](std::size_t type) const { return found_[type]; }
  std::uint32_t number(std::size_t type) const {
    return found_[type].size >= 4 ? found_[type].be32() : 0;
  }
  Attribute value(std::size_t type) const { return Nest(found_[type])[NFTA_DATA_VALUE]; }

 private:
  std::array<Attribute, 16> found_{};
};

// Whether the packet passes all expressions before the counter; nothing if one is malformed, or of
// a kind that the tests do not know.
inline std::optional<bool> expressions_pass(const Attribute& list, const RulePacket& packet) {
  std::array<std::uint8_t, 16> loaded{};
  AttributeCursor cursor(list);
  for (Attribute element; cursor.next(element);) {
    const Nest expression(element);
    const std::string_view name = expression[NFTA_EXPR_NAME].text();
    const Nest data(expression[NFTA_EXPR_DATA]);
    if (name == "counter") return true;
    if (name == "limit") continue;
    if (name == "match") {
      const Attribute& info = data[NFTA_MATCH_INFO];
      const auto revision = static_cast<std::uint8_t>(data.number(NFTA_MATCH_REV));
      if (!part_passes(data[NFTA_MATCH_NAME].text(), revision, info.data, info.size, packet)) {
        return false;
      }
    } else if (name == "meta") {
      const std::uint32_t key = data.number(NFTA_META_KEY);
      loaded.fill(0);
      if (key == NFT_META_IIFNAME) loaded = packet.in;
      if (key == NFT_META_OIFNAME) loaded = packet.out;
      if (key == NFT_META_MARK) std::memcpy(loaded.data(), &packet.mark, sizeof packet.mark);
      if (key == NFT_META_PKTTYPE) loaded[0] = packet.type;
      if (key == NFT_META_L4PROTO) {
        if (!packet.has_protocol) return false;
        loaded[0] = packet.protocol;
      }
    } else if (name == "payload") {
      const std::size_t offset = data.number(NFTA_PAYLOAD_OFFSET);
      const std::size_t size = data.number(NFTA_PAYLOAD_LEN);
      const bool network = data.number(NFTA_PAYLOAD_BASE) == NFT_PAYLOAD_NETWORK_HEADER;
      const std::size_t all = network ? packet.network.size() : packet.transport.size();
      if (size == 0 || size > loaded.size() || offset + size > all) return std::nullopt;
      if (!network && (packet.fragment || !packet.has_protocol)) return false;
      loaded.fill(0);
      const std::uint8_t* header = network ? packet.network.data() : packet.transport.data();
      std::memcpy(loaded.data(), header + offset, size);
    } else if (name == "bitwise") {
      const Attribute mask = data.value(NFTA_BITWISE_MASK);
      if (mask.size > loaded.size() || mask.size != data.number(NFTA_BITWISE_LEN))
        return std::nullopt;
      for (std::size_t i = 0; i < mask.size; i++) loaded[i] &= mask.data[i];
    } else if (name == "cmp") {
      const Attribute value = data.value(NFTA_CMP_DATA);
      if (value.size == 0 || value.size > loaded.size()) return std::nullopt;
      const int order = std::memcmp(loaded.data(), value.data, value.size);
      bool met = false;
      switch (data.number(NFTA_CMP_OP)) {
        case NFT_CMP_EQ:
          met = order == 0;
          break;
        case NFT_CMP_NEQ:
          met = order != 0;
          break;
        case NFT_CMP_LT:
          met = order < 0;
          break;
        case NFT_CMP_GTE:
          met = order >= 0;
          break;
        case NFT_CMP_LTE:
          met = order <= 0;
          break;
        case NFT_CMP_GT:
          met = order > 0;
          break;
        default:
          return std::nullopt;
      }
      if (!met) return false;
    } else if (name == "range") {
      const Attribute from = data.value(NFTA_RANGE_FROM_DATA);
      const Attribute to = data.value(NFTA_RANGE_TO_DATA);
      if (from.size != 2 || to.size != 2) return std::nullopt;
      const bool inside = std::memcmp(loaded.data(), from.data, 2) >= 0 &&
                          std::memcmp(loaded.data(), to.data, 2) <= 0;
      if (inside == (data.number(NFTA_RANGE_OP) == NFT_RANGE_NEQ)) return false;
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace nf::test
