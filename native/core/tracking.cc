// Evidence of connection tracking in legacy tables and in nf_tables.
#include "core/tracking.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <memory>
#include <string_view>

#include "core/files.h"
#include "core/netlink/message.h"
#include "core/netlink/socket.h"

namespace nf {
namespace {

// Extensions whose checkentry calls nf_ct_netns_get (net/netfilter/xt_*.c).
bool uses_conntrack(std::string_view extension) {
  constexpr std::string_view names[] = {
      "conntrack", "state",    "connmark",   "connbytes", "connlimit",   "connlabel", "helper",
      "cluster",   "CT",       "NOTRACK",    "CONNMARK",  "CONNSECMARK", "SNAT",      "DNAT",
      "NETMAP",    "REDIRECT", "MASQUERADE", "SYNPROXY",  "CLUSTERIP"};
  return std::ranges::find(names, extension) != std::end(names);
}

// Expressions that register conntrack (nft_ct.c, nft_nat.c, nft_masq.c, nft_redir.c,
// nft_connlimit.c, nft_synproxy.c, nft_flow_offload.c).
bool expression_uses_conntrack(std::string_view name) {
  constexpr std::string_view names[] = {"ct",        "nat",      "masq",        "redir",
                                        "connlimit", "synproxy", "flow_offload"};
  return std::ranges::find(names, name) != std::end(names);
}

struct Family {
  const char* name;
  const char* list;
  int domain;
  int level;
  std::size_t entry;      // size of ipt_entry / ip6t_entry
  std::size_t target_at;  // offset of target_offset
  int get_info;           // IPT_SO_GET_INFO and IP6T_SO_GET_INFO are both 64
};
constexpr Family kFamilies[] = {
    {"ip", "/proc/thread-self/net/ip_tables_names", AF_INET, IPPROTO_IP, 112, 88, 64},
    {"ip6", "/proc/thread-self/net/ip6_tables_names", AF_INET6, IPPROTO_IPV6, 168, 140, 64},
};

std::uint16_t load16(const std::uint8_t* at) {
  std::uint16_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// The extension of a match or target at `at`; its name and size are struct xt_entry_match.
std::string_view extension_name(const std::uint8_t* at) {
  const auto* name = reinterpret_cast<const char*>(at + 2);
  return {name, ::strnlen(name, XT_EXTENSION_MAXNAMELEN)};
}

void scan_entry(const Family& family, const std::string& table, const std::uint8_t* entry,
                std::size_t size, TrackingEvidence& evidence) {
  constexpr std::size_t header = 32;
  const std::size_t target = load16(entry + family.target_at);
  const auto note = [&](std::string_view name) {
    if (uses_conntrack(name)) {
      evidence.found.push_back(std::string(family.name) + " " + table + ": " + std::string(name));
    }
  };
  for (std::size_t at = family.entry; at + header <= target && at + header <= size;) {
    note(extension_name(entry + at));
    const std::size_t step = load16(entry + at);
    if (step < header) return;
    at += step;
  }
  if (target + header <= size) note(extension_name(entry + target));
}

void scan_table(const Family& family, int fd, const std::string& table,
                TrackingEvidence& evidence) {
  const std::string what = std::string(family.name) + " " + table;
  ipt_getinfo info{};
  if (table.size() >= sizeof info.name) return;
  std::memcpy(info.name, table.data(), table.size());
  socklen_t length = sizeof info;
  if (::getsockopt(fd, family.level, family.get_info, &info, &length) != 0) {
    evidence.unknown.push_back(what + ": " +
                               std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
    return;
  }
  const std::size_t header = sizeof(ipt_get_entries);
  std::vector<std::uint8_t> bytes(header + info.size);
  auto* request = reinterpret_cast<ipt_get_entries*>(bytes.data());
  std::memcpy(request->name, info.name, sizeof info.name);
  request->size = info.size;
  length = static_cast<socklen_t>(bytes.size());
  if (::getsockopt(fd, family.level, family.get_info + 1, bytes.data(), &length) != 0) {
    evidence.unknown.push_back(what + ": " +
                               std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
    return;
  }
  for (std::size_t at = header; at + family.entry <= bytes.size();) {
    const std::size_t next = load16(&bytes[at + family.target_at + 2]);
    if (next < family.entry || at + next > bytes.size()) return;
    scan_entry(family, table, &bytes[at], next, evidence);
    at += next;
  }
}

void scan_legacy(const Family& family, TrackingEvidence& evidence) {
  auto list = read_file(family.list, "tracking");
  if (!list) {
    // ENOENT: no legacy tables in this kernel.
    if (list.error().code != ENOENT) {
      evidence.unknown.push_back(std::string(family.name) + " tables: " + family.list);
    }
    return;
  }
  if (list->empty()) return;
  const Fd fd(::socket(family.domain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  std::size_t begin = 0;
  while (begin < list->size()) {
    const std::size_t end = std::min(list->find('\n', begin), list->size());
    const std::string table = list->substr(begin, end - begin);
    begin = end + 1;
    // The nat table registers conntrack for itself, empty as it may be.
    if (table == "nat") evidence.found.push_back(std::string(family.name) + " nat: table");
    if (!fd.valid()) {
      evidence.unknown.push_back(std::string(family.name) + " " + table);
      continue;
    }
    scan_table(family, fd.get(), table, evidence);
  }
}

std::string_view text_of(const Attribute& a) {
  const auto* text = reinterpret_cast<const char*>(a.data);
  return {text, ::strnlen(text, a.size)};
}

void scan_expression(const Attribute& expression, TrackingEvidence& evidence) {
  std::string_view name;
  Attribute data;
  AttributeCursor cursor(expression);
  for (Attribute a; cursor.next(a);) {
    if (a.type == NFTA_EXPR_NAME) name = text_of(a);
    if (a.type == NFTA_EXPR_DATA) data = a;
  }
  if (expression_uses_conntrack(name)) {
    evidence.found.push_back("nftables: " + std::string(name));
  }
  if ((name != "match" && name != "target") || data.data == nullptr) return;
  AttributeCursor inner(data);
  for (Attribute a; inner.next(a);) {
    // NFTA_MATCH_NAME and NFTA_TARGET_NAME are both 1.
    if (a.type == NFTA_MATCH_NAME && uses_conntrack(text_of(a))) {
      evidence.found.push_back("nftables: " + std::string(text_of(a)));
    }
  }
}

void scan_nftables_message(std::uint16_t wanted, const MessageView& message,
                           TrackingEvidence& evidence) {
  constexpr std::size_t skip = align4(sizeof(nfgenmsg));
  if (message.size < skip) return;
  AttributeCursor cursor(message.payload + skip, message.size - skip);
  for (Attribute a; cursor.next(a);) {
    if (wanted == NFT_MSG_GETCHAIN && a.type == NFTA_CHAIN_TYPE && text_of(a) == "nat") {
      evidence.found.emplace_back("nftables: nat chain");
    }
    if (wanted != NFT_MSG_GETRULE || a.type != NFTA_RULE_EXPRESSIONS) continue;
    AttributeCursor list(a);
    for (Attribute expression; list.next(expression);) {
      if (expression.type == NFTA_LIST_ELEM) scan_expression(expression, evidence);
    }
  }
}

void scan_nftables(std::uint16_t wanted, TrackingEvidence& evidence) {
  auto socket = Socket::open("tracking");
  if (!socket) {
    evidence.unknown.emplace_back("nftables: no netlink");
    return;
  }
  MessageBuilder request;
  const std::uint32_t sequence = socket->next_sequence();
  request.begin(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | wanted),
                NLM_F_REQUEST | NLM_F_DUMP, sequence, AF_UNSPEC);
  request.end();
  if (!socket->send(request.data(), request.size(), "tracking")) {
    evidence.unknown.emplace_back("nftables: request refused");
    return;
  }
  const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveLength);
  for (;;) {
    auto received = socket->receive({buffer.get(), kReceiveLength}, nullptr, "tracking");
    if (!received) {
      evidence.unknown.emplace_back("nftables: answer lost");
      return;
    }
    MessageWalker walker(buffer.get(), *received);
    for (MessageView message; walker.next(message);) {
      if (message.header->nlmsg_seq != sequence) continue;
      if (message.header->nlmsg_type == NLMSG_DONE) return;
      if (message.header->nlmsg_type == NLMSG_ERROR) {
        const int code = read_acknowledgement(message).code;
        // EINVAL, EOPNOTSUPP: no nf_tables in this kernel, so nothing of it asks for tracking.
        if (code == EPERM) evidence.unknown.emplace_back("nftables: EPERM");
        return;
      }
      scan_nftables_message(wanted, message, evidence);
    }
  }
}

}  // namespace

TrackingEvidence find_tracking() {
  TrackingEvidence evidence;
  for (const Family& family : kFamilies) scan_legacy(family, evidence);
  scan_nftables(NFT_MSG_GETCHAIN, evidence);
  scan_nftables(NFT_MSG_GETRULE, evidence);
  return evidence;
}

}  // namespace nf
