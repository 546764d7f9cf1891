// Legacy tables: which of their rules ask for connection tracking, and whether there is a nat
// table.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <vector>

#include "core/files.h"
#include "core/tracking_rules.h"

namespace nf {
namespace {

struct Family {
  const char* name;
  const char* list;
  std::uint8_t number;
  int domain;
  int level;
  std::size_t entry;      // size of ipt_entry / ip6t_entry
  std::size_t target_at;  // offset of target_offset
  int get_info;           // IPT_SO_GET_INFO and IP6T_SO_GET_INFO are both 64
};
constexpr Family kFamilies[] = {
    {"ip", "/proc/thread-self/net/ip_tables_names", NFPROTO_IPV4, AF_INET, IPPROTO_IP, 112, 88, 64},
    {"ip6", "/proc/thread-self/net/ip6_tables_names", NFPROTO_IPV6, AF_INET6, IPPROTO_IPV6, 168,
     140, 64},
};

// struct xt_entry_match and xt_entry_target: size, name, revision.
constexpr std::size_t kExtensionHeader = 32;

std::uint16_t load16(const std::uint8_t* at) {
  std::uint16_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}

void scan_entry(const Family& family, const std::string& table, std::span<const std::uint8_t> entry,
                TrackingReport& report) {
  const std::size_t target = load16(&entry[family.target_at]);
  const auto note = [&](std::size_t at, std::size_t end) {
    const auto* text = reinterpret_cast<const char*>(&entry[at + 2]);
    const std::string_view name(text, ::strnlen(text, XT_EXTENSION_MAXNAMELEN));
    if (!extension_tracks(name, entry.subspan(at + kExtensionHeader, end - at - kExtensionHeader)))
      return;
    mark_found(report.tracking, family.number,
               std::string(family.name) + " " + table + ": " + std::string(name));
  };
  for (std::size_t at = family.entry; at + kExtensionHeader <= target && target <= entry.size();) {
    const std::size_t step = load16(&entry[at]);
    if (step < kExtensionHeader || at + step > target) return;
    note(at, at + step);
    at += step;
  }
  if (target + kExtensionHeader <= entry.size()) note(target, entry.size());
}

void scan_table(const Family& family, int fd, const std::string& table, TrackingReport& report) {
  const auto give_up = [&](int code) {
    mark_unknown(report, family.number,
                 std::string(family.name) + " " + table + ": " + std::strerror(code));
  };
  ipt_getinfo info{};
  if (table.size() >= sizeof info.name) return;
  std::memcpy(info.name, table.data(), table.size());
  socklen_t length = sizeof info;
  if (::getsockopt(fd, family.level, family.get_info, &info, &length) != 0) return give_up(errno);
  const std::size_t header = sizeof(ipt_get_entries);
  std::vector<std::uint8_t> bytes(header + info.size);
  auto* request = reinterpret_cast<ipt_get_entries*>(bytes.data());
  std::memcpy(request->name, info.name, sizeof info.name);
  request->size = info.size;
  length = static_cast<socklen_t>(bytes.size());
  if (::getsockopt(fd, family.level, family.get_info + 1, bytes.data(), &length) != 0) {
    return give_up(errno);
  }
  for (std::size_t at = header; at + family.entry <= bytes.size();) {
    const std::size_t next = load16(&bytes[at + family.target_at + 2]);
    if (next < family.entry || at + next > bytes.size()) return;
    scan_entry(family, table, {&bytes[at], next}, report);
    at += next;
  }
}

void scan_family(const Family& family, TrackingReport& report) {
  auto list = read_file(family.list, "tracking");
  if (!list) {
    // ENOENT: no legacy tables in this kernel. A table that is asked for by name is made, so that
    // nothing is asked for where the list cannot be read.
    if (list.error().code != ENOENT) {
      mark_unknown(report, family.number,
                   std::string(family.name) + " tables: " + family.list + " cannot be read");
    }
    return;
  }
  if (list->empty()) return;
  const Fd fd(::socket(family.domain, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::size_t begin = 0;
  while (begin < list->size()) {
    const std::size_t end = std::min(list->find('\n', begin), list->size());
    const std::string table = list->substr(begin, end - begin);
    begin = end + 1;
    // The table registers the hooks that translate, without a rule (iptable_nat.c:
    // ipt_nat_register_lookups). It does not register those that track.
    if (table == "nat") {
      mark_found(report.nat, family.number, std::string(family.name) + " nat: table");
    }
    if (fd.valid()) {
      scan_table(family, fd.get(), table, report);
    } else {
      mark_unknown(report, family.number, std::string(family.name) + " " + table + ": no socket");
    }
  }
}

}  // namespace

// Those whose checkentry calls nf_ct_netns_get (net/netfilter/xt_*.c, net/ipv*/netfilter). Neither
// NOTRACK nor CT with --notrack does.
bool extension_tracks(std::string_view name, std::span<const std::uint8_t> data) {
  constexpr std::string_view names[] = {
      "conntrack", "state",    "connmark", "connbytes",   "connlimit",  "connlabel",
      "helper",    "cluster",  "CONNMARK", "CONNSECMARK", "SNAT",       "DNAT",
      "NETMAP",    "REDIRECT", "SYNPROXY", "CLUSTERIP",   "MASQUERADE",
  };
  // The flags are the first field in each revision of its data.
  if (name == "CT") return data.size() < 2 || (load16(data.data()) & XT_CT_NOTRACK) == 0;
  return std::ranges::find(names, name) != std::end(names);
}

void scan_legacy_rules(TrackingReport& report) {
  for (const Family& family : kFamilies) scan_family(family, report);
}

}  // namespace nf
