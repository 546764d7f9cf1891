// What is read of a flow: its attributes, one decoded message, and the columns that hold many. This
// is the only list of attributes and columns. C++ uses it directly. TypeScript uses the file that
// scripts/gen-columns.mjs generates from it. The names are the same on both sides.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/netlink/attribute.h"

namespace nf::ct {

// PRESENCE(name): bit k is set in a row when the kernel sent the attribute. JavaScript has no cheap
// integers of 64 bits: the first 32 are the column `presence`, the rest `presenceMore`. Programs of
// users know these bits, so a new attribute goes to the end.
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
  PRESENCE(unknown)           \
  PRESENCE(helperInfo)

enum class PresenceBit : std::uint8_t {
#define PRESENCE(name) name,
  NF_PRESENCE(PRESENCE)
#undef PRESENCE
      count
};
static_assert(static_cast<int>(PresenceBit::count) <= 64);

namespace has {
#define PRESENCE(name)                                   \
  inline constexpr std::uint64_t name = std::uint64_t{1} \
                                        << static_cast<unsigned>(PresenceBit::name);
NF_PRESENCE(PRESENCE)
#undef PRESENCE
}  // namespace has

// The address columns' order: original source and destination, reply source and destination.
enum Side : std::uint8_t { kOrigSrc, kOrigDst, kReplySrc, kReplyDst, kSides };
enum Direction : std::uint8_t { kOrig, kReply };
// The column `type`; kNone: the row is no event.
enum class EventType : std::uint8_t { kNone, kNew, kUpdate, kDestroy };
// The column `own`: whether a request of this process caused the event.
enum class Own : std::uint8_t { kNo, kYes, kUnknown };

union Address {
  std::uint8_t bytes[16];
  std::uint32_t words[4];  // network order
};

// One decoded conntrack message, on the stack between parser, filter and columns. Views point into
// the receive buffer, or into the batch that the row was read from, and are valid as long as it.
struct Row {
  // At most: helper, labels, secctx, two seqadj, synproxy, master, protoinfo, two tuples with a
  // zone, and a few attributes that this build does not know.
  static constexpr int kMaxExtra = 16;

  std::uint64_t presence;  // bits of `has`
  std::uint32_t id;
  std::uint32_t status;
  std::uint32_t timeout;
  std::uint32_t mark;
  std::uint32_t use;
  Address address[kSides];
  std::uint16_t port[kSides];  // ICMP: [src] the id, [dst] type << 8 | code
  std::uint16_t zone;
  std::uint16_t tuple_zone[2];
  std::uint8_t family;
  std::uint8_t protocol;
  std::uint8_t state;
  std::uint8_t wscale[2];
  std::uint8_t tcp_flags[2];
  std::uint8_t event_type;  // an EventType
  std::uint8_t own;         // an Own
  std::uint32_t portid;     // 0: the kernel itself
  std::int32_t nsid;
  std::uint64_t counters[4];  // original packets, bytes; reply packets, bytes
  std::uint64_t start;
  std::uint64_t stop;
  std::uint64_t event_time;
  // Attributes kept as the kernel sent them, header included, for the columns' side buffer.
  int extra_count;
  Attribute extra[kMaxExtra];
  Attribute labels;
  Attribute helper;  // CTA_HELP_NAME

  bool have(std::uint64_t bits) const { return (presence & bits) == bits; }
  bool ipv6() const { return family == 10; }
  // An attribute that does not fit into `extra` makes the row undecodable: none is lost unseen.
  bool keep(const Attribute& attribute) {
    if (extra_count == kMaxExtra) return false;
    extra[extra_count++] = attribute;
    return true;
  }
};

// COLUMN(name, C++ type, group, when, value). A batch is one arena. In a batch with capacity `c`,
// column k begins at c times the sum of the sizes before it. `c` is a multiple of 64, so every
// column is aligned. The last groups are left off the end of an arena if no row has them. `when`
// says which rows have the value: those with an attribute, or a When. In other rows the column is
// 0, but the columns of group 0 have whatever a Row has. `value` is the place of the value in a
// Row, or in a RowForm (row_form.h): it is read and written there.
#define NF_COLUMNS(COLUMN)                                                      \
  COLUMN(presence, std::uint32_t, 0, When::kAlways, form.presence[0])           \
  COLUMN(id, std::uint32_t, 0, has::id, row.id)                                 \
  COLUMN(status, std::uint32_t, 0, has::status, row.status)                     \
  COLUMN(timeout, std::uint32_t, 0, has::timeout, row.timeout)                  \
  COLUMN(mark, std::uint32_t, 0, has::mark, row.mark)                           \
  COLUMN(use, std::uint32_t, 0, has::use, row.use)                              \
  COLUMN(origSrc, std::uint32_t, 0, has::orig, form.address[kOrigSrc])          \
  COLUMN(origDst, std::uint32_t, 0, has::orig, form.address[kOrigDst])          \
  COLUMN(replySrc, std::uint32_t, 0, has::reply, form.address[kReplySrc])       \
  COLUMN(replyDst, std::uint32_t, 0, has::reply, form.address[kReplyDst])       \
  COLUMN(origSrcPort, std::uint16_t, 0, has::origPorts, row.port[kOrigSrc])     \
  COLUMN(origDstPort, std::uint16_t, 0, has::origPorts, row.port[kOrigDst])     \
  COLUMN(replySrcPort, std::uint16_t, 0, has::replyPorts, row.port[kReplySrc])  \
  COLUMN(replyDstPort, std::uint16_t, 0, has::replyPorts, row.port[kReplyDst])  \
  COLUMN(zone, std::uint16_t, 0, has::zone, row.zone)                           \
  COLUMN(family, std::uint8_t, 0, When::kAlways, row.family)                    \
  COLUMN(protocol, std::uint8_t, 0, When::kAlways, row.protocol)                \
  COLUMN(state, std::uint8_t, 0, has::state, row.state)                         \
  COLUMN(tcpWscaleOrig, std::uint8_t, 1, has::tcpWscale, row.wscale[kOrig])     \
  COLUMN(tcpWscaleReply, std::uint8_t, 1, has::tcpWscale, row.wscale[kReply])   \
  COLUMN(tcpFlagsOrig, std::uint8_t, 1, has::tcpFlags, row.tcp_flags[kOrig])    \
  COLUMN(tcpFlagsReply, std::uint8_t, 1, has::tcpFlags, row.tcp_flags[kReply])  \
  COLUMN(origPackets, std::uint64_t, 2, has::origCounters, row.counters[0])     \
  COLUMN(origBytes, std::uint64_t, 2, has::origCounters, row.counters[1])       \
  COLUMN(replyPackets, std::uint64_t, 2, has::replyCounters, row.counters[2])   \
  COLUMN(replyBytes, std::uint64_t, 2, has::replyCounters, row.counters[3])     \
  COLUMN(start, std::uint64_t, 3, has::start, row.start)                        \
  COLUMN(stop, std::uint64_t, 4, has::stop, row.stop)                           \
  COLUMN(type, std::uint8_t, 5, When::kEvent, row.event_type)                   \
  COLUMN(nsid, std::int32_t, 5, When::kEvent, row.nsid)                         \
  COLUMN(portid, std::uint32_t, 5, When::kEvent, row.portid)                    \
  COLUMN(own, std::uint8_t, 5, When::kEvent, row.own)                           \
  COLUMN(timestampEvent, std::uint64_t, 5, has::timestampEvent, row.event_time) \
  COLUMN(presenceMore, std::uint32_t, 6, When::kMore, form.presence[1])

// Which rows have a value that no attribute stands for.
enum class When : std::uint8_t {
  kAlways,
  kEvent,  // those of an event
  kMore,   // those with an attribute of the second word
};

enum class Column : std::uint8_t {
#define COLUMN(name, type, group, when, value) name,
  NF_COLUMNS(COLUMN)
#undef COLUMN
      count
};

struct ColumnInfo {
  std::size_t size;
  int group;
};

inline constexpr ColumnInfo kColumnInfo[] = {
#define COLUMN(name, type, group, when, value) {sizeof(type), group},
    NF_COLUMNS(COLUMN)
#undef COLUMN
};

inline constexpr std::size_t kColumnCount = static_cast<std::size_t>(Column::count);

// The sums are made once, here: the compiler does not always fold a loop up to a known column.
inline constexpr std::array<std::size_t, kColumnCount + 1> kBytesBefore = [] {
  std::array<std::size_t, kColumnCount + 1> sums{};
  for (std::size_t i = 0; i < kColumnCount; i++) sums[i + 1] = sums[i] + kColumnInfo[i].size;
  return sums;
}();
// The bytes of a row before `column`; with Column::count, the bytes of a whole row.
constexpr std::size_t bytes_before(Column column) {
  return kBytesBefore[static_cast<std::size_t>(column)];
}
constexpr int group_of(Column column) {
  return kColumnInfo[static_cast<std::size_t>(column)].group;
}
// The bytes of a row when only the groups up to and including `group` are kept.
constexpr std::size_t bytes_through_group(int group) {
  std::size_t sum = 0;
  for (const auto& info : kColumnInfo) sum += info.group <= group ? info.size : 0;
  return sum;
}

}  // namespace nf::ct
