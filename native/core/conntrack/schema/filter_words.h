// The words of a packed filter. TypeScript packs them by the numbers that
// scripts/gen-columns.mjs generates from here; filter_compile.cc reads them.
#pragma once

#include <cstdint>

namespace nf::ct {

// FILTER_OP(name): the words of a packed filter, each operation followed by its operands (32-bit
// words, host order):
//   family f | protocol n p… | address side n4 n6 nm, then n4 IPv4 ranges (from to), n6 IPv6 ranges
//   (from and to of four words each) and nm masks (family, value and mask of four words each) |
//   port side n (from to)… | icmpType dir v | icmpCode dir v | icmpId dir v | mark value mask |
//   status all any none | state tcp sctp dccp (bit masks by state number) | zone z | tupleZone dir
//   z | label all any none (four words each, label 0 is bit 0 of the first) | helper bytes w… | nat
//   kind (1 src, 2 dst, 3 any, 4 none) | host n4 n6 nm, as address: any side | anyPort n (from
//   to)…: any side | any n, then n filters: one of them matches | excluded, then one filter: it
//   does not match
// A filter in a filter is the number of its words, then these words. There is at least one.
// A side is 0..3 as the address columns are. Words of an address are host order, the most
// significant one first, IPv4 in the first. Ranges ascend, and neither touch nor overlap.
#define NF_FILTER_OPS(FILTER_OP) \
  FILTER_OP(family)              \
  FILTER_OP(protocol)            \
  FILTER_OP(address)             \
  FILTER_OP(port)                \
  FILTER_OP(icmpType)            \
  FILTER_OP(icmpCode)            \
  FILTER_OP(icmpId)              \
  FILTER_OP(mark)                \
  FILTER_OP(status)              \
  FILTER_OP(state)               \
  FILTER_OP(zone)                \
  FILTER_OP(tupleZone)           \
  FILTER_OP(label)               \
  FILTER_OP(helper)              \
  FILTER_OP(nat)                 \
  FILTER_OP(host)                \
  FILTER_OP(anyPort)             \
  FILTER_OP(any)                 \
  FILTER_OP(excluded)

enum class FilterOp : std::uint32_t {
#define FILTER_OP(name) name,
  NF_FILTER_OPS(FILTER_OP)
#undef FILTER_OP
      count
};

}  // namespace nf::ct
