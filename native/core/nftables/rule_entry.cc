// Puts the parts of a rule into an entry.
#include "core/nftables/rule_entry.h"

#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_tcpudp.h>

#include "core/xtables/entry.h"

namespace nf::nft {
// A field of the head. False if it was there before: an entry has one of each.
bool RuleEntry::once(Field field) {
  // The head of an entry comes before its matches. A match with a state of its own would see other
  // packets.
  if ((fields_ & field) != 0 || has_state_) return false;
  fields_ |= field;
  return true;
}

bool RuleEntry::interface(bool input, Bytes bytes, bool inverted) {
  if (bytes.empty() || bytes.size() > IFNAMSIZ) return false;
  const std::string_view name(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t length = name.find('\0');
  const bool whole = length != std::string_view::npos;
  if (whole) {
    const bool padded = name.find_first_not_of('\0', length) == std::string_view::npos;
    if (length == 0 || !padded) return false;
  } else if (name.size() > IFNAMSIZ - 2) {
    return false;  // an entry has room for the `+` and its NUL
  }
  if (!once(input ? kInput : kOutput)) return false;
  if (whole) {
    put_interface(input, name.substr(0, length), length + 1, inverted);
  } else {
    put_interface(input, std::string(name) + '+', name.size(), inverted);
  }
  return true;
}

bool RuleEntry::any_interface(bool input, bool inverted) {
  if (!once(input ? kInput : kOutput)) return false;
  put_interface(input, "+", 0, inverted);
  return true;
}

void RuleEntry::put_interface(bool input, std::string_view name, std::size_t masked,
                              bool inverted) {
  const std::size_t at = input ? layout_.input : layout_.output;
  std::memcpy(builder_.head() + at, name.data(), name.size());
  std::memset(builder_.head() + xt::Layout::interface_mask(at), 0xff, masked);
  if (inverted) builder_.negate(input ? IPT_INV_VIA_IN : IPT_INV_VIA_OUT);
}

bool RuleEntry::protocol(std::uint8_t number, bool inverted) {
  // An entry has 0 for any protocol.
  if (number == 0 || !once(kProtocol)) return false;
  const std::uint16_t value = number;
  std::memcpy(builder_.head() + layout_.protocol, &value, sizeof value);
  builder_.head()[layout_.flags] |= layout_.protocol_flag;
  if (inverted) {
    builder_.negate(XT_INV_PROTO);
  } else {
    protocol_ = number;
  }
  return true;
}

bool RuleEntry::any_protocol() {
  if (ipv4() || !once(kProtocol)) return false;
  builder_.head()[layout_.flags] |= layout_.protocol_flag;
  return true;
}

bool RuleEntry::address(bool source, Bytes value, const std::optional<Bytes>& mask, bool inverted) {
  if (value.size() > layout_.address_size) return false;
  if (mask && (value.size() != layout_.address_size || mask->size() != value.size())) return false;
  // No packet has bits outside the mask. ip_tables compares them too. ip6_tables does not, so the
  // entry would match what the rule does not.
  if (mask && !ipv4()) {
    for (std::size_t i = 0; i < value.size(); i++) {
      if ((value[i] & ~(*mask)[i]) != 0) return false;
    }
  }
  if (!once(source ? kSource : kDestination)) return false;
  const std::size_t at = source ? layout_.source : layout_.destination;
  std::memcpy(builder_.head() + at, value.data(), value.size());
  std::uint8_t* masked = builder_.head() + layout_.address_mask(at);
  if (mask) {
    std::memcpy(masked, mask->data(), mask->size());
  } else {
    std::memset(masked, 0xff, value.size());
  }
  if (inverted) builder_.negate(source ? IPT_INV_SRCIP : IPT_INV_DSTIP);
  return true;
}

bool RuleEntry::fragment(bool inverted) {
  if (!ipv4() || !once(kFragment)) return false;
  builder_.head()[layout_.flags] |= IPT_F_FRAG;
  if (inverted) builder_.negate(IPT_INV_FRAG);
  return true;
}

void RuleEntry::add(std::string_view name, std::uint8_t revision, Bytes info) {
  open_ = 0;
  last_ = builder_.match(name, revision, info.size());
  if (!info.empty()) std::memcpy(builder_.payload(last_), info.data(), info.size());
}

// The payload of the -m tcp or -m udp that takes this field.
std::uint8_t* RuleEntry::ports_match(Stage stage) {
  if (open_ == 0 || stage_ >= stage) {
    if (protocol_ == IPPROTO_TCP) {
      xt_tcp info{};
      info.spts[1] = info.dpts[1] = UINT16_MAX;
      add("tcp", 0, info);
    } else {
      xt_udp info{};
      info.spts[1] = info.dpts[1] = UINT16_MAX;
      add("udp", 0, info);
    }
    open_ = last_;
  }
  stage_ = stage;
  return builder_.payload(open_);
}

bool RuleEntry::port(bool source, const Ports& ports) {
  if (protocol_ != IPPROTO_TCP && protocol_ != IPPROTO_UDP) return false;
  std::uint8_t* payload = ports_match(source ? kSourcePort : kDestinationPort);
  static_assert(offsetof(xt_tcp, spts) == offsetof(xt_udp, spts));
  static_assert(offsetof(xt_tcp, dpts) == offsetof(xt_udp, dpts));
  const std::uint16_t both[2] = {ports.from, ports.to};
  std::memcpy(payload + (source ? offsetof(xt_tcp, spts) : offsetof(xt_tcp, dpts)), both,
              sizeof both);
  if (!ports.inverted) return true;
  static_assert(XT_TCP_INV_SRCPT == XT_UDP_INV_SRCPT && XT_TCP_INV_DSTPT == XT_UDP_INV_DSTPT);
  const bool tcp = protocol_ == IPPROTO_TCP;
  payload[tcp ? offsetof(xt_tcp, invflags) : offsetof(xt_udp, invflags)] |=
      static_cast<std::uint8_t>(source ? XT_TCP_INV_SRCPT : XT_TCP_INV_DSTPT);
  return true;
}

bool RuleEntry::tcp_flags(std::uint8_t mask, std::uint8_t flags, bool inverted) {
  if (protocol_ != IPPROTO_TCP) return false;
  std::uint8_t* payload = ports_match(kFlags);
  payload[offsetof(xt_tcp, flg_mask)] = mask;
  payload[offsetof(xt_tcp, flg_cmp)] = flags;
  if (inverted) payload[offsetof(xt_tcp, invflags)] |= XT_TCP_INV_FLAGS;
  return true;
}

bool RuleEntry::icmp(std::uint8_t type, std::optional<std::uint8_t> code, bool inverted) {
  // ipt_icmp and ip6t_icmp. The two families have different names for the same bytes.
  struct {
    std::uint8_t type, first_code, last_code, inverted;
  } info{type, code.value_or(0), code.value_or(UINT8_MAX),
         static_cast<std::uint8_t>(inverted ? IPT_ICMP_INV : 0)};
  // For ipt_icmp this type is any.
  if (protocol_ != (ipv4() ? std::uint8_t{IPPROTO_ICMP} : std::uint8_t{IPPROTO_ICMPV6})) {
    return false;
  }
  if (ipv4() && type == UINT8_MAX) return false;
  add(ipv4() ? "icmp" : "icmp6", 0, info);
  return true;
}

bool RuleEntry::mark(std::uint32_t value, std::uint32_t mask, bool inverted) {
  xt_mark_mtinfo1 info{};
  info.mark = value;
  info.mask = mask;
  info.invert = inverted ? 1 : 0;
  add("mark", 1, info);
  return true;
}

bool RuleEntry::packet_type(std::uint8_t type, bool inverted) {
  xt_pkttype_info info{};
  info.pkttype = type;
  info.invert = inverted ? 1 : 0;
  add("pkttype", 0, info);
  return true;
}

bool RuleEntry::limit(std::uint64_t rate, std::uint64_t unit, std::uint32_t burst) {
  // xt_limit has the time between two packets, in units of 100 microseconds.
  constexpr std::uint64_t kWeek = std::uint64_t{7} * 24 * 3600;
  if (rate == 0 || unit == 0 || unit > kWeek) return false;
  const std::uint64_t ticks = XT_LIMIT_SCALE * unit;
  std::uint64_t average = ticks / rate;
  // The rates of iptables come out again. Of any other rate the next lower one is told.
  if (average == 0 || ticks / average != rate) {
    average++;
    lacks("a limit of " + std::to_string(rate) + " packets in " + std::to_string(unit) +
          " seconds");
  }
  if (average > UINT32_MAX) return false;
  xt_rateinfo info{};
  info.avg = static_cast<std::uint32_t>(average);
  info.burst = burst;
  add("limit", 0, info);
  has_state_ = true;
  return true;
}

bool RuleEntry::comment(Bytes text) {
  xt_comment_info info{};
  if (text.empty() || text.back() != 0 || text.size() > sizeof info.comment) return false;
  std::memcpy(info.comment, text.data(), text.size());
  add("comment", 0, info);
  return true;
}

namespace {

// An entry keeps sizes that are a multiple of 8. The kernel's are.
bool is_extension(std::string_view name, Bytes info) {
  return !name.empty() && name.size() < xt::kNameSize && info.size() % 8 == 0;
}

}  // namespace

bool RuleEntry::match(std::string_view name, std::uint8_t revision, Bytes info) {
  if (!is_extension(name, info)) return false;
  add(name, revision, info);
  has_state_ = true;
  return true;
}

bool RuleEntry::count(const xt::Counters& counters) {
  if (counted_) return false;
  counters_ = counters;
  counted_ = true;
  return true;
}

bool RuleEntry::verdict(std::string_view name) {
  ended_ = true;
  standard_ = name;
  return true;
}

bool RuleEntry::jump(std::string_view chain, bool is_goto) {
  ended_ = true;
  standard_ = chain;
  if (is_goto) builder_.head()[layout_.flags] |= layout_.goto_flag;
  // In an entry such a name looks like a verdict.
  return !chain.empty() && is_chain_(chain) && !xt::is_verdict(chain);
}

bool RuleEntry::target(std::string_view name, std::uint8_t revision, Bytes info) {
  ended_ = true;
  target_name_ = name;
  target_revision_ = revision;
  target_info_.assign(info.begin(), info.end());
  if (!is_extension(name, info)) return false;
  // In an entry some targets look like a verdict or a jump.
  const bool as_standard = info.size() == xt::kStandardSize - xt::kHeader && revision == 0;
  return !as_standard || (!is_chain_(name) && !xt::is_verdict(name));
}

// The target is written last: a comment is a match, and is read after the expressions.
bool RuleEntry::finish() {
  if (target_name_.empty()) {
    builder_.standard(standard_);
  } else {
    const std::size_t at = builder_.target(target_name_, target_revision_, target_info_.size());
    if (!target_info_.empty()) {
      std::memcpy(builder_.payload(at), target_info_.data(), target_info_.size());
    }
  }
  return builder_.finish(counters_);
}

}  // namespace nf::nft
