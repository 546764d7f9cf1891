// Reads the expressions of a rule one after the other: a value is loaded, perhaps masked, and then
// compared; other expressions stand for themselves.
#include "core/nftables/read_rule.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>

#include <algorithm>
#include <utility>

#include "core/nftables/expressions.h"

namespace nf::nft {
namespace {

constexpr std::uint32_t kBitwiseMaskXor = 0;  // NFT_BITWISE_BOOL (NFT_BITWISE_MASK_XOR)
constexpr std::uint8_t kUserComment = 0;      // NFTNL_UDATA_RULE_COMMENT
// What iptables-nft compares names with where no interface may match (`! -i +`).
constexpr char kNoInterfaceText[] = "INVAL/D";
constexpr std::string_view kNoInterface{kNoInterfaceText, sizeof kNoInterfaceText};  // with its NUL

// A value in a register, on its way to a comparison.
struct Load {
  enum Kind : std::uint8_t { kNone, kMeta, kPayload, kValue };
  Kind kind = kNone;
  std::uint32_t reg = 0;
  std::uint32_t key = 0;  // NFT_META_*, NFT_PAYLOAD_*
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
  std::uint8_t value = 0;  // of kValue
  std::optional<Bytes> mask;
};

template <typename T>
T as(Bytes bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
  return value;
}
std::uint16_t port_of(Bytes bytes) { return ntohs(as<std::uint16_t>(bytes)); }

// The ports that pass the comparison. Nothing if iptables has no words for them.
std::optional<Ports> ports_of(std::uint32_t op, std::uint16_t port) {
  switch (op) {
    case NFT_CMP_EQ:
      return Ports{port, port, false};
    case NFT_CMP_NEQ:
      return Ports{port, port, true};
    case NFT_CMP_LTE:
      return Ports{0, port, false};
    case NFT_CMP_GT:  // how iptables-nft writes `! 0:port`
      return Ports{0, port, true};
    case NFT_CMP_LT:
      if (port == 0) return std::nullopt;
      return Ports{0, static_cast<std::uint16_t>(port - 1), false};
    case NFT_CMP_GTE:
      if (port == 0) return std::nullopt;
      return Ports{port, UINT16_MAX, false};
    default:
      return std::nullopt;
  }
}

class RuleReader {
 public:
  RuleReader(const xt::Layout& layout, const IsChain& is_chain, std::vector<std::uint8_t>& entries)
      : entry_(layout, is_chain, entries) {}

  RuleReading read(const Rule& rule) {
    std::string names;
    bool known = true;
    const bool whole = rule.expressions.each([&](const Expression& expression) {
      if (!names.empty()) names += ' ';
      names += expression.name;
      known = known && take(expression);
      // The counters of foreign rules are wanted too.
      if (!known && expression.name == "counter") count(CounterNest(expression.data));
    });
    known = known && whole && settle() && user_data(rule.user_data) && entry_.finish();
    if (!known) {
      entry_.blank();
      return {Reading::kForeign, std::move(names)};
    }
    if (!entry_.lacking().empty()) return {Reading::kInexact, std::move(entry_.lacking())};
    return {};
  }

 private:
  // The methods return false if something makes the rule foreign.

  bool take(const Expression& expression) {
    const std::string_view name = expression.name;
    if (entry_.ended()) return false;
    if (name == "cmp") return compare(CompareNest(expression.data));
    if (name == "range") return range(RangeNest(expression.data));
    if (name == "bitwise") return mask(BitwiseNest(expression.data));
    if (name == "meta") return meta(MetaNest(expression.data));
    if (!settle()) return false;
    if (name == "immediate") return immediate(ImmediateNest(expression.data));
    if (name == "target") return target(ExtensionNest(expression.data));
    if (name == "log") return log(LogNest(expression.data));
    if (name == "counter") return count(CounterNest(expression.data));
    if (!entry_.may_match()) return false;
    if (name == "payload") return payload(PayloadNest(expression.data));
    if (name == "match") return match(ExtensionNest(expression.data));
    if (name == "limit") return limit(LimitNest(expression.data));
    return false;
  }

  // A load that nothing used. iptables-nft loads the name of an interface for `-i +`, and compares
  // nothing. A load of the protocol is `-p all` of IPv6.
  bool settle() {
    const Load load = std::exchange(load_, Load{});
    if (load.kind == Load::kNone) return true;
    if (load.kind != Load::kMeta || load.mask) return false;
    switch (load.key) {
      case NFT_META_IIFNAME:
        return entry_.any_interface(true, false);
      case NFT_META_OIFNAME:
        return entry_.any_interface(false, false);
      case NFT_META_L4PROTO:
        return entry_.any_protocol();
      default:
        return false;
    }
  }

  // ---- loads ----

  bool meta(const MetaNest& nest) {
    const auto key = nest.be32(NFTA_META_KEY);
    if (nest.strange() || !key) return false;
    if (nest.has(NFTA_META_SREG)) return set_meta(nest, *key);
    const auto reg = nest.be32(NFTA_META_DREG);
    if (!reg || !settle() || !entry_.may_match()) return false;
    load_.kind = Load::kMeta;
    load_.reg = *reg;
    load_.key = *key;
    return true;
  }

  // `meta nftrace set 1` is TRACE.
  bool set_meta(const MetaNest& nest, std::uint32_t key) {
    if (nest.has(NFTA_META_DREG) || key != NFT_META_NFTRACE) return false;
    if (load_.kind != Load::kValue || load_.value != 1) return false;
    if (nest.be32(NFTA_META_SREG) != load_.reg) return false;
    load_ = {};
    return entry_.target("TRACE", 0, {});
  }

  bool payload(const PayloadNest& nest) {
    const auto reg = nest.be32(NFTA_PAYLOAD_DREG);
    const auto base = nest.be32(NFTA_PAYLOAD_BASE);
    const auto offset = nest.be32(NFTA_PAYLOAD_OFFSET);
    const auto length = nest.be32(NFTA_PAYLOAD_LEN);
    if (nest.strange() || !reg || !base || !offset || !length) return false;
    load_.kind = Load::kPayload;
    load_.reg = *reg;
    load_.key = *base;
    load_.offset = *offset;
    load_.length = *length;
    return true;
  }

  bool mask(const BitwiseNest& nest) {
    if (load_.kind != Load::kMeta && load_.kind != Load::kPayload) return false;
    if (nest.strange() || load_.mask) return false;
    if (nest.be32(NFTA_BITWISE_SREG) != load_.reg || nest.be32(NFTA_BITWISE_DREG) != load_.reg) {
      return false;
    }
    constexpr std::size_t kOperation = 6;  // NFTA_BITWISE_OP; absent before 5.6
    if (nest.has(kOperation) && nest.be32(kOperation) != kBitwiseMaskXor) return false;
    const auto length = nest.be32(NFTA_BITWISE_LEN);
    const auto mask = nest.value(NFTA_BITWISE_MASK);
    const auto flip = nest.value(NFTA_BITWISE_XOR);
    if (!length || !mask || !flip || mask->size() != *length || flip->size() != *length) {
      return false;
    }
    if (std::any_of(flip->begin(), flip->end(), [](std::uint8_t byte) { return byte != 0; })) {
      return false;
    }
    load_.mask = mask;
    return true;
  }

  // ---- comparisons ----

  bool compare(const CompareNest& nest) {
    const auto op = nest.be32(NFTA_CMP_OP);
    const auto data = nest.value(NFTA_CMP_DATA);
    if (nest.strange() || !op || !data || data->empty()) return false;
    if (nest.be32(NFTA_CMP_SREG) != load_.reg) return false;
    const Load load = std::exchange(load_, Load{});
    if (load.kind == Load::kMeta) return compare_meta(load, *op, *data);
    if (load.kind != Load::kPayload || data->size() != load.length) return false;
    if (load.mask && load.mask->size() != load.length) return false;
    if (load.key == NFT_PAYLOAD_NETWORK_HEADER) return compare_network(load, *op, *data);
    if (load.key == NFT_PAYLOAD_TRANSPORT_HEADER) return compare_transport(load, *op, *data);
    return false;
  }

  bool compare_meta(const Load& load, std::uint32_t op, Bytes data) {
    if (op != NFT_CMP_EQ && op != NFT_CMP_NEQ) return false;
    const bool inverted = op == NFT_CMP_NEQ;
    if (load.key == NFT_META_MARK) {
      if (data.size() != 4 || (load.mask && load.mask->size() != 4)) return false;
      const std::uint32_t mask = load.mask ? as<std::uint32_t>(*load.mask) : UINT32_MAX;
      return entry_.mark(as<std::uint32_t>(data), mask, inverted);
    }
    if (load.mask) return false;
    switch (load.key) {
      case NFT_META_L4PROTO:
        return data.size() == 1 && entry_.protocol(data[0], inverted);
      case NFT_META_PKTTYPE:
        return data.size() == 1 && entry_.packet_type(data[0], inverted);
      case NFT_META_IIFNAME:
      case NFT_META_OIFNAME:
        return compare_name(load.key == NFT_META_IIFNAME, data, inverted);
      default:
        return false;
    }
  }

  bool compare_name(bool input, Bytes data, bool inverted) {
    const std::string_view name(reinterpret_cast<const char*>(data.data()), data.size());
    const bool none = name.starts_with(kNoInterface) &&
                      name.find_first_not_of('\0', kNoInterface.size()) == std::string_view::npos;
    if (none && !inverted) return entry_.any_interface(input, true);
    return entry_.interface(input, data, inverted);
  }

  bool compare_network(const Load& load, std::uint32_t op, Bytes data) {
    if (op != NFT_CMP_EQ && op != NFT_CMP_NEQ) return false;
    const bool inverted = op == NFT_CMP_NEQ;
    const bool ipv4 = entry_.ipv4();
    const std::size_t source = ipv4 ? offsetof(iphdr, saddr) : offsetof(ip6_hdr, ip6_src);
    const std::size_t destination = ipv4 ? offsetof(iphdr, daddr) : offsetof(ip6_hdr, ip6_dst);
    if (load.offset == source) return entry_.address(true, data, load.mask, inverted);
    if (load.offset == destination) return entry_.address(false, data, load.mask, inverted);
    if (!ipv4) return false;
    if (load.offset == offsetof(iphdr, protocol)) {
      return !load.mask && data.size() == 1 && entry_.protocol(data[0], inverted);
    }
    if (load.offset != offsetof(iphdr, frag_off)) return false;
    // Fragments after the first have an offset.
    if (data.size() != 2 || port_of(data) != 0 || !load.mask) return false;
    return port_of(*load.mask) == IP_OFFMASK && entry_.fragment(!inverted);
  }

  bool compare_transport(const Load& load, std::uint32_t op, Bytes data) {
    const bool inverted = op == NFT_CMP_NEQ;
    const bool equal = op == NFT_CMP_EQ || inverted;
    constexpr std::uint32_t kFlagsOffset = 13;  // of a TCP header
    const std::uint8_t protocol = entry_.known_protocol();
    if (protocol == IPPROTO_TCP && load.offset == kFlagsOffset && data.size() == 1 && equal) {
      return entry_.tcp_flags(load.mask ? (*load.mask)[0] : UINT8_MAX, data[0], inverted);
    }
    if (load.mask) return false;
    if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) {
      if (data.size() == 2 && (load.offset == 0 || load.offset == 2)) {
        const auto ports = ports_of(op, port_of(data));
        return ports && entry_.port(load.offset == 0, *ports);
      }
      return data.size() == 4 && load.offset == 0 && equal && both_ports(data, inverted);
    }
    if (load.offset != 0 || !equal || data.size() > 2) return false;
    return entry_.icmp(data[0], data.size() == 2 ? std::optional(data[1]) : std::nullopt, inverted);
  }

  bool both_ports(Bytes data, bool inverted) {
    const std::uint16_t source = port_of(data);
    const std::uint16_t destination = port_of(data.subspan(2));
    if (inverted) {
      // iptables-nft writes this for a rule that negates each of them.
      entry_.lacks("a negated pair of ports: it matches unless both are equal");
    }
    return entry_.port(true, {source, source, inverted}) &&
           entry_.port(false, {destination, destination, inverted});
  }

  bool range(const RangeNest& nest) {
    const auto op = nest.be32(NFTA_RANGE_OP);
    const auto from = nest.value(NFTA_RANGE_FROM_DATA);
    const auto to = nest.value(NFTA_RANGE_TO_DATA);
    if (nest.strange() || !op || !from || !to || from->size() != 2 || to->size() != 2) return false;
    if (nest.be32(NFTA_RANGE_SREG) != load_.reg) return false;
    const Load load = std::exchange(load_, Load{});
    if (load.kind != Load::kPayload || load.key != NFT_PAYLOAD_TRANSPORT_HEADER || load.mask) {
      return false;
    }
    if (load.length != 2 || (load.offset != 0 && load.offset != 2)) return false;
    if (*op != NFT_RANGE_EQ && *op != NFT_RANGE_NEQ) return false;
    return entry_.port(load.offset == 0, {port_of(*from), port_of(*to), *op == NFT_RANGE_NEQ});
  }

  // ---- expressions that stand for themselves ----

  struct Extension {
    std::string_view name;
    std::uint8_t revision;
    Bytes info;
  };
  static std::optional<Extension> extension(const ExtensionNest& nest) {
    const auto name = nest.text(kExtensionName);
    const auto revision = nest.be32(kExtensionRevision);
    const auto info = nest.bytes(kExtensionInfo);
    if (nest.strange() || !name || !revision || !info || *revision > UINT8_MAX) {
      return std::nullopt;
    }
    return Extension{*name, static_cast<std::uint8_t>(*revision), *info};
  }

  bool match(const ExtensionNest& nest) {
    const auto found = extension(nest);
    return found && entry_.match(found->name, found->revision, found->info);
  }
  bool target(const ExtensionNest& nest) {
    const auto found = extension(nest);
    return found && entry_.target(found->name, found->revision, found->info);
  }

  bool immediate(const ImmediateNest& nest) {
    const auto reg = nest.be32(NFTA_IMMEDIATE_DREG);
    if (nest.strange() || !reg || !nest.has(NFTA_IMMEDIATE_DATA)) return false;
    const Nest<NFTA_DATA_VERDICT> data(nest.at(NFTA_IMMEDIATE_DATA));
    if (data.strange()) return false;
    if (data.has(NFTA_DATA_VERDICT)) {
      return *reg == NFT_REG_VERDICT && verdict(VerdictNest(data.at(NFTA_DATA_VERDICT)));
    }
    const auto value = data.bytes(NFTA_DATA_VALUE);
    if (!value || value->size() != 1) return false;
    load_.kind = Load::kValue;
    load_.reg = *reg;
    load_.value = (*value)[0];
    return true;
  }

  bool verdict(const VerdictNest& nest) {
    const auto code = nest.be32(NFTA_VERDICT_CODE);
    if (nest.strange() || !code) return false;
    switch (static_cast<std::int32_t>(*code)) {
      case NF_ACCEPT:
        return entry_.verdict("ACCEPT");
      case NF_DROP:
        return entry_.verdict("DROP");
      case NFT_RETURN:
        return entry_.verdict("RETURN");
      case NFT_JUMP:
        return entry_.jump(nest.text(NFTA_VERDICT_CHAIN).value_or(""), false);
      case NFT_GOTO:
        return entry_.jump(nest.text(NFTA_VERDICT_CHAIN).value_or(""), true);
      default:
        return false;
    }
  }

  bool count(const CounterNest& nest) {
    const auto packets = nest.be64(NFTA_COUNTER_PACKETS);
    const auto bytes = nest.be64(NFTA_COUNTER_BYTES);
    return !nest.strange() && packets && bytes && entry_.count({*packets, *bytes});
  }

  bool limit(const LimitNest& nest) {
    const auto rate = nest.be64(NFTA_LIMIT_RATE);
    const auto unit = nest.be64(NFTA_LIMIT_UNIT);
    const auto burst = nest.be32(NFTA_LIMIT_BURST);
    if (nest.strange() || !rate || !unit || !burst) return false;
    if (nest.be32(NFTA_LIMIT_TYPE).value_or(NFT_LIMIT_PKTS) != NFT_LIMIT_PKTS) return false;
    if (nest.be32(NFTA_LIMIT_FLAGS).value_or(0) != 0) return false;
    return entry_.limit(*rate, *unit, *burst);
  }

  bool log(const LogNest& nest) {
    const auto group = nest.be16(NFTA_LOG_GROUP);
    if (nest.strange() || !group || nest.has(NFTA_LOG_LEVEL) || nest.has(NFTA_LOG_FLAGS)) {
      return false;
    }
    xt_nflog_info info{};
    info.group = *group;
    if (nest.has(NFTA_LOG_SNAPLEN)) {
      const auto length = nest.be32(NFTA_LOG_SNAPLEN);
      if (!length) return false;
      info.len = *length;
      info.flags = XT_NFLOG_F_COPY_LEN;
    }
    if (nest.has(NFTA_LOG_QTHRESHOLD)) {
      const auto threshold = nest.be16(NFTA_LOG_QTHRESHOLD);
      if (!threshold) return false;
      info.threshold = *threshold;
    }
    const std::string_view prefix = nest.text(NFTA_LOG_PREFIX).value_or("");
    if (prefix.size() >= sizeof info.prefix) {
      entry_.lacks("a longer prefix than NFLOG can have: " + std::string(prefix));
    }
    prefix.copy(info.prefix, sizeof info.prefix - 1);
    std::uint8_t padded[xt::align8(sizeof info)] = {};
    std::memcpy(padded, &info, sizeof info);
    return entry_.target("NFLOG", 0, padded);
  }

  // What older releases, and the nft tool, have beside the expressions: type, length, value.
  bool user_data(Bytes data) {
    while (data.size() >= 2) {
      const std::size_t length = data[1];
      const bool is_comment = data[0] == kUserComment;
      data = data.subspan(2);
      if (length > data.size()) return false;
      if (is_comment && !entry_.comment(data.first(length))) return false;
      data = data.subspan(length);
    }
    return data.empty();
  }

  RuleEntry entry_;
  Load load_;
};

}  // namespace

RuleReading read_rule(const xt::Layout& layout, const Rule& rule, const IsChain& is_chain,
                      std::vector<std::uint8_t>& entries) {
  return RuleReader(layout, is_chain, entries).read(rule);
}

}  // namespace nf::nft
