// nf_tables: which of its rules, sets and objects ask for connection tracking, and which chains
// register the hooks that translate.
#include "core/nftables/tracking.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/nftables/objects.h"
#include "core/operation.h"
#include "core/xtables/tracking.h"

namespace nf::nft {
namespace {

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

// nft_objref.c leads to these objects. Each registers hooks when it is made, whether a rule uses it
// or not (nft_ct.c, nft_connlimit.c, nft_synproxy.c).
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
  NftScan(Socket& socket, const Cancel* cancel, TrackingReport& report)
      : reader_(socket, cancel, operation::kTracking), report_(report) {}

  void run() {
    // If the kernel refuses the first list, it refuses all: the others are not asked for.
    if (!each<Table>([this](const Table& table) {
          if (table.dormant) dormant_.push_back({table.family, std::string(table.name)});
        })) {
      return;
    }
    each<Chain>([this](const Chain& one) { chain(one); });
    each<Rule>([this](const Rule& rule) {
      expressions({rule.family, rule.table}, rule.expressions);
    });
    // An expression that each element gets is made once for the set itself.
    each<Set>([this](const Set& set) { expressions({set.family, set.table}, set.expressions); });
    each<Object>([this](const Object& object) {
      const char* what = tracking_object(object.type);
      if (what != nullptr) found(report_.tracking, {object.family, object.table}, what);
    });
  }

 private:
  // The table that something is in.
  struct Place {
    std::uint8_t family;
    std::string_view table;
  };
  struct Dormant {
    std::uint8_t family;
    std::string name;
  };

  template <typename Kind>
  bool each(const std::function<void(const Kind&)>& visit) {
    auto walked = reader_.each<Kind>(
        NFPROTO_UNSPEC,
        [this] {
          if constexpr (std::is_same_v<Kind, Table>) dormant_.clear();
        },
        visit);
    if (walked) return true;
    // A kind of object that the kernel lacks asks for nothing.
    if (!is_absent(walked.error())) unknown(walked.error().code);
    return false;
  }

  void unknown(int code) {
    mark_unknown(report_, AF_UNSPEC, std::string("nftables: ") + std::strerror(code));
  }

  void found(HookReport& use, const Place& place, std::string_view what) {
    found(use, place.family, place, what);
  }
  void found(HookReport& use, std::uint8_t hooks, const Place& place, std::string_view what) {
    std::string reason = std::string("nftables ") + family_name(place.family) + " ";
    reason.append(place.table).append(": ").append(what);
    mark_found(use, hooks, std::move(reason));
  }

  // Even an empty base chain of type nat registers the hooks that translate (nft_chain_nat.c),
  // unless its table is dormant. It does not register those that track.
  void chain(const Chain& chain) {
    const bool sleeps = std::ranges::any_of(dormant_, [&](const Dormant& table) {
      return table.family == chain.family && table.name == chain.table;
    });
    if (chain.type != "nat" || !chain.hook || sleeps) return;
    found(report_.nat, {chain.family, chain.table}, "nat chain");
  }

  void expressions(const Place& place, const Expressions& expressions) {
    if (!expressions.each([&](const Expression& one) { expression(place, one); })) {
      unknown(EBADMSG);
    }
  }

  void expression(const Place& place, const Expression& expression) {
    const std::string_view name = expression.name;
    // nft_ct.c, nft_masq.c, nft_redir.c, nft_connlimit.c, nft_synproxy.c, nft_flow_offload.c.
    constexpr std::string_view names[] = {"ct",        "masq",     "redir",
                                          "connlimit", "synproxy", "flow_offload"};
    if (std::ranges::find(names, name) != std::end(names)) {
      return found(report_.tracking, place, name);
    }
    if (!expression.data) return;
    const Attribute& data = *expression.data;
    if (name == "nat") return found(report_.tracking, nat_family(data), place, name);
    if (name == "dynset") return expressions(place, expressions_of_dynset(data));
    if (name == "match" || name == "target") extension(place, data);
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
  void extension(const Place& place, const Attribute& data) {
    std::string_view name;
    std::span<const std::uint8_t> bytes;
    AttributeCursor cursor(data);
    for (Attribute a; cursor.next(a);) {
      if (a.type == NFTA_MATCH_NAME) name = a.text();
      if (a.type == NFTA_MATCH_INFO) bytes = {a.data, a.size};
    }
    if (xt::extension_tracks(name, bytes)) found(report_.tracking, place, name);
  }

  Reader reader_;
  TrackingReport& report_;
  std::vector<Dormant> dormant_;
};

}  // namespace

void scan_nft_rules(Socket& socket, const Cancel* cancel, TrackingReport& report) {
  NftScan(socket, cancel, report).run();
}

}  // namespace nf::nft
