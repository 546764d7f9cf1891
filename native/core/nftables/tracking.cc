// nf_tables: which of its rules, sets and objects ask for connection tracking, and which chains
// register the hooks that translate. Tables of iptables-nft are read the same way.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "core/netlink/walk.h"
#include "core/tracking_rules.h"

namespace nf {
namespace {

constexpr const char* kOperation = "conntrack tracking";

// linux/netfilter/nf_tables.h; headers before 5.11 lack the lists, before 5.4 the last objects.
enum : std::uint16_t {
  kSetExpression = 17,     // NFTA_SET_EXPR
  kSetExpressions = 18,    // NFTA_SET_EXPRESSIONS
  kDynsetExpression = 7,   // NFTA_DYNSET_EXPR
  kDynsetExpressions = 10  // NFTA_DYNSET_EXPRESSIONS
};
constexpr std::uint32_t kTableDormant = 1;  // NFT_TABLE_F_DORMANT

std::string text_of(const Attribute& attribute) {
  const auto* text = reinterpret_cast<const char*>(attribute.data);
  return {text, ::strnlen(text, attribute.size)};
}

const char* family_name(std::uint8_t family) {
  switch (family) {
    case NFPROTO_INET:
      return "inet";
    case NFPROTO_IPV4:
      return "ip";
    case NFPROTO_IPV6:
      return "ip6";
    case NFPROTO_BRIDGE:
      return "bridge";
    case NFPROTO_ARP:
      return "arp";
    case NFPROTO_NETDEV:
      return "netdev";
    default:
      return "?";
  }
}

// nft_objref.c leads to these: each registers hooks when it is made, used by a rule or not
// (nft_ct.c, nft_connlimit.c, nft_synproxy.c).
const char* tracking_object(std::uint32_t type) {
  switch (type) {
    case 3:
      return "ct helper object";
    case 5:
      return "ct count object";
    case 7:
      return "ct timeout object";
    case 9:
      return "ct expectation object";
    case 10:
      return "synproxy object";
    default:
      return nullptr;
  }
}

class NftScan {
 public:
  NftScan(Socket& socket, TrackingReport& report) : socket_(socket), report_(report) {}

  void run() {
    // A refusal of the first is one of all: what comes after is not asked.
    if (!read(NFT_MSG_GETTABLE, &NftScan::table)) return;
    read(NFT_MSG_GETCHAIN, &NftScan::chain);
    read(NFT_MSG_GETRULE, &NftScan::rule);
    read(NFT_MSG_GETSET, &NftScan::set);
    read(NFT_MSG_GETOBJ, &NftScan::object);
  }

 private:
  using Each = void (NftScan::*)(std::uint8_t, AttributeCursor);

  bool read(std::uint16_t message, Each each) {
    WalkRequest request;
    request.type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message);
    auto walked = walk(
        socket_, request, nullptr, kOperation,
        [&] {
          if (message == NFT_MSG_GETTABLE) dormant_.clear();
        },
        [&](std::uint8_t family, AttributeCursor attributes) {
          (this->*each)(family, attributes);
        });
    if (walked) return true;
    // EINVAL, EOPNOTSUPP: no nf_tables in this kernel, so nothing of it asks for tracking.
    const int code = walked.error().code;
    if (code != EINVAL && code != EOPNOTSUPP) {
      mark_unknown(report_, AF_UNSPEC, std::string("nftables: ") + std::strerror(code));
    }
    return false;
  }

  void found(HookReport& use, std::uint8_t hooks, std::uint8_t family, const std::string& table,
             const std::string& what) {
    mark_found(use, hooks,
               std::string("nftables ") + family_name(family) + " " + table + ": " + what);
  }

  void table(std::uint8_t family, AttributeCursor attributes) {
    std::string name;
    std::uint32_t flags = 0;
    for (Attribute a; attributes.next(a);) {
      if (a.type == NFTA_TABLE_NAME) name = text_of(a);
      if (a.type == NFTA_TABLE_FLAGS && a.size >= 4) flags = a.be32();
    }
    if ((flags & kTableDormant) != 0) dormant_.push_back({family, name});
  }

  // A base chain of type nat registers the hooks that translate, empty as it may be
  // (nft_chain_nat.c), unless its table sleeps; it does not register those that track.
  void chain(std::uint8_t family, AttributeCursor attributes) {
    std::string table;
    bool nat = false;
    bool base = false;
    for (Attribute a; attributes.next(a);) {
      if (a.type == NFTA_CHAIN_TABLE) table = text_of(a);
      if (a.type == NFTA_CHAIN_TYPE) nat = text_of(a) == "nat";
      if (a.type == NFTA_CHAIN_HOOK) base = true;
    }
    const bool sleeps = std::ranges::any_of(
        dormant_, [&](const Dormant& d) { return d.family == family && d.name == table; });
    if (nat && base && !sleeps) found(report_.nat, family, family, table, "nat chain");
  }

  void rule(std::uint8_t family, AttributeCursor attributes) {
    scan_holder(family, attributes, NFTA_RULE_TABLE, 0, NFTA_RULE_EXPRESSIONS);
  }
  // A set whose elements each get an expression: it is made once for the set itself.
  void set(std::uint8_t family, AttributeCursor attributes) {
    scan_holder(family, attributes, NFTA_SET_TABLE, kSetExpression, kSetExpressions);
  }

  void object(std::uint8_t family, AttributeCursor attributes) {
    std::string table;
    const char* what = nullptr;
    for (Attribute a; attributes.next(a);) {
      if (a.type == NFTA_OBJ_TABLE) table = text_of(a);
      if (a.type == NFTA_OBJ_TYPE && a.size >= 4) what = tracking_object(a.be32());
    }
    if (what != nullptr) found(report_.tracking, family, family, table, what);
  }

  // The expressions of a rule, a set or a dynset expression: one alone, or a list.
  void scan_holder(std::uint8_t family, AttributeCursor attributes, std::uint16_t table_type,
                   std::uint16_t one, std::uint16_t many) {
    if (table_type != 0) {
      AttributeCursor names = attributes;
      for (Attribute a; names.next(a);) {
        if (a.type == table_type) table_ = text_of(a);
      }
    }
    for (Attribute a; attributes.next(a);) {
      if (one != 0 && a.type == one) expression(family, a);
      if (a.type != many) continue;
      AttributeCursor list(a);
      for (Attribute each; list.next(each);) {
        if (each.type == NFTA_LIST_ELEM) expression(family, each);
      }
    }
  }

  void expression(std::uint8_t family, const Attribute& expression) {
    std::string name;
    Attribute data;
    AttributeCursor cursor(expression);
    for (Attribute a; cursor.next(a);) {
      if (a.type == NFTA_EXPR_NAME) name = text_of(a);
      if (a.type == NFTA_EXPR_DATA) data = a;
    }
    // nft_ct.c, nft_masq.c, nft_redir.c, nft_connlimit.c, nft_synproxy.c, nft_flow_offload.c.
    constexpr std::string_view names[] = {"ct",        "masq",     "redir",
                                          "connlimit", "synproxy", "flow_offload"};
    if (std::ranges::find(names, name) != std::end(names)) {
      return found(report_.tracking, family, family, table_, name);
    }
    if (data.data == nullptr) return;
    if (name == "nat") return found(report_.tracking, nat_family(data), family, table_, name);
    if (name == "dynset") {
      return scan_holder(family, AttributeCursor(data), 0, kDynsetExpression, kDynsetExpressions);
    }
    if (name == "match" || name == "target") extension(family, data);
  }

  // nft_nat.c registers the family of the address that it writes, also in a table of family inet.
  static std::uint8_t nat_family(const Attribute& data) {
    AttributeCursor cursor(data);
    for (Attribute a; cursor.next(a);) {
      if (a.type == NFTA_NAT_FAMILY && a.size >= 4) return static_cast<std::uint8_t>(a.be32());
    }
    return NFPROTO_UNSPEC;
  }

  // An extension of iptables: NFTA_MATCH_* and NFTA_TARGET_* have the same numbers.
  void extension(std::uint8_t family, const Attribute& data) {
    std::string name;
    std::span<const std::uint8_t> bytes;
    AttributeCursor cursor(data);
    for (Attribute a; cursor.next(a);) {
      if (a.type == NFTA_MATCH_NAME) name = text_of(a);
      if (a.type == NFTA_MATCH_INFO) bytes = {a.data, a.size};
    }
    if (extension_tracks(name, bytes)) found(report_.tracking, family, family, table_, name);
  }

  struct Dormant {
    std::uint8_t family;
    std::string name;
  };

  Socket& socket_;
  TrackingReport& report_;
  std::vector<Dormant> dormant_;
  std::string table_;  // of the rule or set that is looked at
};

}  // namespace

void scan_nft_rules(Socket& socket, TrackingReport& report) { NftScan(socket, report).run(); }

}  // namespace nf
