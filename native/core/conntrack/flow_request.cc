// Packed fields into requests.
#include "core/conntrack/flow_request.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <memory>

#include "core/conntrack/nfct_library.h"

namespace nf::ct {
namespace {

constexpr const char* kOperation = "conntrack request";
// Larger than any request can be: addresses, labels of 16 bytes, helper data of at most 128.
constexpr std::size_t kRequestRoom = 4096;

Error bad(const char* what) { return fail(EINVAL, kOperation, what); }

struct PackedField {
  Field field;
  std::span<const std::uint8_t> value;

  template <typename T>
  T number() const {
    T result{};
    std::memcpy(&result, value.data(), sizeof result);
    return result;
  }
};

// Walks packed fields; false at the end or where the bytes make no sense (`intact` tells).
class FieldCursor {
 public:
  explicit FieldCursor(std::span<const std::uint8_t> bytes) : left_(bytes) {}
  bool next(PackedField& out) {
    if (left_.empty()) return false;
    std::uint16_t header[2] = {};
    if (left_.size() < sizeof header) return broken();
    std::memcpy(header, left_.data(), sizeof header);
    if (header[0] > left_.size() - sizeof header ||
        header[1] >= static_cast<std::uint16_t>(Field::count)) {
      return broken();
    }
    out.field = static_cast<Field>(header[1]);
    out.value = left_.subspan(sizeof header, header[0]);
    left_ = left_.subspan(std::min(left_.size(), sizeof header + align4(header[0])));
    return true;
  }
  bool intact() const { return intact_; }

 private:
  bool broken() {
    intact_ = false;
    return false;
  }
  std::span<const std::uint8_t> left_;
  bool intact_ = true;
};

enum class Kind : std::uint8_t { kU8, kU16, kPort, kU32, kU64, kAddress, kBytes, kOther };

struct Mapping {
  Kind kind;
  nf_conntrack_attr v4;
  nf_conntrack_attr v6;
};

// What each field is in the library's words. Ports and addresses are network order there, all other
// numbers host order.
Mapping mapping(Field field) {
  const auto both = [](Kind kind, nf_conntrack_attr attr) { return Mapping{kind, attr, attr}; };
  switch (field) {
    case Field::origSrc:
      return {Kind::kAddress, ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV6_SRC};
    case Field::origDst:
      return {Kind::kAddress, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_DST};
    case Field::replySrc:
      return {Kind::kAddress, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC};
    case Field::replyDst:
      return {Kind::kAddress, ATTR_REPL_IPV4_DST, ATTR_REPL_IPV6_DST};
    case Field::natSrc:
      return {Kind::kAddress, ATTR_SNAT_IPV4, ATTR_SNAT_IPV6};
    case Field::natDst:
      return {Kind::kAddress, ATTR_DNAT_IPV4, ATTR_DNAT_IPV6};
    case Field::masterSrc:
      return {Kind::kAddress, ATTR_MASTER_IPV4_SRC, ATTR_MASTER_IPV6_SRC};
    case Field::masterDst:
      return {Kind::kAddress, ATTR_MASTER_IPV4_DST, ATTR_MASTER_IPV6_DST};
    case Field::origSrcPort:
      return both(Kind::kPort, ATTR_ORIG_PORT_SRC);
    case Field::origDstPort:
      return both(Kind::kPort, ATTR_ORIG_PORT_DST);
    case Field::replySrcPort:
      return both(Kind::kPort, ATTR_REPL_PORT_SRC);
    case Field::replyDstPort:
      return both(Kind::kPort, ATTR_REPL_PORT_DST);
    case Field::natSrcPort:
      return both(Kind::kPort, ATTR_SNAT_PORT);
    case Field::natDstPort:
      return both(Kind::kPort, ATTR_DNAT_PORT);
    case Field::masterSrcPort:
      return both(Kind::kPort, ATTR_MASTER_PORT_SRC);
    case Field::masterDstPort:
      return both(Kind::kPort, ATTR_MASTER_PORT_DST);
    case Field::icmpId:
      return both(Kind::kPort, ATTR_ICMP_ID);
    case Field::icmpType:
      return both(Kind::kU8, ATTR_ICMP_TYPE);
    case Field::icmpCode:
      return both(Kind::kU8, ATTR_ICMP_CODE);
    case Field::zone:
      return both(Kind::kU16, ATTR_ZONE);
    case Field::origZone:
      return both(Kind::kU16, ATTR_ORIG_ZONE);
    case Field::replyZone:
      return both(Kind::kU16, ATTR_REPL_ZONE);
    case Field::timeout:
      return both(Kind::kU32, ATTR_TIMEOUT);
    case Field::mark:
      return both(Kind::kU32, ATTR_MARK);
    case Field::status:
      return both(Kind::kU32, ATTR_STATUS);
    case Field::tcpFlagsOrig:
      return both(Kind::kU8, ATTR_TCP_FLAGS_ORIG);
    case Field::tcpFlagsReply:
      return both(Kind::kU8, ATTR_TCP_FLAGS_REPL);
    case Field::tcpMaskOrig:
      return both(Kind::kU8, ATTR_TCP_MASK_ORIG);
    case Field::tcpMaskReply:
      return both(Kind::kU8, ATTR_TCP_MASK_REPL);
    case Field::tcpWscaleOrig:
      return both(Kind::kU8, ATTR_TCP_WSCALE_ORIG);
    case Field::tcpWscaleReply:
      return both(Kind::kU8, ATTR_TCP_WSCALE_REPL);
    case Field::sctpVtagOrig:
      return both(Kind::kU32, ATTR_SCTP_VTAG_ORIG);
    case Field::sctpVtagReply:
      return both(Kind::kU32, ATTR_SCTP_VTAG_REPL);
    case Field::dccpRole:
      return both(Kind::kU8, ATTR_DCCP_ROLE);
    case Field::dccpHandshake:
      return both(Kind::kU64, ATTR_DCCP_HANDSHAKE_SEQ);
    case Field::helperInfo:
      return both(Kind::kBytes, ATTR_HELPER_INFO);
    default:
      return both(Kind::kOther, ATTR_MAX);
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
  void identify(std::uint8_t family, std::uint8_t protocol) {
    family_ = family;
    protocol_ = protocol;
    set_u8(ATTR_ORIG_L3PROTO, family);
    set_u8(ATTR_ORIG_L4PROTO, protocol);
  }
  // A reply tuple is sent only if it has addresses.
  void identify_reply() {
    set_u8(ATTR_REPL_L3PROTO, family_);
    set_u8(ATTR_REPL_L4PROTO, protocol_);
  }

 private:
  void set_u8(nf_conntrack_attr attr, std::uint8_t value) {
    library_.set_attr_u8(ct_, attr, value);
  }
  bool set_labels(const PackedField& field);
  bool set_other(const PackedField& field);

  const NfctLibrary& library_;
  nf_conntrack* ct_;
  std::uint8_t family_ = 0;
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
    case Field::family:
    case Field::protocol:
    case Field::markMask:
    case Field::id:
      return true;  // read by the caller
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
    case Field::masterProtocol:
      if (field.value.size() != 1) return false;
      set_u8(ATTR_MASTER_L3PROTO, family_);
      set_u8(ATTR_MASTER_L4PROTO, field.value[0]);
      return true;
    default:
      return false;
  }
}

bool FlowObject::set(const PackedField& field) {
  const Mapping map = mapping(field.field);
  const nf_conntrack_attr attr = family_ == AF_INET6 ? map.v6 : map.v4;
  const std::size_t size = field.value.size();
  switch (map.kind) {
    case Kind::kU8:
      if (size != 1) return false;
      set_u8(attr, field.value[0]);
      return true;
    case Kind::kU16:
      if (size != 2) return false;
      library_.set_attr_u16(ct_, attr, field.number<std::uint16_t>());
      return true;
    case Kind::kPort:
      if (size != 2) return false;
      library_.set_attr_u16(ct_, attr, htons(field.number<std::uint16_t>()));
      return true;
    case Kind::kU32:
      if (size != 4) return false;
      library_.set_attr_u32(ct_, attr, field.number<std::uint32_t>());
      return true;
    case Kind::kU64:
      if (size != 8) return false;
      library_.set_attr_u64(ct_, attr, field.number<std::uint64_t>());
      return true;
    case Kind::kAddress: {
      if (size != (family_ == AF_INET6 ? 16U : 4U)) return false;
      library_.set_attr(ct_, attr, field.value.data());
      return true;
    }
    case Kind::kBytes:
      library_.set_attr_l(ct_, attr, field.value.data(), size);
      return true;
    case Kind::kOther:
      return set_other(field);
  }
  return false;
}

struct Identity {
  std::uint8_t family = 0;
  std::uint8_t protocol = 0;
  bool original = false;
  bool reply = false;
  bool mark_mask = false;
  std::uint32_t mask = 0;
};

Result<Identity> identify(std::span<const std::uint8_t> fields) {
  Identity identity;
  FieldCursor cursor(fields);
  for (PackedField field; cursor.next(field);) {
    if (field.field == Field::family && field.value.size() == 1) identity.family = field.value[0];
    if (field.field == Field::protocol && field.value.size() == 1) {
      identity.protocol = field.value[0];
    }
    if (field.field == Field::origSrc) identity.original = true;
    if (field.field == Field::replySrc) identity.reply = true;
    if (field.field == Field::markMask && field.value.size() == 4) {
      identity.mark_mask = true;
      identity.mask = field.number<std::uint32_t>();
    }
  }
  if (!cursor.intact()) return bad("fields");
  return identity;
}

// Builds into `room`, header included; the length is in the header.
Result<void> build(const Identity& identity, std::span<const std::uint8_t> fields,
                   std::uint8_t* room) {
  FlowObject flow;
  if (!flow.valid()) return fail(ENOMEM, kOperation);
  flow.identify(identity.family, identity.protocol);
  if (identity.reply) flow.identify_reply();
  FieldCursor cursor(fields);
  for (PackedField field; cursor.next(field);) {
    if (!flow.set(field)) return bad("field");
  }
  auto* header = reinterpret_cast<nlmsghdr*>(room);
  header->nlmsg_len = NLMSG_LENGTH(sizeof(nfgenmsg));
  if (nfct_library().nlmsg_build(header, flow.get()) < 0) return fail(errno, kOperation, "build");
  return {};
}

}  // namespace

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

Result<void> append_flow(WriteVerb verb, std::span<const std::uint8_t> fields, std::uint16_t flags,
                         std::uint32_t sequence, MessageBuilder& message) {
  auto identity = identify(fields);
  if (!identity) return identity.error();
  if (identity->family != AF_INET && identity->family != AF_INET6) return bad("family");
  if (!identity->original && !identity->reply) return bad("no tuple");
  alignas(nlmsghdr) std::uint8_t room[kRequestRoom] = {};
  auto* header = reinterpret_cast<nlmsghdr*>(room);
  header->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
  header->nlmsg_flags = static_cast<std::uint16_t>(
      NLM_F_REQUEST | flags | (verb == WriteVerb::kCreate ? NLM_F_CREATE | NLM_F_EXCL : 0));
  header->nlmsg_seq = sequence;
  auto* generic = reinterpret_cast<nfgenmsg*>(room + NLMSG_HDRLEN);
  generic->nfgen_family = identity->family;
  generic->version = NFNETLINK_V0;
  if (auto built = build(*identity, fields, room); !built) return built.error();
  // The builder leaves a tuple out when it cannot build it, and says nothing.
  constexpr std::size_t skip = NLMSG_LENGTH(sizeof(nfgenmsg));
  bool original = false;
  bool reply = false;
  AttributeCursor cursor(room + skip, header->nlmsg_len - skip);
  for (Attribute a; cursor.next(a);) {
    original |= a.type == CTA_TUPLE_ORIG && a.size > 0;
    reply |= a.type == CTA_TUPLE_REPLY && a.size > 0;
  }
  if (original != identity->original || reply != identity->reply) return bad("tuple not built");
  message.message(room, header->nlmsg_len);
  if (identity->mark_mask) message.be32(CTA_MARK_MASK, identity->mask);
  message.end();
  return {};
}

Result<std::vector<std::uint8_t>> change_attributes(std::span<const std::uint8_t> fields,
                                                    std::uint8_t family, std::uint8_t protocol) {
  auto identity = identify(fields);
  if (!identity) return identity.error();
  identity->family = family;
  identity->protocol = protocol;
  alignas(nlmsghdr) std::uint8_t room[kRequestRoom] = {};
  if (auto built = build(*identity, fields, room); !built) return built.error();
  const auto* header = reinterpret_cast<const nlmsghdr*>(room);
  constexpr std::size_t skip = NLMSG_LENGTH(sizeof(nfgenmsg));
  MessageBuilder result;
  AttributeCursor cursor(room + skip, header->nlmsg_len - skip);
  for (Attribute a; cursor.next(a);) {
    if (a.type == CTA_TUPLE_ORIG || a.type == CTA_TUPLE_REPLY || a.type == CTA_STATUS) continue;
    const bool nest = a.type == CTA_PROTOINFO || a.type == CTA_HELP || a.type == CTA_SEQ_ADJ_ORIG ||
                      a.type == CTA_SEQ_ADJ_REPLY || a.type == CTA_SYNPROXY;
    result.bytes(static_cast<std::uint16_t>(a.type | (nest ? NLA_F_NESTED : 0)), a.data, a.size);
  }
  if (identity->mark_mask) result.be32(CTA_MARK_MASK, identity->mask);
  return std::vector<std::uint8_t>(result.data(), result.data() + result.size());
}

bool find_u32(std::span<const std::uint8_t> fields, Field wanted, std::uint32_t& out) {
  FieldCursor cursor(fields);
  for (PackedField field; cursor.next(field);) {
    if (field.field != wanted || field.value.size() != 4) continue;
    out = field.number<std::uint32_t>();
    return true;
  }
  return false;
}

}  // namespace nf::ct
