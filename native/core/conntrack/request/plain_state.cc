// The common fields as attributes.
#include "core/conntrack/request/plain_state.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <optional>

#include "core/conntrack/request/packed_fields.h"

namespace nf::ct {
namespace {

struct State {
  std::optional<std::uint32_t> timeout, mark, status;
  std::optional<std::uint16_t> zone;
  std::optional<std::uint8_t> state, flags_orig, mask_orig, flags_reply, mask_reply, scale_orig,
      scale_reply;
};

// False: another field than these, or a wrong size.
bool take(const PackedField& field, State& to) {
  const auto number = [&]<typename T>(std::optional<T>& out) {
    if (field.value.size() != sizeof(T)) return false;
    out = field.number<T>();
    return true;
  };
  switch (field.field) {
    case Field::timeout:
      return number(to.timeout);
    case Field::mark:
      return number(to.mark);
    case Field::status:
      return number(to.status);
    case Field::zone:
      return number(to.zone);
    case Field::state:
      return number(to.state);
    case Field::tcpFlagsOrig:
      return number(to.flags_orig);
    case Field::tcpMaskOrig:
      return number(to.mask_orig);
    case Field::tcpFlagsReply:
      return number(to.flags_reply);
    case Field::tcpMaskReply:
      return number(to.mask_reply);
    case Field::tcpWscaleOrig:
      return number(to.scale_orig);
    case Field::tcpWscaleReply:
      return number(to.scale_reply);
    case Field::family:
    case Field::protocol:
    case Field::origSrc:
    case Field::origDst:
    case Field::replySrc:
    case Field::replyDst:
    case Field::origSrcPort:
    case Field::origDstPort:
    case Field::replySrcPort:
    case Field::replyDstPort:
    case Field::icmpType:
    case Field::icmpCode:
    case Field::icmpId:
    case Field::replyIcmpType:
    case Field::replyIcmpCode:
    case Field::replyIcmpId:
    case Field::origZone:
    case Field::replyZone:
      return true;  // a field of a tuple: flow_tuples.h
    default:
      return false;
  }
}

// The state of TCP comes alone, or with all flags and scales. These never come without a state.
bool is_whole(const State& of, std::uint8_t protocol) {
  const int of_tcp = of.flags_orig.has_value() + of.mask_orig.has_value() +
                     of.flags_reply.has_value() + of.mask_reply.has_value() +
                     of.scale_orig.has_value() + of.scale_reply.has_value();
  if (!of.state.has_value()) return of_tcp == 0;
  return protocol == IPPROTO_TCP && (of_tcp == 0 || of_tcp == 6);
}

void append_tcp(const State& of, MessageBuilder& message) {
  const auto info = message.open_nest(CTA_PROTOINFO);
  const auto tcp = message.open_nest(CTA_PROTOINFO_TCP);
  message.u8(CTA_PROTOINFO_TCP_STATE, *of.state);
  if (of.flags_orig.has_value()) {
    const std::uint8_t orig[2] = {*of.flags_orig, *of.mask_orig};
    const std::uint8_t reply[2] = {*of.flags_reply, *of.mask_reply};
    message.bytes(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, orig, sizeof orig);
    message.bytes(CTA_PROTOINFO_TCP_FLAGS_REPLY, reply, sizeof reply);
    message.u8(CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, *of.scale_orig);
    message.u8(CTA_PROTOINFO_TCP_WSCALE_REPLY, *of.scale_reply);
  }
  message.close_nest(tcp);
  message.close_nest(info);
}

}  // namespace

bool append_plain_state(std::uint8_t protocol, std::span<const std::uint8_t> fields,
                        MessageBuilder& message) {
  State state;
  FieldCursor cursor(fields);
  for (PackedField field; cursor.next(field);) {
    if (!take(field, state)) return false;
  }
  if (!cursor.intact() || !is_whole(state, protocol)) return false;
  // The library does the same. The flow is confirmed by then, and the kernel refuses a request that
  // says otherwise (EBUSY, ctnetlink_change_status).
  if (state.status.has_value()) message.be32(CTA_STATUS, *state.status | IPS_CONFIRMED);
  if (state.timeout.has_value()) message.be32(CTA_TIMEOUT, *state.timeout);
  if (state.mark.has_value()) message.be32(CTA_MARK, *state.mark);
  if (state.state.has_value()) append_tcp(state, message);
  if (state.zone.has_value()) message.be16(CTA_ZONE, *state.zone);
  return true;
}

}  // namespace nf::ct
