// Requests of common fields only.
#include "core/conntrack/request/plain_request.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

#include "core/conntrack/request/packed_fields.h"

namespace nf::ct {
namespace {

constexpr std::uint64_t bit(Field field) {
  return std::uint64_t{1} << static_cast<unsigned>(field);
}
static_assert(static_cast<unsigned>(Field::count) <= 64);

// The values by field, all of at most 16 bytes, and which of them are there.
struct Values {
  std::uint64_t given = 0;
  std::array<const std::uint8_t*, static_cast<std::size_t>(Field::count)> at{};

  bool has(Field field) const { return (given & bit(field)) != 0; }
  bool all(std::uint64_t wanted) const { return (given & wanted) == wanted; }
  template <typename T>
  T number(Field field) const {
    T result{};
    std::memcpy(&result, at[static_cast<std::size_t>(field)], sizeof result);
    return result;
  }
  std::uint8_t u8(Field field) const { return number<std::uint8_t>(field); }
};

constexpr std::size_t kAddress = 17;  // 4 or 16 bytes, as the family has it

// The size of each field that is plain; 0: not plain.
constexpr std::size_t size_of(Field field) {
  switch (field) {
    case Field::origSrc:
    case Field::origDst:
    case Field::replySrc:
    case Field::replyDst:
      return kAddress;
    case Field::timeout:
    case Field::mark:
    case Field::status:
      return 4;
    case Field::origSrcPort:
    case Field::origDstPort:
    case Field::replySrcPort:
    case Field::replyDstPort:
    case Field::icmpId:
    case Field::replyIcmpId:
    case Field::zone:
    case Field::origZone:
    case Field::replyZone:
      return 2;
    case Field::family:
    case Field::protocol:
    case Field::icmpType:
    case Field::icmpCode:
    case Field::replyIcmpType:
    case Field::replyIcmpCode:
    case Field::state:
    case Field::tcpFlagsOrig:
    case Field::tcpFlagsReply:
    case Field::tcpMaskOrig:
    case Field::tcpMaskReply:
    case Field::tcpWscaleOrig:
    case Field::tcpWscaleReply:
      return 1;
    default:
      return 0;
  }
}

constexpr auto kSizes = [] {
  std::array<std::uint8_t, static_cast<std::size_t>(Field::count)> sizes{};
  for (std::size_t i = 0; i < sizes.size(); i++) {
    sizes[i] = static_cast<std::uint8_t>(size_of(static_cast<Field>(i)));
  }
  return sizes;
}();

constexpr std::uint64_t kAddresses =
    bit(Field::origSrc) | bit(Field::origDst) | bit(Field::replySrc) | bit(Field::replyDst);
constexpr std::uint64_t kTcp = bit(Field::tcpFlagsOrig) | bit(Field::tcpFlagsReply) |
                               bit(Field::tcpMaskOrig) | bit(Field::tcpMaskReply) |
                               bit(Field::tcpWscaleOrig) | bit(Field::tcpWscaleReply);

bool read(std::span<const std::uint8_t> fields, Values& values) {
  std::size_t addresses = 0;
  FieldCursor cursor(fields);
  for (PackedField field; cursor.next(field);) {
    const std::size_t size = kSizes[static_cast<std::size_t>(field.field)];
    if (size == kAddress) {
      if (addresses == 0) addresses = field.value.size();
      if (field.value.size() != addresses) return false;
    } else if (size == 0 || size != field.value.size()) {
      return false;
    }
    values.given |= bit(field.field);
    values.at[static_cast<std::size_t>(field.field)] = field.value.data();
  }
  if (!cursor.intact()) return false;
  if (!values.all(kAddresses | bit(Field::family) | bit(Field::protocol))) return false;
  const std::uint8_t family = values.u8(Field::family);
  if (family != AF_INET && family != AF_INET6) return false;
  if (addresses != (family == AF_INET6 ? 16 : 4)) return false;
  // Of TCP: its state, and flags and scales with it, all of them or none.
  const bool tcp = values.u8(Field::protocol) == IPPROTO_TCP;
  if (values.has(Field::state) && !tcp) return false;
  if ((values.given & kTcp) != 0) return tcp && values.has(Field::state) && values.all(kTcp);
  return true;
}

// The largest request: header and nfgenmsg, two IPv6 tuples (of 92 bytes with a zone),
// CTA_PROTOINFO of 64, five numbers.
constexpr std::size_t kRoom = 384;

// Writes attributes into room that is known to be enough.
class Writer {
 public:
  std::uint8_t* open(std::uint16_t type) {
    std::uint8_t* nest = at_;
    header(static_cast<std::uint16_t>(type | NLA_F_NESTED), 0);
    return nest;
  }
  void close(std::uint8_t* nest) const {
    const auto length = static_cast<std::uint16_t>(at_ - nest);
    std::memcpy(nest, &length, sizeof length);
  }
  void bytes(std::uint16_t type, const std::uint8_t* data, std::size_t size) {
    header(type, size);
    std::memcpy(at_, data, size);
    at_ += size;
  }
  // Small values: padded to a word.
  void u8(std::uint16_t type, std::uint8_t value) { small(type, 1, &value); }
  void be16(std::uint16_t type, std::uint16_t value) {
    value = htons(value);
    small(type, 2, reinterpret_cast<const std::uint8_t*>(&value));
  }
  void be32(std::uint16_t type, std::uint32_t value) {
    value = htonl(value);
    small(type, 4, reinterpret_cast<const std::uint8_t*>(&value));
  }
  void pair(std::uint16_t type, std::uint8_t first, std::uint8_t second) {
    const std::uint8_t both[2] = {first, second};
    small(type, 2, both);
  }

  std::uint8_t* begin() { return bytes_; }
  std::size_t size() const { return static_cast<std::size_t>(at_ - bytes_); }

 private:
  void header(std::uint16_t type, std::size_t size) {
    const std::uint16_t both[2] = {static_cast<std::uint16_t>(kAttributeHeader + size), type};
    std::memcpy(at_, both, sizeof both);
    at_ += sizeof both;
  }
  void small(std::uint16_t type, std::size_t size, const std::uint8_t* value) {
    header(type, size);
    std::uint8_t word[4] = {};
    std::memcpy(word, value, size);
    std::memcpy(at_, word, sizeof word);
    at_ += sizeof word;
  }

  // Every byte of a message is written.
  alignas(nlmsghdr) std::uint8_t bytes_[kRoom];
  std::uint8_t* at_ = bytes_ + NLMSG_LENGTH(sizeof(nfgenmsg));
};

// The fields that make up a tuple.
struct TupleFields {
  std::uint16_t type;
  Field src, dst, src_port, dst_port, icmp_id, icmp_type, icmp_code, zone;
};
constexpr TupleFields kOrigTuple = {CTA_TUPLE_ORIG,     Field::origSrc,     Field::origDst,
                                    Field::origSrcPort, Field::origDstPort, Field::icmpId,
                                    Field::icmpType,    Field::icmpCode,    Field::origZone};
constexpr TupleFields kReplyTuple = {CTA_TUPLE_REPLY,      Field::replySrc,      Field::replyDst,
                                     Field::replySrcPort,  Field::replyDstPort,  Field::replyIcmpId,
                                     Field::replyIcmpType, Field::replyIcmpCode, Field::replyZone};

void put_tuple(const Values& values, const TupleFields& fields, bool v6, Writer& out) {
  const auto address = [&](Field field) { return values.at[static_cast<std::size_t>(field)]; };
  const std::size_t size = v6 ? 16 : 4;
  auto* const tuple = out.open(fields.type);
  auto* const ip = out.open(CTA_TUPLE_IP);
  out.bytes(v6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, address(fields.src), size);
  out.bytes(v6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, address(fields.dst), size);
  out.close(ip);
  auto* const proto = out.open(CTA_TUPLE_PROTO);
  const std::uint8_t protocol = values.u8(Field::protocol);
  out.u8(CTA_PROTO_NUM, protocol);
  const auto u16 = [&](std::uint16_t type, Field field) {
    if (values.has(field)) out.be16(type, values.number<std::uint16_t>(field));
  };
  const auto u8 = [&](std::uint16_t type, Field field) {
    if (values.has(field)) out.u8(type, values.u8(field));
  };
  u16(CTA_PROTO_SRC_PORT, fields.src_port);
  u16(CTA_PROTO_DST_PORT, fields.dst_port);
  const bool icmp6 = protocol == IPPROTO_ICMPV6;
  u16(icmp6 ? CTA_PROTO_ICMPV6_ID : CTA_PROTO_ICMP_ID, fields.icmp_id);
  u8(icmp6 ? CTA_PROTO_ICMPV6_TYPE : CTA_PROTO_ICMP_TYPE, fields.icmp_type);
  u8(icmp6 ? CTA_PROTO_ICMPV6_CODE : CTA_PROTO_ICMP_CODE, fields.icmp_code);
  out.close(proto);
  u16(CTA_TUPLE_ZONE, fields.zone);
  out.close(tuple);
}

void put_tcp(const Values& values, Writer& out) {
  auto* const info = out.open(CTA_PROTOINFO);
  auto* const tcp = out.open(CTA_PROTOINFO_TCP);
  out.u8(CTA_PROTOINFO_TCP_STATE, values.u8(Field::state));
  if (values.has(Field::tcpFlagsOrig)) {
    out.pair(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, values.u8(Field::tcpFlagsOrig),
             values.u8(Field::tcpMaskOrig));
    out.pair(CTA_PROTOINFO_TCP_FLAGS_REPLY, values.u8(Field::tcpFlagsReply),
             values.u8(Field::tcpMaskReply));
    out.u8(CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, values.u8(Field::tcpWscaleOrig));
    out.u8(CTA_PROTOINFO_TCP_WSCALE_REPLY, values.u8(Field::tcpWscaleReply));
  }
  out.close(tcp);
  out.close(info);
}

}  // namespace

bool append_plain_flow(WriteVerb verb, std::span<const std::uint8_t> fields, std::uint32_t sequence,
                       MessageBuilder& message) {
  Values values;
  if (!read(fields, values)) return false;
  const std::uint8_t family = values.u8(Field::family);
  Writer out;
  put_tuple(values, kOrigTuple, family == AF_INET6, out);
  put_tuple(values, kReplyTuple, family == AF_INET6, out);
  if (values.has(Field::status)) {
    // As the library has it: the flow is confirmed by then, and a request that says otherwise would
    // be refused (EBUSY, ctnetlink_change_status).
    out.be32(CTA_STATUS, values.number<std::uint32_t>(Field::status) | IPS_CONFIRMED);
  }
  if (values.has(Field::timeout)) {
    out.be32(CTA_TIMEOUT, values.number<std::uint32_t>(Field::timeout));
  }
  if (values.has(Field::mark)) out.be32(CTA_MARK, values.number<std::uint32_t>(Field::mark));
  if (values.has(Field::state)) put_tcp(values, out);
  if (values.has(Field::zone)) out.be16(CTA_ZONE, values.number<std::uint16_t>(Field::zone));

  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(out.size());
  header.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
  header.nlmsg_flags = static_cast<std::uint16_t>(
      NLM_F_REQUEST | (verb == WriteVerb::kCreate ? NLM_F_CREATE | NLM_F_EXCL : 0));
  header.nlmsg_seq = sequence;
  nfgenmsg generic{};
  generic.nfgen_family = family;
  generic.version = NFNETLINK_V0;
  std::memcpy(out.begin(), &header, sizeof header);
  std::memcpy(out.begin() + NLMSG_HDRLEN, &generic, sizeof generic);
  message.message(out.begin(), out.size());
  return true;
}

}  // namespace nf::ct
