// Makes tuples and NAT ranges from packed fields.
//
// libnetfilter_conntrack is not used here. Its builder (build_mnl.c) refuses every protocol that it
// has no name for, and makes up the ICMP numbers of the reply tuple. It writes the ports of a
// translation for TCP and UDP only, and reports no error for other protocols.
#include "core/conntrack/request/flow_tuples.h"

#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "core/conntrack/request/packed_fields.h"

namespace nf::ct {
namespace {

// Some headers lack these, and others have them in an enum of their own: CTA_NAT_V4_MINIP …
// (nfnetlink_conntrack.h).
constexpr std::uint16_t kNatV4Min = 1;
constexpr std::uint16_t kNatProto = 3;
constexpr std::uint16_t kNatV6Min = 4;

class Reader {
 public:
  bool read(std::span<const std::uint8_t> fields, FlowTuples& out) {
    FieldCursor cursor(fields);
    for (PackedField field; cursor.next(field);) {
      if (!take(field, out)) return false;
    }
    return cursor.intact();
  }

 private:
  static bool take(const PackedField& field, FlowTuples& out) {
    const auto u8 = [&](auto& to) {
      if (field.value.size() != 1) return false;
      to = field.value[0];
      return true;
    };
    const auto u16 = [&](std::optional<std::uint16_t>& to) {
      if (field.value.size() != 2) return false;
      to = field.number<std::uint16_t>();
      return true;
    };
    const auto bytes = [&](std::span<const std::uint8_t>& to) {
      to = field.value;
      return true;
    };
    switch (field.field) {
      case Field::family:
        return u8(out.family);
      case Field::protocol:
        return u8(out.protocol);
      case Field::origSrc:
        return bytes(out.orig.src);
      case Field::origDst:
        return bytes(out.orig.dst);
      case Field::origSrcPort:
        return u16(out.orig.src_port);
      case Field::origDstPort:
        return u16(out.orig.dst_port);
      case Field::icmpType:
        return u8(out.orig.icmp_type);
      case Field::icmpCode:
        return u8(out.orig.icmp_code);
      case Field::icmpId:
        return u16(out.orig.icmp_id);
      case Field::origZone:
        return u16(out.orig.zone);
      case Field::replySrc:
        return bytes(out.reply.src);
      case Field::replyDst:
        return bytes(out.reply.dst);
      case Field::replySrcPort:
        return u16(out.reply.src_port);
      case Field::replyDstPort:
        return u16(out.reply.dst_port);
      case Field::replyIcmpType:
        return u8(out.reply.icmp_type);
      case Field::replyIcmpCode:
        return u8(out.reply.icmp_code);
      case Field::replyIcmpId:
        return u16(out.reply.icmp_id);
      case Field::replyZone:
        return u16(out.reply.zone);
      case Field::masterSrc:
        return bytes(out.master.src);
      case Field::masterDst:
        return bytes(out.master.dst);
      case Field::masterSrcPort:
        return u16(out.master.src_port);
      case Field::masterDstPort:
        return u16(out.master.dst_port);
      case Field::masterProtocol:
        return u8(out.master_protocol);
      case Field::natSrc:
        return bytes(out.src.address);
      case Field::natSrcPort:
        return u16(out.src.port);
      case Field::natDst:
        return bytes(out.dst.address);
      case Field::natDstPort:
        return u16(out.dst.port);
      default:
        return true;  // no field of a tuple
    }
  }
};

// If the upper end is left out, the kernel takes the lower end for it (nf_nat_core.c,
// nf_nat_ipv4_nlattr_to_range, nf_nat_l4proto_nlattr_to_range).
void append_nat(std::uint16_t type, bool v6, const Translation& to, MessageBuilder& message) {
  if (to.address.empty() && !to.port.has_value()) return;
  const auto nest = message.open_nest(type);
  if (!to.address.empty()) {
    message.bytes(v6 ? kNatV6Min : kNatV4Min, to.address.data(), to.address.size());
  }
  if (to.port.has_value()) {
    const auto proto = message.open_nest(kNatProto);
    message.be16(CTA_PROTONAT_PORT_MIN, *to.port);
    message.close_nest(proto);
  }
  message.close_nest(nest);
}

}  // namespace

Result<FlowTuples> read_tuples(std::span<const std::uint8_t> fields) {
  FlowTuples tuples;
  if (!Reader().read(fields, tuples)) return bad_fields("fields");
  if (tuples.family != AF_INET && tuples.family != AF_INET6) return bad_fields("family");
  const std::size_t size = tuples.family == AF_INET6 ? 16 : 4;
  for (const Tuple* tuple : {&tuples.orig, &tuples.reply, &tuples.master}) {
    if (tuple->given() && (tuple->src.size() != size || tuple->dst.size() != size)) {
      return bad_fields("address");
    }
  }
  for (const Translation* to : {&tuples.src, &tuples.dst}) {
    if (!to->address.empty() && to->address.size() != size) return bad_fields("address");
  }
  if (!tuples.orig.given() && !tuples.reply.given()) return bad_fields("no tuple");
  if (tuples.master.given() != tuples.master_protocol.has_value()) return bad_fields("master");
  return tuples;
}

void append_tuples(const FlowTuples& tuples, MessageBuilder& message) {
  if (tuples.orig.given()) {
    append_tuple(CTA_TUPLE_ORIG, tuples.family, tuples.protocol, tuples.orig, message);
  }
  if (tuples.reply.given()) {
    append_tuple(CTA_TUPLE_REPLY, tuples.family, tuples.protocol, tuples.reply, message);
  }
  if (tuples.master.given()) {
    append_tuple(CTA_TUPLE_MASTER, tuples.family, *tuples.master_protocol, tuples.master, message);
  }
  const bool v6 = tuples.family == AF_INET6;
  append_nat(CTA_NAT_SRC, v6, tuples.src, message);
  append_nat(CTA_NAT_DST, v6, tuples.dst, message);
}

}  // namespace nf::ct
