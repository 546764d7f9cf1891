// Requests by tuple.
#include "core/conntrack/request/tuple_request.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include "core/conntrack/request/packed_fields.h"
#include "core/conntrack/request/tuple.h"

namespace nf::ct {

namespace {

// The begin of a request that names a flow. False where the tuple is not whole: then nothing was
// appended.
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
  if (!begin(type, 0, tuple, sequence, message)) return fail(EINVAL, "conntrack tuple", "family");
  message.end();
  return {};
}

Result<void> append_delete(const PackedTuple& tuple, std::uint16_t flags, std::uint32_t sequence,
                           MessageBuilder& message) {
  if (!begin(IPCTNL_MSG_CT_DELETE, flags, tuple, sequence, message)) {
    return fail(EINVAL, "conntrack tuple", "family");
  }
  // An entry that replaced the one meant is ENOENT then.
  if ((tuple.flags & kTupleHasId) != 0) message.be32(CTA_ID, tuple.id);
  message.end();
  return {};
}

PackedTuple tuple_of(const Columns& columns, std::size_t row) {
  PackedTuple tuple{};
  const auto presence = columns.get<std::uint32_t>(Column::presence, row);
  tuple.family = columns.get<std::uint8_t>(Column::family, row);
  tuple.protocol = columns.get<std::uint8_t>(Column::protocol, row);
  tuple.zone = columns.get<std::uint16_t>(Column::zone, row);
  const Address src = columns.address(kOrigSrc, row);
  const Address dst = columns.address(kOrigDst, row);
  std::memcpy(tuple.src, src.bytes, sizeof tuple.src);
  std::memcpy(tuple.dst, dst.bytes, sizeof tuple.dst);
  const auto src_port = columns.get<std::uint16_t>(Column::origSrcPort, row);
  const auto dst_port = columns.get<std::uint16_t>(Column::origDstPort, row);
  if ((presence & has::origPorts) != 0) {
    tuple.flags |= kTupleHasPorts;
    tuple.src_port = src_port;
    tuple.dst_port = dst_port;
  }
  if ((presence & has::origIcmp) != 0) {
    tuple.flags |= kTupleHasIcmp;
    tuple.icmp_id = src_port;
    tuple.icmp_type = static_cast<std::uint8_t>(dst_port >> 8);
    tuple.icmp_code = static_cast<std::uint8_t>(dst_port & 0xff);
  }
  if ((presence & has::id) != 0) {
    tuple.flags |= kTupleHasId;
    tuple.id = columns.get<std::uint32_t>(Column::id, row);
  }
  if ((presence & has::origZone) != 0) {
    Attribute orig;
    if (columns.extra(row, CTA_TUPLE_ORIG, orig)) {
      AttributeCursor cursor(orig);
      for (Attribute a; cursor.next(a);) {
        if (a.type != CTA_TUPLE_ZONE || a.size < 2) continue;
        tuple.flags |= kTupleHasZone;
        tuple.tuple_zone = a.be16();
      }
    }
  }
  return tuple;
}

PackedTuple tuple_of(std::span<const std::uint8_t> fields) {
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
