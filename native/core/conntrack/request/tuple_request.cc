// Requests by tuple.
#include "core/conntrack/request/tuple_request.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include "core/conntrack/request/flow_tuples.h"
#include "core/conntrack/request/packed_fields.h"
#include "core/conntrack/request/tuple.h"
#include "core/operation.h"

namespace nf::ct {

namespace {

// Begins a request that names a flow. False if the tuple is not whole: nothing is appended then.
bool begin(std::uint16_t message_type, std::uint16_t flags, const PackedTuple& tuple,
           std::uint32_t sequence, MessageBuilder& message) {
  if (!is_whole(tuple)) return false;
  message.begin(static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | message_type),
                static_cast<std::uint16_t>(NLM_F_REQUEST | flags), sequence, tuple.family);
  const bool reply = (tuple.flags & kTupleReply) != 0;
  append_tuple(reply ? CTA_TUPLE_REPLY : CTA_TUPLE_ORIG, tuple, message);
  if (tuple.zone != 0) message.be16(CTA_ZONE, tuple.zone);
  return true;
}

// The addresses, ports and zone of one direction.
void put(const Tuple& tuple, PackedTuple& packed) {
  std::memcpy(packed.src, tuple.src.data(), tuple.src.size());
  std::memcpy(packed.dst, tuple.dst.data(), tuple.dst.size());
  if (tuple.src_port.has_value()) {
    packed.flags |= kTupleHasPorts;
    packed.src_port = *tuple.src_port;
    packed.dst_port = tuple.dst_port.value_or(0);
  }
  if (tuple.icmp_id.has_value()) {
    packed.flags |= kTupleHasIcmp;
    packed.icmp_id = *tuple.icmp_id;
    packed.icmp_type = tuple.icmp_type.value_or(0);
    packed.icmp_code = tuple.icmp_code.value_or(0);
  }
  if (tuple.zone.has_value()) {
    packed.flags |= kTupleHasZone;
    packed.tuple_zone = *tuple.zone;
  }
}

}  // namespace

Result<void> append_tuple_request(TupleVerb verb, const PackedTuple& tuple, std::uint32_t sequence,
                                  MessageBuilder& message) {
  std::uint16_t type = IPCTNL_MSG_CT_GET;
  if (verb == TupleVerb::kGetAndZero) type = IPCTNL_MSG_CT_GET_CTRZERO;
  if (verb == TupleVerb::kUpdate) type = IPCTNL_MSG_CT_NEW;
  if (!begin(type, 0, tuple, sequence, message)) return fail(EINVAL, operation::kTuple, "family");
  message.end();
  return {};
}

Result<void> append_delete(const PackedTuple& tuple, std::uint16_t flags, std::uint32_t sequence,
                           MessageBuilder& message) {
  if (!begin(IPCTNL_MSG_CT_DELETE, flags, tuple, sequence, message)) {
    return fail(EINVAL, operation::kTuple, "family");
  }
  // If another entry has replaced the one that is meant, the kernel answers ENOENT.
  if ((tuple.flags & kTupleHasId) != 0) message.be32(CTA_ID, tuple.id);
  message.end();
  return {};
}

PackedTuple pack_tuple(const Row& row) {
  PackedTuple packed{};
  packed.family = row.family;
  packed.protocol = row.protocol;
  packed.zone = row.zone;
  put(tuple_of(row, kOrig), packed);
  if (row.have(has::id)) {
    packed.flags |= kTupleHasId;
    packed.id = row.id;
  }
  return packed;
}

PackedTuple pack_tuple(const Row& row, bool own) {
  PackedTuple packed = pack_tuple(row);
  if (!own) {
    packed.id = 0;
    packed.flags &= static_cast<std::uint8_t>(~kTupleHasId);
  } else if (row.have(has::start)) {
    packed.flags |= kTupleHasStart;
    std::memcpy(packed.start, &row.start, sizeof packed.start);
  }
  return packed;
}

PackedTuple pack_tuple(std::span<const std::uint8_t> fields) {
  PackedTuple packed{};
  auto tuples = read_tuples(fields);
  if (!tuples) return packed;  // of no family: no request is made of it
  packed.family = tuples->family;
  packed.protocol = tuples->protocol;
  const bool reply = !tuples->orig.given();
  put(reply ? tuples->reply : tuples->orig, packed);
  if (reply) packed.flags |= kTupleReply;
  FieldCursor cursor(fields);
  for (PackedField field; cursor.next(field);) {
    if (field.field == Field::zone && field.value.size() == 2) {
      packed.zone = field.number<std::uint16_t>();
    }
  }
  return packed;
}

bool is_meant(const PackedTuple& tuple, const Row& row) {
  if ((tuple.flags & kTupleHasId) != 0 && (!row.have(has::id) || row.id != tuple.id)) return false;
  if ((tuple.flags & kTupleHasStart) == 0) return true;
  std::uint64_t start = 0;
  std::memcpy(&start, tuple.start, sizeof start);
  return row.have(has::start) && row.start == start;
}

}  // namespace nf::ct
