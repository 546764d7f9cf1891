// Filter → classic BPF.
//
// The program sees one datagram, which for events is one message: nlmsghdr, nfgenmsg, attributes.
// Two ancillary loads find attributes (net/core/filter.c): SKF_AD_NLATTR (A: where to begin, X:
// type → A: offset or 0) and SKF_AD_NLATTR_NEST (A: offset of the nest, X: type). Loads are big
// endian, as the payloads are. A load outside the datagram ends the program with "reject".
//
// An absent attribute means the same here as in Filter::matches. Mark, status and zone count as 0.
// Ports, ICMP fields, state, label, helper and the zone of one direction do not match. A message
// without tuples, which no kernel sends, passes: its reader must be able to count it.
#include "core/conntrack/filter/event_filter.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <bit>

#include "core/conntrack/filter/bpf_program.h"

namespace nf::ct {
namespace {

constexpr std::uint32_t kFamilyAt = NLMSG_HDRLEN;  // nfgenmsg.nfgen_family
constexpr std::uint32_t kAttributesAt = NLMSG_HDRLEN + sizeof(nfgenmsg);
constexpr std::uint16_t kTupleZone = 3;  // CTA_TUPLE_ZONE
// A list with more ranges than this is not worth its instructions.
constexpr std::size_t kMaxRanges = 64;

// The byte of a label's bit in the kernel's array of long (filter.cc, has_label).
std::uint32_t label_byte(std::uint32_t bit) {
  if constexpr (std::endian::native == std::endian::big) return bit / 64 * 8 + 7 - bit % 64 / 8;
  return bit / 8;
}

Direction direction_of(int side) { return side < kReplySrc ? kOrig : kReply; }
bool is_source(int side) { return side == kOrigSrc || side == kReplySrc; }

class Compiler {
 public:
  explicit Compiler(const Filter& filter) : filter_(filter) {}

  EventProgram run() {
    // The tests that reject most for the least work come first.
    family();
    protocol();
    for (int side = 0; side < kSides; side++) port(side);
    for (int side = 0; side < kSides; side++) address(side);
    for (int direction = 0; direction < 2; direction++) icmp(static_cast<Direction>(direction));
    mark();
    status();
    zone();
    state();
    label();
    helper();
    nat();
    EventProgram result;
    result.exact = exact_;
    if (program_.empty() || !program_.finish(result.code)) result = {{}, false};
    return result;
  }

 private:
  enum Part : std::uint8_t { kTuple, kIp, kProto };
  static constexpr std::uint32_t kParts = 3;
  // Scratch memory: first the offsets of the nests, which are found once, then room to compare.
  static constexpr std::uint32_t kScratch = 2 * kParts;

  static std::uint32_t slot(Direction direction, Part part) {
    return std::uint32_t{direction} * kParts + part;
  }

  // These make sure that a slot holds its offset. They are never called inside a branch.
  std::uint32_t locate_tuple(Direction direction) {
    const std::uint32_t to = slot(direction, kTuple);
    if (located_[to]) return to;
    program_.load(kAttributesAt);
    program_.find(direction == kOrig ? CTA_TUPLE_ORIG : CTA_TUPLE_REPLY, false);
    keep(to);
    return to;
  }
  std::uint32_t locate(Direction direction, Part part) {
    const std::uint32_t to = slot(direction, part);
    if (located_[to]) return to;
    program_.load_slot(locate_tuple(direction));
    program_.find(part == kIp ? CTA_TUPLE_IP : CTA_TUPLE_PROTO, true);
    keep(to);
    return to;
  }
  void keep(std::uint32_t to) {
    program_.accept_if_zero();
    program_.store(to);
    located_[to] = true;
  }
  void find_in(std::uint32_t nest_slot, std::uint16_t type) {
    program_.load_slot(nest_slot);
    program_.find(type, true);
  }
  void find_top(std::uint16_t type) {
    program_.load(kAttributesAt);
    program_.find(type, false);
  }
  // A: the payload of a top-level attribute, 0 when it is absent.
  void load_or_zero(std::uint16_t type, Width width) {
    find_top(type);
    const auto absent = program_.label();
    program_.jump(BPF_JEQ, 0, absent, BpfProgram::kNext);
    program_.payload(width);
    program_.bind(absent);
  }

  void family() {
    if (filter_.family == 0) return;
    program_.emit(BPF_LD | BPF_B | BPF_ABS, kFamilyAt);
    program_.require(BPF_JEQ, filter_.family);
  }

  void load_protocol() {
    find_in(locate(kOrig, kProto), CTA_PROTO_NUM);
    program_.accept_if_zero();
    program_.payload(BPF_B);
  }

  void protocol() {
    if (filter_.protocol_count == 0) return;
    std::vector<Range<std::uint32_t>> ranges;
    for (std::uint32_t p = 0; p < 256; p++) {
      if (((filter_.protocols[p / 64] >> (p % 64)) & 1) == 0) continue;
      if (!ranges.empty() && ranges.back().to + 1 == p) {
        ranges.back().to = p;
      } else {
        ranges.push_back({p, p});
      }
    }
    if (ranges.size() > kMaxRanges) {
      exact_ = false;
      return;
    }
    load_protocol();
    require_in(ranges, 0xff);
  }

  // A: a value that must be in one of the ranges. No range ends above `most`. If there are more
  // than kMaxRanges, only the ends are tested: from the begin of the first range to the end of the
  // last.
  template <typename Value>
  void require_in(const std::vector<Range<Value>>& ranges, std::uint32_t most) {
    if (ranges.size() == 1 || ranges.size() > kMaxRanges) {
      const std::uint32_t from = ranges.front().from;
      const std::uint32_t to = ranges.back().to;
      if (ranges.size() > 1) exact_ = false;
      if (from == to) {
        program_.require(BPF_JEQ, from);
        return;
      }
      if (from > 0) program_.require(BPF_JGE, from);
      if (to < most) program_.refuse(BPF_JGT, to);
      return;
    }
    const auto ok = program_.label();
    for (const auto& range : ranges) {
      if (range.from == range.to) {
        program_.jump(BPF_JEQ, range.from, ok, BpfProgram::kNext);
        continue;
      }
      const auto below = program_.label();
      program_.jump(BPF_JGE, range.from, BpfProgram::kNext, below);
      program_.jump(BPF_JGT, range.to, BpfProgram::kNext, ok);
      program_.bind(below);
    }
    program_.ret(0);
    program_.bind(ok);
  }

  void port(int side) {
    if (!filter_.port[side].has_value()) return;
    const auto& wanted = *filter_.port[side];
    find_in(locate(direction_of(side), kProto),
            is_source(side) ? CTA_PROTO_SRC_PORT : CTA_PROTO_DST_PORT);
    program_.refuse(BPF_JEQ, 0);
    program_.payload(BPF_H);
    require_in(wanted.ranges, 0xffff);
  }

  void address(int side) {
    if (!filter_.address[side].has_value()) return;
    const AddressMatch& wanted = *filter_.address[side];
    if (const auto single = wanted.single(); single.has_value()) {
      masked_address(side, *single);
    } else if (!wanted.v4.empty() && wanted.v6.empty() && wanted.masks.empty()) {
      require_family(AF_INET);
      load_address(side, false);
      program_.load_at_x(BPF_W, kPayload);
      require_in(wanted.v4, 0xffffffffU);
    } else {
      exact_ = false;
    }
  }
  void masked_address(int side, const AddressMask& wanted) {
    const bool v6 = wanted.family == AF_INET6;
    require_family(wanted.family);
    bool loaded = false;
    for (std::uint32_t i = 0; i < (v6 ? 4U : 1U); i++) {
      if (wanted.mask[i] == 0) continue;
      if (!loaded) load_address(side, v6);
      loaded = true;
      program_.load_at_x(BPF_W, kPayload + i * 4);
      program_.mask(wanted.mask[i]);
      program_.require(BPF_JEQ, wanted.value[i]);
    }
  }
  void require_family(std::uint8_t family) {
    if (filter_.family == family) return;  // tested already
    program_.emit(BPF_LD | BPF_B | BPF_ABS, kFamilyAt);
    program_.require(BPF_JEQ, family);
  }
  // X: offset of the address.
  void load_address(int side, bool v6) {
    find_in(locate(direction_of(side), kIp), address_type(side, v6));
    program_.accept_if_zero();
    program_.to_x();
  }
  static std::uint16_t address_type(int side, bool v6) {
    if (v6) return is_source(side) ? CTA_IP_V6_SRC : CTA_IP_V6_DST;
    return is_source(side) ? CTA_IP_V4_SRC : CTA_IP_V4_DST;
  }

  void icmp(Direction direction) {
    const auto field = [&](std::uint16_t v4, std::uint16_t v6, Width width, std::uint32_t value) {
      const std::uint32_t proto = locate(direction, kProto);
      const auto found = program_.label();
      find_in(proto, v4);
      program_.jump(BPF_JEQ, 0, BpfProgram::kNext, found);
      find_in(proto, v6);
      program_.refuse(BPF_JEQ, 0);
      program_.bind(found);
      program_.payload(width);
      program_.require(BPF_JEQ, value);
    };
    if (const auto& type = filter_.icmp_type[direction]; type.has_value()) {
      field(CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMPV6_TYPE, BPF_B, *type);
    }
    if (const auto& code = filter_.icmp_code[direction]; code.has_value()) {
      field(CTA_PROTO_ICMP_CODE, CTA_PROTO_ICMPV6_CODE, BPF_B, *code);
    }
    if (const auto& id = filter_.icmp_id[direction]; id.has_value()) {
      field(CTA_PROTO_ICMP_ID, CTA_PROTO_ICMPV6_ID, BPF_H, *id);
    }
  }

  void mark() {
    if (!filter_.mark.has_value()) return;
    load_or_zero(CTA_MARK, BPF_W);
    program_.mask(filter_.mark_mask);
    program_.require(BPF_JEQ, *filter_.mark);
  }

  void status() {
    if (!filter_.status.has_value()) return;
    load_or_zero(CTA_STATUS, BPF_W);
    if (filter_.status->any != 0) program_.require(BPF_JSET, filter_.status->any);
    if (filter_.status->none != 0) program_.refuse(BPF_JSET, filter_.status->none);
    if (filter_.status->all != 0) {
      program_.mask(filter_.status->all);
      program_.require(BPF_JEQ, filter_.status->all);
    }
  }

  void zone() {
    if (filter_.zone.has_value()) {
      load_or_zero(CTA_ZONE, BPF_H);
      program_.require(BPF_JEQ, *filter_.zone);
    }
    for (int i = 0; i < 2; i++) {
      if (!filter_.tuple_zone[i].has_value()) continue;
      find_in(locate_tuple(static_cast<Direction>(i)), kTupleZone);
      program_.refuse(BPF_JEQ, 0);
      program_.payload(BPF_H);
      program_.require(BPF_JEQ, *filter_.tuple_zone[i]);
    }
  }

  void state() {
    if (!filter_.state.has_value()) return;
    struct Kind {
      std::uint32_t protocol;
      std::uint16_t nest;
      std::uint16_t attribute;
      std::uint32_t states;
    };
    const Kind kinds[] = {
        {IPPROTO_TCP, CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE, filter_.state->tcp},
        {IPPROTO_SCTP, CTA_PROTOINFO_SCTP, CTA_PROTOINFO_SCTP_STATE, filter_.state->sctp},
        {IPPROTO_DCCP, CTA_PROTOINFO_DCCP, CTA_PROTOINFO_DCCP_STATE, filter_.state->dccp},
    };
    const std::uint32_t protocol = kScratch;
    load_protocol();
    program_.store(protocol);
    const auto ok = program_.label();
    for (const Kind& kind : kinds) {
      if (kind.states == 0) continue;
      const auto other = program_.label();
      program_.load_slot(protocol);
      program_.jump(BPF_JEQ, kind.protocol, BpfProgram::kNext, other);
      find_top(CTA_PROTOINFO);
      program_.refuse(BPF_JEQ, 0);
      program_.find(kind.nest, true);
      program_.refuse(BPF_JEQ, 0);
      program_.find(kind.attribute, true);
      program_.refuse(BPF_JEQ, 0);
      program_.payload(BPF_B);
      program_.refuse(BPF_JGT, 31);
      program_.to_x();
      program_.load(1);
      program_.emit(BPF_ALU | BPF_LSH | BPF_X, 0);
      program_.jump(BPF_JSET, kind.states, ok, BpfProgram::kNext);
      program_.ret(0);
      program_.bind(other);
    }
    program_.ret(0);
    program_.bind(ok);
  }

  void label() {
    if (!filter_.label.has_value()) return;
    const std::uint32_t bit = *filter_.label;
    find_top(CTA_LABELS);
    program_.refuse(BPF_JEQ, 0);
    program_.payload(BPF_B, label_byte(bit));
    program_.require(BPF_JSET, 1U << (bit % 8));
  }

  void helper() {
    if (!filter_.helper.has_value()) return;
    find_top(CTA_HELP);
    program_.refuse(BPF_JEQ, 0);
    program_.find(CTA_HELP_NAME, true);
    program_.refuse(BPF_JEQ, 0);
    program_.to_x();
    std::string name = *filter_.helper;
    name.push_back('\0');  // the kernel sends it (nla_put_string): a longer name must not match
    for (std::uint32_t i = 0; i < name.size(); i++) {
      program_.load_at_x(BPF_B, kPayload + i);
      program_.require(BPF_JEQ, static_cast<std::uint8_t>(name[i]));
    }
  }

  // Jumps to `differ` if the address or the port of the reply tuple is not the mirror of the
  // original one (`translated` in filter.cc). Goes on if it is.
  void compare(Side original, Side mirrored, BpfProgram::Label differ) {
    const auto ports = program_.label();
    if (filter_.family == 0) {
      const auto v6 = program_.label();
      program_.emit(BPF_LD | BPF_B | BPF_ABS, kFamilyAt);
      program_.jump(BPF_JEQ, AF_INET, BpfProgram::kNext, v6);
      compare_addresses(original, mirrored, false, differ);
      program_.go(ports);
      program_.bind(v6);
      compare_addresses(original, mirrored, true, differ);
    } else {
      compare_addresses(original, mirrored, filter_.family == AF_INET6, differ);
    }
    program_.bind(ports);
    const auto type = [](Side side) {
      return static_cast<std::uint16_t>(is_source(side) ? CTA_PROTO_SRC_PORT : CTA_PROTO_DST_PORT);
    };
    compare_halves(type(original), type(mirrored), differ);
  }
  // For ICMP a translation of the source changes the id. Without one, both tuples have the same id.
  void compare_icmp_ids(std::uint16_t type, BpfProgram::Label differ) {
    compare_halves(type, type, differ);
  }
  // Compares 16-bit attributes of the two protocol nests. If one is absent, they count as the same.
  void compare_halves(std::uint16_t original, std::uint16_t mirrored, BpfProgram::Label differ) {
    const auto same = program_.label();
    find_in(slot(kOrig, kProto), original);
    program_.jump(BPF_JEQ, 0, same, BpfProgram::kNext);
    program_.payload(BPF_H);
    program_.store(kScratch);
    find_in(slot(kReply, kProto), mirrored);
    program_.jump(BPF_JEQ, 0, same, BpfProgram::kNext);
    program_.payload(BPF_H);
    program_.load_slot_x(kScratch);
    program_.jump(BPF_JEQ, 0, same, differ, BPF_X);
    program_.bind(same);
  }
  void compare_addresses(Side original, Side mirrored, bool v6, BpfProgram::Label differ) {
    find_in(slot(kOrig, kIp), address_type(original, v6));
    program_.accept_if_zero();
    program_.store(kScratch);
    find_in(slot(kReply, kIp), address_type(mirrored, v6));
    program_.accept_if_zero();
    program_.store(kScratch + 1);
    for (std::uint32_t i = 0; i < (v6 ? 4U : 1U); i++) {
      program_.load_slot_x(kScratch);
      program_.load_at_x(BPF_W, kPayload + i * 4);
      program_.store(kScratch + 2);
      program_.load_slot_x(kScratch + 1);
      program_.load_at_x(BPF_W, kPayload + i * 4);
      program_.load_slot_x(kScratch + 2);
      program_.jump(BPF_JEQ, 0, BpfProgram::kNext, differ, BPF_X);
    }
  }

  void nat() {
    if (!filter_.nat.has_value()) return;
    for (const auto direction : {kOrig, kReply}) {
      locate(direction, kIp);
      locate(direction, kProto);
    }
    const NatMatch kind = *filter_.nat;
    const auto differ = program_.label();
    const auto done = program_.label();
    if (kind != NatMatch::kDst) {
      compare(kOrigSrc, kReplyDst, differ);
      compare_icmp_ids(CTA_PROTO_ICMP_ID, differ);
      compare_icmp_ids(CTA_PROTO_ICMPV6_ID, differ);
    }
    if (kind != NatMatch::kSrc) compare(kOrigDst, kReplySrc, differ);
    if (kind == NatMatch::kNone) {
      program_.go(done);
      program_.bind(differ);
      program_.ret(0);
    } else {
      program_.ret(0);
      program_.bind(differ);
    }
    program_.bind(done);
  }

  const Filter& filter_;
  BpfProgram program_;
  bool located_[2 * kParts] = {};
  bool exact_ = true;
};

}  // namespace

EventProgram compile_event_filter(const Filter& filter) {
  if (filter.empty()) return {};
  return Compiler(filter).run();
}

int attach_event_filter(int socket, const EventProgram& program) {
  sock_fprog attached{};
  attached.len = static_cast<unsigned short>(program.code.size());
  attached.filter = const_cast<sock_filter*>(program.code.data());
  const int status = ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &attached, sizeof attached);
  return status == 0 ? 0 : errno;
}

}  // namespace nf::ct
