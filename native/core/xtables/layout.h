// What differs between the tables of ip_tables and those of ip6_tables: sizes, offsets and socket
// option numbers, taken from the kernel's own headers. Everything else in this folder is the same
// for both families.
#pragma once

// First: it puts the C library's and the kernel's headers in an order in which both fit.
#include "core/xtables/family.h"

#include <linux/netfilter/x_tables.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace nf::xt {

struct Layout : Family {
  int get_info, get_entries;
  const char* names_file;  // of the registered tables, beside /proc/thread-self/net/
  std::size_t entry_size;  // struct ipt_entry / ip6t_entry
  std::size_t target_offset, next_offset, comefrom, counters;  // fields of the entry
  std::size_t flags;
  std::uint8_t goto_flag;      // of the flags
  std::uint8_t protocol_flag;  // of the flags: the protocol counts; 0 if it always does
  // Of the head. A mask comes two addresses after its address, or two names after its name.
  std::size_t address_size;
  std::size_t source, destination, input, output, protocol, inverted;

  std::size_t address_mask(std::size_t address) const { return address + 2 * address_size; }
  static std::size_t interface_mask(std::size_t name) { return name + std::size_t{2} * IFNAMSIZ; }
};

inline constexpr Layout kIpv4{
    kIpv4Family,
    IPT_SO_GET_INFO,
    IPT_SO_GET_ENTRIES,
    "ip_tables_names",
    sizeof(ipt_entry),
    offsetof(ipt_entry, target_offset),
    offsetof(ipt_entry, next_offset),
    offsetof(ipt_entry, comefrom),
    offsetof(ipt_entry, counters),
    offsetof(ipt_entry, ip) + offsetof(ipt_ip, flags),
    IPT_F_GOTO,
    0,
    sizeof(in_addr),
    offsetof(ipt_entry, ip) + offsetof(ipt_ip, src),
    offsetof(ipt_entry, ip) + offsetof(ipt_ip, dst),
    offsetof(ipt_entry, ip) + offsetof(ipt_ip, iniface),
    offsetof(ipt_entry, ip) + offsetof(ipt_ip, outiface),
    offsetof(ipt_entry, ip) + offsetof(ipt_ip, proto),
    offsetof(ipt_entry, ip) + offsetof(ipt_ip, invflags),
};
inline constexpr Layout kIpv6{
    kIpv6Family,
    IP6T_SO_GET_INFO,
    IP6T_SO_GET_ENTRIES,
    "ip6_tables_names",
    sizeof(ip6t_entry),
    offsetof(ip6t_entry, target_offset),
    offsetof(ip6t_entry, next_offset),
    offsetof(ip6t_entry, comefrom),
    offsetof(ip6t_entry, counters),
    offsetof(ip6t_entry, ipv6) + offsetof(ip6t_ip6, flags),
    IP6T_F_GOTO,
    IP6T_F_PROTO,
    sizeof(in6_addr),
    offsetof(ip6t_entry, ipv6) + offsetof(ip6t_ip6, src),
    offsetof(ip6t_entry, ipv6) + offsetof(ip6t_ip6, dst),
    offsetof(ip6t_entry, ipv6) + offsetof(ip6t_ip6, iniface),
    offsetof(ip6t_entry, ipv6) + offsetof(ip6t_ip6, outiface),
    offsetof(ip6t_entry, ipv6) + offsetof(ip6t_ip6, proto),
    offsetof(ip6t_entry, ipv6) + offsetof(ip6t_ip6, invflags),
};

// nullptr for a family that has no iptables.
inline const Layout* layout_of(int family) {
  if (family == AF_INET) return &kIpv4;
  if (family == AF_INET6) return &kIpv6;
  return nullptr;
}

// The two families share these; one code path reads both.
static_assert(sizeof(ipt_getinfo) == sizeof(ip6t_getinfo));
static_assert(offsetof(ipt_get_entries, entrytable) == offsetof(ip6t_get_entries, entrytable));
static_assert(sizeof(ipt_entry) == 112 && sizeof(ip6t_entry) == 168,
              "the portable entry is the 64-bit layout of the kernel");

inline constexpr std::size_t kHeader = sizeof(xt_entry_target);  // also of a match
inline constexpr std::size_t kStandardSize = XT_ALIGN(sizeof(xt_standard_target));
inline constexpr std::size_t kErrorSize = XT_ALIGN(sizeof(xt_error_target));
inline constexpr std::size_t kNameSize = XT_EXTENSION_MAXNAMELEN;   // 29, with the NUL
inline constexpr std::size_t kChainNameSize = XT_TABLE_MAXNAMELEN;  // libiptc's xt_chainlabel
// libiptc accepts 31 bytes and silently cuts to 29 when it compiles the table.
inline constexpr std::size_t kMaxChainName = 28;
static_assert(kHeader == 32 && kStandardSize == 40 && kErrorSize == 64 && kNameSize == 29);

// Loads and stores. Nothing in a table blob can be trusted to be aligned, or to be of the type that
// it says.
inline std::uint16_t load16(const std::uint8_t* at) {
  std::uint16_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}
inline std::uint32_t load32(const std::uint8_t* at) {
  std::uint32_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}
inline std::uint64_t load64(const std::uint8_t* at) {
  std::uint64_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}
inline void store32(std::uint8_t* at, std::uint32_t value) {
  std::memcpy(at, &value, sizeof value);
}
inline void store64(std::uint8_t* at, std::uint64_t value) {
  std::memcpy(at, &value, sizeof value);
}

struct Counters {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};
inline Counters load_counters(const std::uint8_t* at) { return {load64(at), load64(at + 8)}; }
inline void store_counters(std::uint8_t* at, const Counters& value) {
  store64(at, value.packets);
  store64(at + 8, value.bytes);
}

}  // namespace nf::xt
