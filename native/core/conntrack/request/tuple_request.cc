// Requests by tuple.
#include "core/conntrack/request/tuple_request.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

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
  const Tuple tuple = tuple_of(row, kOrig);
  PackedTuple packed{};
  packed.family = row.family;
  packed.protocol = row.protocol;
  packed.zone = row.zone;
  std::memcpy(packed.src, tuple.src.data(), tuple.src.size());
  std::memcpy(packed.dst, tuple.dst.data(), tuple.dst.size());
  if (tuple.src_port.has_value()) {
    packed.flags |= kTupleHasPorts;
    packed.src_port = *tuple.src_port;
    packed.dst_port = *tuple.dst_port;
  }
  if (tuple.icmp_id.has_value()) {
    packed.flags |= kTupleHasIcmp;
    packed.icmp_id = *tuple.icmp_id;
    packed.icmp_type = *tuple.icmp_type;
    packed.icmp_code = *tuple.icmp_code;
  }
  if (tuple.zone.has_value()) {
    packed.flags |= kTupleHasZone;
    packed.tuple_zone = *tuple.zone;
  }
  if (row.have(has::id)) {
    packed.flags |= kTupleHasId;
    packed.id = row.id;
  }
  return packed;
}

PackedTuple pack_tuple(std::span<const std::uint8_t> fields) {
  PackedTuple tuple{};
  FieldCursor cursor(fields);
  const auto u16 = [](const PackedField& field, std::uint16_t& to, std::uint8_t flag = 0) {
    if (field.value.size() == 2) to = field.number<std::uint16_t>();
    return flag;
  };
  const auto u8 = [](const PackedField& field, std::uint8_t& to) {
    if (field.value.size() == 1) to = field.value[0];
  };
  const auto address = [](const PackedField& field, std::uint8_t(&to)[16]) {
    std::memcpy(to, field.value.data(), std::min(field.value.size(), sizeof to));
  };
  std::uint8_t flags = 0;
  for (PackedField field; cursor.next(field);) {
    switch (field.field) {
      case Field::family:
        u8(field, tuple.family);
        break;
      case Field::protocol:
        u8(field, tuple.protocol);
        break;
      case Field::origSrc:
        address(field, tuple.src);
        break;
      case Field::origDst:
        address(field, tuple.dst);
        break;
      case Field::origSrcPort:
        flags |= u16(field, tuple.src_port, kTupleHasPorts);
        break;
      case Field::origDstPort:
        u16(field, tuple.dst_port);
        break;
      case Field::icmpId:
        flags |= u16(field, tuple.icmp_id, kTupleHasIcmp);
        break;
      case Field::icmpType:
        u8(field, tuple.icmp_type);
        break;
      case Field::icmpCode:
        u8(field, tuple.icmp_code);
        break;
      case Field::origZone:
        flags |= u16(field, tuple.tuple_zone, kTupleHasZone);
        break;
      case Field::zone:
        u16(field, tuple.zone);
        break;
      default:
        break;
    }
  }
  tuple.flags = flags;
  return tuple;
}

bool is_meant(const PackedTuple& tuple, const Row& row) {
  if ((tuple.flags & kTupleHasId) != 0 && (!row.have(has::id) || row.id != tuple.id)) return false;
  if ((tuple.flags & kTupleHasStart) == 0) return true;
  std::uint64_t start = 0;
  std::memcpy(&start, tuple.start, sizeof start);
  return row.have(has::start) && row.start == start;
}

}  // namespace nf::ct
