// Turns packed fields into attributes with libnetfilter_conntrack.
#include "core/conntrack/request/library_state.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <optional>

#include "core/conntrack/request/nfct_library.h"
#include "core/conntrack/request/packed_fields.h"
#include "core/operation.h"

namespace nf::ct {
namespace {

// Larger than any request can be: labels of 16 bytes, helper data of at most 128.
constexpr std::size_t kRequestRoom = 4096;

enum class Kind : std::uint8_t { kU8, kU16, kU32, kU64, kBytes, kOther };

struct Mapping {
  Kind kind;
  nf_conntrack_attr attr;
};

// The library's attribute for each field, and its type. Its numbers are in host order.
Mapping mapping(Field field) {
  switch (field) {
    case Field::zone:
      return {Kind::kU16, ATTR_ZONE};
    case Field::timeout:
      return {Kind::kU32, ATTR_TIMEOUT};
    case Field::mark:
      return {Kind::kU32, ATTR_MARK};
    case Field::status:
      return {Kind::kU32, ATTR_STATUS};
    case Field::tcpFlagsOrig:
      return {Kind::kU8, ATTR_TCP_FLAGS_ORIG};
    case Field::tcpFlagsReply:
      return {Kind::kU8, ATTR_TCP_FLAGS_REPL};
    case Field::tcpMaskOrig:
      return {Kind::kU8, ATTR_TCP_MASK_ORIG};
    case Field::tcpMaskReply:
      return {Kind::kU8, ATTR_TCP_MASK_REPL};
    case Field::tcpWscaleOrig:
      return {Kind::kU8, ATTR_TCP_WSCALE_ORIG};
    case Field::tcpWscaleReply:
      return {Kind::kU8, ATTR_TCP_WSCALE_REPL};
    case Field::sctpVtagOrig:
      return {Kind::kU32, ATTR_SCTP_VTAG_ORIG};
    case Field::sctpVtagReply:
      return {Kind::kU32, ATTR_SCTP_VTAG_REPL};
    case Field::dccpRole:
      return {Kind::kU8, ATTR_DCCP_ROLE};
    case Field::dccpHandshake:
      return {Kind::kU64, ATTR_DCCP_HANDSHAKE_SEQ};
    case Field::helperInfo:
      return {Kind::kBytes, ATTR_HELPER_INFO};
    default:
      return {Kind::kOther, ATTR_MAX};
  }
}

// Protocols whose tuples the library can build (nfct_build_tuple_proto). It would refuse the whole
// request for any other. The tuple that it builds is thrown away, so any protocol that it knows
// will do.
std::uint8_t buildable(std::uint8_t protocol) {
  switch (protocol) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
    case IPPROTO_DCCP:
    case IPPROTO_GRE:
    case IPPROTO_UDPLITE:
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
      return protocol;
    default:
      return IPPROTO_UDP;
  }
}

class FlowObject {
 public:
  FlowObject() : library_(nfct_library()), ct_(library_.make()) {}
  ~FlowObject() {
    if (ct_ != nullptr) library_.destroy(ct_);
  }
  FlowObject(const FlowObject&) = delete;
  FlowObject& operator=(const FlowObject&) = delete;

  bool valid() const { return ct_ != nullptr; }
  nf_conntrack* get() const { return ct_; }
  bool set(const PackedField& field);
  // The library needs both to build anything.
  void identify(std::uint8_t family, std::uint8_t protocol) {
    protocol_ = protocol;
    set_u8(ATTR_ORIG_L3PROTO, family);
    set_u8(ATTR_ORIG_L4PROTO, buildable(protocol));
  }

 private:
  void set_u8(nf_conntrack_attr attr, std::uint8_t value) {
    library_.set_attr_u8(ct_, attr, value);
  }
  bool set_labels(const PackedField& field);
  bool set_other(const PackedField& field);

  const NfctLibrary& library_;
  nf_conntrack* ct_;
  std::uint8_t protocol_ = 0;
};

bool FlowObject::set_labels(const PackedField& field) {
  if (field.value.empty() || field.value.size() > 16) return false;
  // The object takes the bitmask over and frees it.
  nfct_bitmask* mask = library_.bitmask_new(static_cast<unsigned>(field.value.size() * 8 - 1));
  if (mask == nullptr) return false;
  for (unsigned bit = 0; bit < field.value.size() * 8; bit++) {
    if (((field.value[bit / 8] >> (bit % 8)) & 1) != 0) library_.bitmask_set_bit(mask, bit);
  }
  library_.set_attr(ct_, field.field == Field::labels ? ATTR_CONNLABELS : ATTR_CONNLABELS_MASK,
                    mask);
  return true;
}

bool FlowObject::set_other(const PackedField& field) {
  const auto triple = [&](const nf_conntrack_attr(&attrs)[3]) {
    if (field.value.size() != 12) return false;
    for (std::size_t i = 0; i < 3; i++) {
      std::uint32_t value = 0;
      std::memcpy(&value, field.value.data() + i * 4, sizeof value);
      library_.set_attr_u32(ct_, attrs[i], value);
    }
    return true;
  };
  switch (field.field) {
    case Field::state:
      if (field.value.size() != 1) return false;
      switch (protocol_) {
        case IPPROTO_TCP:
          set_u8(ATTR_TCP_STATE, field.value[0]);
          return true;
        case IPPROTO_SCTP:
          set_u8(ATTR_SCTP_STATE, field.value[0]);
          return true;
        case IPPROTO_DCCP:
          set_u8(ATTR_DCCP_STATE, field.value[0]);
          return true;
        default:
          return false;
      }
    case Field::helper: {
      char name[32] = {};
      if (field.value.size() >= sizeof name) return false;
      std::memcpy(name, field.value.data(), field.value.size());
      library_.set_attr_l(ct_, ATTR_HELPER_NAME, name, field.value.size() + 1);
      return true;
    }
    case Field::labels:
    case Field::labelsMask:
      return set_labels(field);
    case Field::seqAdjOrig:
      return triple({ATTR_ORIG_NAT_SEQ_CORRECTION_POS, ATTR_ORIG_NAT_SEQ_OFFSET_BEFORE,
                     ATTR_ORIG_NAT_SEQ_OFFSET_AFTER});
    case Field::seqAdjReply:
      return triple({ATTR_REPL_NAT_SEQ_CORRECTION_POS, ATTR_REPL_NAT_SEQ_OFFSET_BEFORE,
                     ATTR_REPL_NAT_SEQ_OFFSET_AFTER});
    case Field::synproxy:
      return triple({ATTR_SYNPROXY_ISN, ATTR_SYNPROXY_ITS, ATTR_SYNPROXY_TSOFF});
    default:
      return true;  // a field of a tuple or a translation
  }
}

bool FlowObject::set(const PackedField& field) {
  const auto [kind, attr] = mapping(field.field);
  const std::size_t size = field.value.size();
  switch (kind) {
    case Kind::kU8:
      if (size != 1) return false;
      set_u8(attr, field.value[0]);
      return true;
    case Kind::kU16:
      if (size != 2) return false;
      library_.set_attr_u16(ct_, attr, field.number<std::uint16_t>());
      return true;
    case Kind::kU32:
      if (size != 4) return false;
      library_.set_attr_u32(ct_, attr, field.number<std::uint32_t>());
      return true;
    case Kind::kU64:
      if (size != 8) return false;
      library_.set_attr_u64(ct_, attr, field.number<std::uint64_t>());
      return true;
    case Kind::kBytes:
      library_.set_attr_l(ct_, attr, field.value.data(), size);
      return true;
    case Kind::kOther:
      return set_other(field);
  }
  return false;
}

bool is_nest(std::uint16_t type) {
  return type == CTA_PROTOINFO || type == CTA_HELP || type == CTA_SEQ_ADJ_ORIG ||
         type == CTA_SEQ_ADJ_REPLY || type == CTA_SYNPROXY;
}

}  // namespace

Result<void> append_library_state(std::uint8_t family, std::uint8_t protocol,
                                  std::span<const std::uint8_t> fields, bool with_status,
                                  MessageBuilder& message) {
  FlowObject flow;
  if (!flow.valid()) return fail(ENOMEM, operation::kRequest);
  flow.identify(family, protocol);
  std::optional<std::uint32_t> mark_mask;  // the library has no attribute for it
  FieldCursor cursor(fields);
  for (PackedField field; cursor.next(field);) {
    if (!flow.set(field)) return bad_fields("field");
    if (field.field == Field::markMask && field.value.size() == 4) {
      mark_mask = field.number<std::uint32_t>();
    }
  }
  if (!cursor.intact()) return bad_fields("fields");
  alignas(nlmsghdr) std::uint8_t room[kRequestRoom] = {};
  auto* header = reinterpret_cast<nlmsghdr*>(room);
  header->nlmsg_len = NLMSG_LENGTH(sizeof(nfgenmsg));
  if (nfct_library().nlmsg_build(header, flow.get()) < 0) return bad_fields("build");
  constexpr std::size_t skip = NLMSG_LENGTH(sizeof(nfgenmsg));
  AttributeCursor attributes(room + skip, header->nlmsg_len - skip);
  for (Attribute a; attributes.next(a);) {
    if (a.type == CTA_TUPLE_ORIG || (a.type == CTA_STATUS && !with_status)) continue;
    message.bytes(static_cast<std::uint16_t>(a.type | (is_nest(a.type) ? NLA_F_NESTED : 0)), a.data,
                  a.size);
  }
  if (mark_mask.has_value()) message.be32(CTA_MARK_MASK, *mark_mask);
  return {};
}

Result<void> require_nfct(const char* operation) {
  const NfctLibrary& library = nfct_library();
  if (library.usable) return {};
  std::string detail = library.state.soname;
  if (!library.state.found) {
    detail += ": " + library.state.error;
  } else {
    detail += " lacks";
    for (const auto& name : library.state.missing) detail += " " + name;
  }
  return fail(0, operation, detail, ErrorKind::kLibrary);
}

const LibraryState& nfct_state() { return nfct_library().state; }

}  // namespace nf::ct
