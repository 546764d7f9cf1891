// The one list of columns, presence bits, filter operations and write fields: C++ uses it directly,
// TypeScript through the file that scripts/gen-columns.mjs generates from it. The names are the
// same on both sides.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace nf::ct {

// COLUMN(name, C++ type, group). A batch is one arena; column k of a batch with capacity `c` begins
// at c times the sum of the sizes before it. `c` is a multiple of 64, so every column is aligned.
// Groups come in the order in which they are left off the end of an arena when no row has them.
#define NF_COLUMNS(COLUMN)                \
  COLUMN(presence, std::uint32_t, 0)      \
  COLUMN(id, std::uint32_t, 0)            \
  COLUMN(status, std::uint32_t, 0)        \
  COLUMN(timeout, std::uint32_t, 0)       \
  COLUMN(mark, std::uint32_t, 0)          \
  COLUMN(use, std::uint32_t, 0)           \
  COLUMN(origSrc, std::uint32_t, 0)       \
  COLUMN(origDst, std::uint32_t, 0)       \
  COLUMN(replySrc, std::uint32_t, 0)      \
  COLUMN(replyDst, std::uint32_t, 0)      \
  COLUMN(origSrcPort, std::uint16_t, 0)   \
  COLUMN(origDstPort, std::uint16_t, 0)   \
  COLUMN(replySrcPort, std::uint16_t, 0)  \
  COLUMN(replyDstPort, std::uint16_t, 0)  \
  COLUMN(zone, std::uint16_t, 0)          \
  COLUMN(family, std::uint8_t, 0)         \
  COLUMN(protocol, std::uint8_t, 0)       \
  COLUMN(state, std::uint8_t, 0)          \
  COLUMN(tcpWscaleOrig, std::uint8_t, 1)  \
  COLUMN(tcpWscaleReply, std::uint8_t, 1) \
  COLUMN(tcpFlagsOrig, std::uint8_t, 1)   \
  COLUMN(tcpFlagsReply, std::uint8_t, 1)  \
  COLUMN(origPackets, std::uint64_t, 2)   \
  COLUMN(origBytes, std::uint64_t, 2)     \
  COLUMN(replyPackets, std::uint64_t, 2)  \
  COLUMN(replyBytes, std::uint64_t, 2)    \
  COLUMN(start, std::uint64_t, 3)         \
  COLUMN(stop, std::uint64_t, 4)          \
  COLUMN(type, std::uint8_t, 5)           \
  COLUMN(nsid, std::int32_t, 5)           \
  COLUMN(timestampEvent, std::uint64_t, 5)

inline constexpr int kColumnGroups = 6;

// PRESENCE(name): bit k of the column `presence` is set when the kernel sent the attribute.
#define NF_PRESENCE(PRESENCE) \
  PRESENCE(id)                \
  PRESENCE(status)            \
  PRESENCE(timeout)           \
  PRESENCE(mark)              \
  PRESENCE(use)               \
  PRESENCE(zone)              \
  PRESENCE(state)             \
  PRESENCE(orig)              \
  PRESENCE(reply)             \
  PRESENCE(origPorts)         \
  PRESENCE(replyPorts)        \
  PRESENCE(origIcmp)          \
  PRESENCE(replyIcmp)         \
  PRESENCE(origCounters)      \
  PRESENCE(replyCounters)     \
  PRESENCE(start)             \
  PRESENCE(stop)              \
  PRESENCE(tcpWscale)         \
  PRESENCE(tcpFlags)          \
  PRESENCE(origZone)          \
  PRESENCE(replyZone)         \
  PRESENCE(labels)            \
  PRESENCE(helper)            \
  PRESENCE(secctx)            \
  PRESENCE(origSeqAdj)        \
  PRESENCE(replySeqAdj)       \
  PRESENCE(synproxy)          \
  PRESENCE(master)            \
  PRESENCE(sctp)              \
  PRESENCE(dccp)              \
  PRESENCE(timestampEvent)    \
  PRESENCE(unknown)

// FILTER_OP(name): the words of a packed filter, each operation followed by its operands (32-bit
// words, host order):
//   family f | protocol n p… | address side n4 n6 nm, then n4 IPv4 ranges (from to), n6 IPv6 ranges
//   (from and to of four words each) and nm masks (family, value and mask of four words each) |
//   port side n (from to)… | icmpType dir v | icmpCode dir v | icmpId dir v | mark value mask |
//   status all any none | state tcp sctp dccp (bit masks by state number) | zone z | tupleZone dir
//   z | label bit | helper bytes w… | nat kind (1 src, 2 dst, 3 any, 4 none)
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
  FILTER_OP(nat)

// FIELD(name): what can be written of a flow. A packed flow is a run of fields, each
// {u16 payload size, u16 field, payload, padding to 4}; numbers host order, addresses as bytes.
#define NF_FIELDS(FIELD) \
  FIELD(family)          \
  FIELD(protocol)        \
  FIELD(origSrc)         \
  FIELD(origDst)         \
  FIELD(origSrcPort)     \
  FIELD(origDstPort)     \
  FIELD(replySrc)        \
  FIELD(replyDst)        \
  FIELD(replySrcPort)    \
  FIELD(replyDstPort)    \
  FIELD(icmpType)        \
  FIELD(icmpCode)        \
  FIELD(icmpId)          \
  FIELD(replyIcmpType)   \
  FIELD(replyIcmpCode)   \
  FIELD(replyIcmpId)     \
  FIELD(zone)            \
  FIELD(origZone)        \
  FIELD(replyZone)       \
  FIELD(timeout)         \
  FIELD(mark)            \
  FIELD(markMask)        \
  FIELD(status)          \
  FIELD(state)           \
  FIELD(tcpFlagsOrig)    \
  FIELD(tcpFlagsReply)   \
  FIELD(tcpMaskOrig)     \
  FIELD(tcpMaskReply)    \
  FIELD(tcpWscaleOrig)   \
  FIELD(tcpWscaleReply)  \
  FIELD(sctpVtagOrig)    \
  FIELD(sctpVtagReply)   \
  FIELD(dccpRole)        \
  FIELD(dccpHandshake)   \
  FIELD(helper)          \
  FIELD(helperInfo)      \
  FIELD(labels)          \
  FIELD(labelsMask)      \
  FIELD(seqAdjOrig)      \
  FIELD(seqAdjReply)     \
  FIELD(synproxy)        \
  FIELD(natSrc)          \
  FIELD(natSrcPort)      \
  FIELD(natDst)          \
  FIELD(natDstPort)      \
  FIELD(masterSrc)       \
  FIELD(masterDst)       \
  FIELD(masterSrcPort)   \
  FIELD(masterDstPort)   \
  FIELD(masterProtocol)  \
  FIELD(id)

enum class Column : std::uint8_t {
#define COLUMN(name, type, group) name,
  NF_COLUMNS(COLUMN)
#undef COLUMN
      count
};

struct ColumnInfo {
  std::size_t size;
  int group;
};

inline constexpr ColumnInfo kColumnInfo[] = {
#define COLUMN(name, type, group) {sizeof(type), group},
    NF_COLUMNS(COLUMN)
#undef COLUMN
};

inline constexpr std::size_t kColumnCount = static_cast<std::size_t>(Column::count);

// Summed up here: a loop over a column that is known is not always undone by the compiler.
inline constexpr std::array<std::size_t, kColumnCount + 1> kBytesBefore = [] {
  std::array<std::size_t, kColumnCount + 1> sums{};
  for (std::size_t i = 0; i < kColumnCount; i++) sums[i + 1] = sums[i] + kColumnInfo[i].size;
  return sums;
}();
// The bytes of a row before `column`; with Column::count, the bytes of a whole row.
constexpr std::size_t bytes_before(Column column) {
  return kBytesBefore[static_cast<std::size_t>(column)];
}
// The bytes of a row when only the groups up to and including `group` are kept.
constexpr std::size_t bytes_through_group(int group) {
  std::size_t sum = 0;
  for (const auto& info : kColumnInfo) sum += info.group <= group ? info.size : 0;
  return sum;
}

enum class PresenceBit : std::uint8_t {
#define PRESENCE(name) name,
  NF_PRESENCE(PRESENCE)
#undef PRESENCE
      count
};
static_assert(static_cast<int>(PresenceBit::count) <= 32);

namespace has {
#define PRESENCE(name) \
  inline constexpr std::uint32_t name = 1U << static_cast<unsigned>(PresenceBit::name);
NF_PRESENCE(PRESENCE)
#undef PRESENCE
}  // namespace has

enum class FilterOp : std::uint32_t {
#define FILTER_OP(name) name,
  NF_FILTER_OPS(FILTER_OP)
#undef FILTER_OP
      count
};

enum class Field : std::uint16_t {
#define FIELD(name) name,
  NF_FIELDS(FIELD)
#undef FIELD
      count
};

// A tuple to look up or delete, packed by TypeScript: numbers host order, addresses as bytes.
struct PackedTuple {
  std::uint32_t id;  // CTA_ID as conntrack(8) prints it
  std::uint16_t zone;
  std::uint16_t tuple_zone;
  std::uint16_t src_port;
  std::uint16_t dst_port;
  std::uint16_t icmp_id;
  std::uint8_t icmp_type;
  std::uint8_t icmp_code;
  std::uint8_t family;
  std::uint8_t protocol;
  std::uint8_t flags;  // kTuple… below
  std::uint8_t reserved;
  std::uint8_t src[16];
  std::uint8_t dst[16];
  std::uint32_t start[2];  // of the flow meant, nanoseconds, as a number of 64 bits lies in memory
};
static_assert(sizeof(PackedTuple) == 60);

inline constexpr std::uint8_t kTupleReply = 1;  // the reply tuple of the flow, not the original one
inline constexpr std::uint8_t kTupleHasId = 2;
inline constexpr std::uint8_t kTupleHasPorts = 4;
inline constexpr std::uint8_t kTupleHasIcmp = 8;
inline constexpr std::uint8_t kTupleHasZone = 16;  // zone of this direction only
inline constexpr std::uint8_t kTupleHasStart = 32;
// The flow is known to have no zone or zone 0: nothing is sent. `zone` is sent when not 0.

}  // namespace nf::ct
