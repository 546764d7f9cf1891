// The head of an entry.
#include "core/nftables/write_head.h"

#include <linux/netfilter/nf_tables.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>

#include <algorithm>
#include <array>

namespace nf::nft {
namespace {

// The inversions are the same bits in both families.
static_assert(IPT_INV_VIA_IN == IP6T_INV_VIA_IN && IPT_INV_VIA_OUT == IP6T_INV_VIA_OUT);
static_assert(IPT_INV_SRCIP == IP6T_INV_SRCIP && IPT_INV_DSTIP == IP6T_INV_DSTIP);
static_assert(IPT_INV_PROTO == IP6T_INV_PROTO && IPT_INV_MASK == IP6T_INV_MASK);

// Where ipt_ip and ip6t_ip6 have a field that both have.
struct HeadPlaces {
  std::size_t address_size;
  std::size_t source, destination, source_mask, destination_mask;
  std::size_t in, out, in_mask, out_mask;
  std::size_t protocol, flags, inversions;
  std::size_t packet_source, packet_destination;  // in the network header
};
constexpr std::size_t kIp = offsetof(ipt_entry, ip);
constexpr HeadPlaces kPlaces4{
    sizeof(in_addr),
    kIp + offsetof(ipt_ip, src),
    kIp + offsetof(ipt_ip, dst),
    kIp + offsetof(ipt_ip, smsk),
    kIp + offsetof(ipt_ip, dmsk),
    kIp + offsetof(ipt_ip, iniface),
    kIp + offsetof(ipt_ip, outiface),
    kIp + offsetof(ipt_ip, iniface_mask),
    kIp + offsetof(ipt_ip, outiface_mask),
    kIp + offsetof(ipt_ip, proto),
    kIp + offsetof(ipt_ip, flags),
    kIp + offsetof(ipt_ip, invflags),
    offsetof(iphdr, saddr),
    offsetof(iphdr, daddr),
};
constexpr std::size_t kIp6 = offsetof(ip6t_entry, ipv6);
constexpr HeadPlaces kPlaces6{
    sizeof(in6_addr),
    kIp6 + offsetof(ip6t_ip6, src),
    kIp6 + offsetof(ip6t_ip6, dst),
    kIp6 + offsetof(ip6t_ip6, smsk),
    kIp6 + offsetof(ip6t_ip6, dmsk),
    kIp6 + offsetof(ip6t_ip6, iniface),
    kIp6 + offsetof(ip6t_ip6, outiface),
    kIp6 + offsetof(ip6t_ip6, iniface_mask),
    kIp6 + offsetof(ip6t_ip6, outiface_mask),
    kIp6 + offsetof(ip6t_ip6, proto),
    kIp6 + offsetof(ip6t_ip6, flags),
    kIp6 + offsetof(ip6t_ip6, invflags),
    offsetof(ip6_hdr, ip6_src),
    offsetof(ip6_hdr, ip6_dst),
};

std::uint32_t equal_unless(bool inverted) { return inverted ? NFT_CMP_NEQ : NFT_CMP_EQ; }

bool all_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](auto byte) { return byte == 0; });
}

const char* write_interface(const Head::Interface& interface, std::uint32_t key,
                            ExpressionWriter& out) {
  const Bytes name = interface.name;
  const Bytes mask = interface.mask;
  const auto whole = std::find_if(mask.begin(), mask.end(), [](auto byte) { return byte != 0xff; });
  const auto compared = static_cast<std::size_t>(whole - mask.begin());
  if (!all_zero(mask.subspan(compared))) return "an interface mask is no prefix";
  if (compared == 0) {
    // Every name passes, or none if it is inverted.
    static constexpr std::uint8_t kNoDevice[] = {'I', 'N', 'V', 'A', 'L', '/', 'D', 0};
    const bool plus = name[0] == '+' && name[1] == 0;
    if (plus || interface.inverted) out.load_meta(key);
    if (interface.inverted) out.compare(NFT_CMP_EQ, kNoDevice);
    return nullptr;
  }
  const auto end = std::find(name.begin(), name.end(), 0);
  const auto length = static_cast<std::size_t>(end - name.begin());
  if (length == name.size() && compared == name.size()) return "an interface name does not end";
  std::size_t size = compared;
  std::array<std::uint8_t, IFNAMSIZ> bytes{};
  if (length < compared) {
    // A name with its NUL. What follows is zero in nf_tables, whatever the kernel has there.
    if (length == 0) return "an interface name is empty";
    if (!all_zero(name.subspan(length, compared - length))) {
      return "an interface name goes on behind its end";
    }
    size = length + 1;
  } else if (compared == IFNAMSIZ - 1) {
    // Only the NUL can follow.
    size = IFNAMSIZ;
  }
  std::copy_n(name.begin(), std::min(size, compared), bytes.begin());
  out.load_meta(key);
  out.compare(equal_unless(interface.inverted), Bytes(bytes).first(size));
  return nullptr;
}

void write_address(const Head::Address& address, ExpressionWriter& out) {
  const Bytes mask = address.mask;
  // Bits outside the mask: ip_tables compares them too, with the zeros that the mask leaves, and so
  // no packet has such an address. ip6_tables compares only under the mask.
  std::array<std::uint8_t, sizeof(in6_addr)> value{};
  std::copy(address.value.begin(), address.value.end(), value.begin());
  bool outside = false;
  for (std::size_t i = 0; i < mask.size(); i++) {
    if (address.only_under_mask) value[i] &= mask[i];
    outside |= (value[i] & ~mask[i]) != 0;
  }
  if (!address.inverted && !outside && all_zero(mask)) return;
  const auto whole = std::find_if(mask.begin(), mask.end(), [](auto byte) { return byte != 0xff; });
  const auto bytes = static_cast<std::size_t>(whole - mask.begin());
  // A mask of whole bytes needs no mask: fewer bytes are loaded.
  const bool masked = outside || bytes == 0 || !all_zero(mask.subspan(bytes));
  const std::size_t size = masked ? mask.size() : bytes;
  out.load_packet(NFT_PAYLOAD_NETWORK_HEADER, address.offset, size);
  if (masked) out.mask(mask);
  out.compare(equal_unless(address.inverted), Bytes(value).first(size));
}

void write_fragments(bool inverted, ExpressionWriter& out) {
  static constexpr std::uint8_t kOffset[] = {0x1f, 0xff};  // the bits of the fragment's offset
  static constexpr std::uint8_t kFirst[] = {0, 0};
  out.load_packet(NFT_PAYLOAD_NETWORK_HEADER, offsetof(iphdr, frag_off), sizeof kOffset);
  out.mask(kOffset);
  out.compare(equal_unless(!inverted), kFirst);
}

}  // namespace

const char* read_head(const xt::Layout& layout, const std::uint8_t* entry, Head& out) {
  const bool ipv6 = layout.family == AF_INET6;
  const HeadPlaces& at = ipv6 ? kPlaces6 : kPlaces4;
  const std::uint8_t flags = entry[at.flags];
  out.inversions = entry[at.inversions];
  if ((flags & ~(ipv6 ? IP6T_F_MASK : IPT_F_MASK)) != 0 || (out.inversions & ~IPT_INV_MASK) != 0) {
    return "a rule has unknown flags";
  }
  out.is_goto = (flags & layout.goto_flag) != 0;
  const bool counts = !ipv6 || (flags & IP6T_F_PROTO) != 0;
  out.protocol = counts ? xt::load16(entry + at.protocol) : std::uint16_t{0};
  if (out.protocol > 0xff) return "a protocol is greater than 255";
  out.has_protocol = ipv6 && counts;
  out.fragments = !ipv6 && (flags & IPT_F_FRAG) != 0;
  // ip_tables takes this for a condition that no packet meets. ip6_tables does not look at it.
  if (!ipv6 && !out.fragments && out.inverted(IPT_INV_FRAG)) return "-f is inverted but not there";
  const auto address = [&](std::size_t value, std::size_t mask, std::size_t offset, unsigned bit) {
    return Head::Address{Bytes(entry + value, at.address_size),
                         Bytes(entry + mask, at.address_size), offset, out.inverted(bit), ipv6};
  };
  const auto interface = [&](std::size_t name, std::size_t mask, unsigned bit) {
    return Head::Interface{Bytes(entry + name, IFNAMSIZ), Bytes(entry + mask, IFNAMSIZ),
                           out.inverted(bit)};
  };
  out.source = address(at.source, at.source_mask, at.packet_source, IPT_INV_SRCIP);
  out.destination =
      address(at.destination, at.destination_mask, at.packet_destination, IPT_INV_DSTIP);
  out.in = interface(at.in, at.in_mask, IPT_INV_VIA_IN);
  out.out = interface(at.out, at.out_mask, IPT_INV_VIA_OUT);
  return nullptr;
}

const char* write_head(const Head& head, ExpressionWriter& out) {
  if (const char* why = write_interface(head.in, NFT_META_IIFNAME, out); why != nullptr) return why;
  if (const char* why = write_interface(head.out, NFT_META_OIFNAME, out); why != nullptr) {
    return why;
  }
  if (head.protocol != 0 || head.has_protocol) out.load_meta(NFT_META_L4PROTO);
  if (head.protocol != 0) {
    const auto number = static_cast<std::uint8_t>(head.protocol);
    out.compare(equal_unless(head.inverted(IPT_INV_PROTO)), Bytes(&number, 1));
  }
  write_address(head.source, out);
  write_address(head.destination, out);
  if (head.fragments) write_fragments(head.inverted(IPT_INV_FRAG), out);
  return nullptr;
}

}  // namespace nf::nft
