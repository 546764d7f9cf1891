// The matches that have expressions of their own.
#include "core/nftables/write_match.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <netinet/in.h>

#include <array>
#include <iterator>
#include <optional>

namespace nf::nft {
namespace {

constexpr std::size_t kDestinationPort = 2;  // in the header, behind the source port
constexpr std::size_t kTcpFlags = 13;

// The payload if it has the size of this structure in the kernel.
template <typename Info>
std::optional<Info> info_of(Bytes payload) {
  if (payload.size() != XT_ALIGN(sizeof(Info))) return std::nullopt;
  Info info;
  std::memcpy(&info, payload.data(), sizeof info);
  return info;
}

struct PortRange {
  std::uint16_t from;
  std::uint16_t to;
  bool inverted;

  bool all() const { return from == 0 && to == 0xffff; }
  bool any() const { return all() && !inverted; }  // no condition
  bool one() const { return from == to; }
};

std::array<std::uint8_t, 2> bytes_of(std::uint16_t port) {
  return {static_cast<std::uint8_t>(port >> 8), static_cast<std::uint8_t>(port & 0xff)};
}

void write_port(const PortRange& ports, std::size_t offset, ExpressionWriter& out) {
  if (ports.any()) return;
  out.load_packet(NFT_PAYLOAD_TRANSPORT_HEADER, offset, sizeof(std::uint16_t));
  if (ports.one()) {
    out.compare(ports.inverted ? NFT_CMP_NEQ : NFT_CMP_EQ, bytes_of(ports.from));
  } else if (ports.from == 0 && !ports.all()) {
    out.compare(ports.inverted ? NFT_CMP_GT : NFT_CMP_LTE, bytes_of(ports.to));
  } else {
    // No port is in a range from high to low, as in x_tables.
    out.compare_range(ports.inverted, ports.from, ports.to);
  }
}

void write_ports(const PortRange& source, const PortRange& destination, ExpressionWriter& out) {
  const auto single = [](const PortRange& ports) {
    return ports.one() && ports.from != 0 && !ports.inverted;
  };
  if (single(source) && single(destination)) {
    const auto a = bytes_of(source.from);
    const auto b = bytes_of(destination.from);
    const std::array<std::uint8_t, 4> both{a[0], a[1], b[0], b[1]};
    out.load_packet(NFT_PAYLOAD_TRANSPORT_HEADER, 0, both.size());
    out.compare(NFT_CMP_EQ, both);
    return;
  }
  write_port(source, 0, out);
  write_port(destination, kDestinationPort, out);
}

// A limit as a number in a unit, or nothing if both do not give the same time per packet.
struct Rate {
  std::uint32_t count;
  std::uint32_t seconds;
};
std::optional<Rate> rate_of(std::uint32_t each) {
  // iptables takes the smallest unit whose number is near enough.
  constexpr std::uint32_t kUnits[] = {24 * 60 * 60, 60 * 60, 60, 1};
  if (each == 0) return std::nullopt;
  std::size_t unit = 0;
  for (std::size_t next = 1; next < std::size(kUnits); next++) {
    const std::uint32_t ticks = kUnits[next] * XT_LIMIT_SCALE;
    if (each > ticks || ticks / each < ticks % each) break;
    unit = next;
  }
  const std::uint32_t ticks = kUnits[unit] * XT_LIMIT_SCALE;
  const std::uint32_t count = ticks / each;
  if (count == 0 || ticks / count != each) return std::nullopt;
  return Rate{count, kUnits[unit]};
}

}  // namespace

bool MatchWriter::write_tcp(Bytes payload) {
  const auto tcp = info_of<xt_tcp>(payload);
  if (!tcp || tcp->option != 0) return false;
  constexpr unsigned kKnown = XT_TCP_INV_SRCPT | XT_TCP_INV_DSTPT | XT_TCP_INV_FLAGS;
  if ((tcp->invflags & ~kKnown) != 0) return false;
  const PortRange source{tcp->spts[0], tcp->spts[1], (tcp->invflags & XT_TCP_INV_SRCPT) != 0};
  const PortRange destination{tcp->dpts[0], tcp->dpts[1], (tcp->invflags & XT_TCP_INV_DSTPT) != 0};
  const bool not_flags = (tcp->invflags & XT_TCP_INV_FLAGS) != 0;
  const bool flags = not_flags || tcp->flg_mask != 0 || tcp->flg_cmp != 0;
  // Without a condition nothing would be left of the match.
  if (source.any() && destination.any() && !flags) return false;
  if (flags) {
    out_.load_packet(NFT_PAYLOAD_TRANSPORT_HEADER, kTcpFlags, 1);
    out_.mask(Bytes(&tcp->flg_mask, 1));
    out_.compare(not_flags ? NFT_CMP_NEQ : NFT_CMP_EQ, Bytes(&tcp->flg_cmp, 1));
  }
  write_ports(source, destination, out_);
  return true;
}

bool MatchWriter::write_udp(Bytes payload) {
  const auto udp = info_of<xt_udp>(payload);
  if (!udp || (udp->invflags & ~XT_UDP_INV_MASK) != 0) return false;
  const PortRange source{udp->spts[0], udp->spts[1], (udp->invflags & XT_UDP_INV_SRCPT) != 0};
  const PortRange destination{udp->dpts[0], udp->dpts[1], (udp->invflags & XT_UDP_INV_DSTPT) != 0};
  if (source.any() && destination.any()) return false;
  write_ports(source, destination, out_);
  return true;
}

bool MatchWriter::write_mark(Bytes payload) {
  const auto mark = info_of<xt_mark_mtinfo1>(payload);
  // The kernel combines the inversion by exclusive or: other numbers than 1 always match.
  if (!mark || mark->invert > 1) return false;
  std::array<std::uint8_t, sizeof mark->mark> value;
  std::array<std::uint8_t, sizeof mark->mask> mask;
  std::memcpy(value.data(), &mark->mark, sizeof mark->mark);
  std::memcpy(mask.data(), &mark->mask, sizeof mark->mask);
  out_.load_meta(NFT_META_MARK);
  if (mark->mask != 0xffffffff) out_.mask(mask);
  out_.compare(mark->invert != 0 ? NFT_CMP_NEQ : NFT_CMP_EQ, value);
  return true;
}

bool MatchWriter::write_limit(Bytes payload) {
  const auto limit = info_of<xt_rateinfo>(payload);
  // nf_tables takes a burst of 0 for 5.
  if (!limit || limit->burst == 0) return false;
  const auto rate = rate_of(limit->avg);
  if (!rate) return false;
  out_.limit(rate->count, rate->seconds, limit->burst);
  return true;
}

const char* MatchWriter::write(const xt::Part& part, Bytes payload) {
  const std::string_view name = part.name;
  const bool tcp = name == "tcp";
  const bool udp = name == "udp";
  // ip_tables refuses it too. ip6_tables does not, if the flag of the protocol is missing: then the
  // match reads its ports from the IPv6 header.
  if (tcp && protocol_ != IPPROTO_TCP) return "the match tcp needs the protocol tcp";
  if (udp && protocol_ != IPPROTO_UDP) return "the match udp needs the protocol udp";
  bool written = false;
  if (tcp || udp) {
    if (part.revision == 0 && !has_ports_) written = tcp ? write_tcp(payload) : write_udp(payload);
    if (written) has_ports_ = true;
  } else if (name == "mark") {
    written = part.revision == 1 && write_mark(payload);
  } else if (name == "limit") {
    written = part.revision == 0 && write_limit(payload);
  }
  if (!written) out_.match(name, part.revision, payload);
  return nullptr;
}

}  // namespace nf::nft
