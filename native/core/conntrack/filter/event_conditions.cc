// One condition after the other.
//
// The program sees one datagram, which for events is one message: nlmsghdr, nfgenmsg, attributes.
// Two ancillary loads find attributes (net/core/filter.c): SKF_AD_NLATTR (A: where to begin, X:
// type → A: offset or 0) and SKF_AD_NLATTR_NEST (A: offset of the nest, X: type). Loads are big
// endian, as the payloads are. A load outside the datagram ends the program with "reject".
//
// An absent attribute means the same here as in Filter::matches. Mark, status and zone count as 0,
// and there are no labels. Ports, ICMP fields, state, helper and the zone of one direction do not
// match. A message without tuples, which no kernel sends, passes: its reader must be able to count
// it.
#include "core/conntrack/filter/event_conditions.h"

#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <bit>
#include <utility>

namespace nf::ct {
namespace {

constexpr std::uint16_t kTupleZone = 3;  // CTA_TUPLE_ZONE
// A list with more ranges than this is not worth its instructions.
constexpr std::size_t kMaxRanges = 64;

// Where the kernel's array of long has 8 labels (filter.cc, labels_of).
std::uint32_t label_byte(std::uint32_t byte) {
  if constexpr (std::endian::native == std::endian::big) return byte / 8 * 8 + 7 - byte % 8;
  return byte;
}

std::uint32_t byte_of(const LabelMatch::Bits& bits, std::uint32_t byte) {
  return bits[byte / 4] >> (byte % 4 * 8) & 0xff;
}

std::vector<Range<std::uint32_t>> protocol_ranges(const Filter& filter) {
  std::vector<Range<std::uint32_t>> ranges;
  for (std::uint32_t p = 0; p < 256; p++) {
    if (((filter.protocols[p / 64] >> (p % 64)) & 1) == 0) continue;
    if (!ranges.empty() && ranges.back().to + 1 == p) {
      ranges.back().to = p;
    } else {
      ranges.push_back({p, p});
    }
  }
  return ranges;
}

bool only_v4_ranges(const AddressMatch& wanted) {
  return !wanted.v4.empty() && wanted.v6.empty() && wanted.masks.empty();
}

}  // namespace

bool tests_exactly(const AddressMatch& wanted) {
  if (wanted.single().has_value()) return true;
  return only_v4_ranges(wanted) && wanted.v4.size() <= kMaxRanges;
}

bool tests_exactly(const PortMatch& wanted) { return wanted.ranges.size() <= kMaxRanges; }

bool tests_protocols_exactly(const Filter& filter) {
  return filter.protocol_count == 0 || protocol_ranges(filter).size() <= kMaxRanges;
}

void EventConditions::locate_tuples() {
  for (const auto direction : {kOrig, kReply}) {
    tuples_.locate(direction, Tuples::kIp);
    tuples_.locate(direction, Tuples::kProto);
  }
}

void EventConditions::find_top(std::uint16_t type) {
  program_.load(kAttributesAt);
  program_.find(type, false);
}

// A: the payload of a top-level attribute, 0 when it is absent.
void EventConditions::load_or_zero(std::uint16_t type, Width width) {
  find_top(type);
  const auto absent = program_.label();
  program_.jump(BPF_JEQ, 0, absent, BpfProgram::kNext);
  program_.payload(width);
  program_.bind(absent);
}

// A: a value that must be in one of the ranges. No range ends above `most`. If there are more than
// kMaxRanges, only the ends are tested: the begin of the first range and the end of the last.
template <typename Value>
void EventConditions::require_in(const std::vector<Range<Value>>& ranges, std::uint32_t most) {
  if (ranges.size() == 1 || ranges.size() > kMaxRanges) {
    const std::uint32_t from = ranges.front().from;
    const std::uint32_t to = ranges.back().to;
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
  program_.reject();
  program_.bind(ok);
}

void EventConditions::family(std::uint8_t family) {
  program_.emit(BPF_LD | BPF_B | BPF_ABS, kFamilyAt);
  program_.require(BPF_JEQ, family);
}

void EventConditions::protocol(const Filter& filter) {
  if (!tests_protocols_exactly(filter)) return;
  tuples_.load_protocol();
  require_in(protocol_ranges(filter), 0xff);
}

void EventConditions::port(int side, const PortMatch& wanted) {
  tuples_.find(direction_of(side), Tuples::kProto, port_type(side));
  program_.refuse(BPF_JEQ, 0);
  program_.payload(BPF_H);
  require_in(wanted.ranges, 0xffff);
}

void EventConditions::address(int side, const AddressMatch& wanted, std::uint8_t family) {
  if (const auto single = wanted.single(); single.has_value()) {
    masked_address(side, *single, family);
  } else if (only_v4_ranges(wanted)) {
    require_family(AF_INET, family);
    tuples_.load_address(side, false);
    program_.load_at_x(BPF_W, kPayload);
    require_in(wanted.v4, 0xffffffffU);
  }
}

void EventConditions::masked_address(int side, const AddressMask& wanted, std::uint8_t family) {
  const bool v6 = wanted.family == AF_INET6;
  require_family(wanted.family, family);
  bool loaded = false;
  for (std::uint32_t i = 0; i < (v6 ? 4U : 1U); i++) {
    if (wanted.mask[i] == 0) continue;
    if (!loaded) tuples_.load_address(side, v6);
    loaded = true;
    program_.load_at_x(BPF_W, kPayload + i * 4);
    program_.mask(wanted.mask[i]);
    program_.require(BPF_JEQ, wanted.value[i]);
  }
}

void EventConditions::require_family(std::uint8_t wanted, std::uint8_t family) {
  if (wanted != family) this->family(wanted);
}

void EventConditions::icmp_field(Direction direction, std::uint16_t v4, std::uint16_t v6,
                                 Width width, std::uint32_t value) {
  const auto found = program_.label();
  tuples_.find(direction, Tuples::kProto, v4);
  program_.jump(BPF_JEQ, 0, BpfProgram::kNext, found);
  tuples_.find(direction, Tuples::kProto, v6);
  program_.refuse(BPF_JEQ, 0);
  program_.bind(found);
  program_.payload(width);
  program_.require(BPF_JEQ, value);
}

void EventConditions::icmp(const Filter& filter, Direction direction) {
  if (const auto& type = filter.icmp_type[direction]; type.has_value()) {
    icmp_field(direction, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMPV6_TYPE, BPF_B, *type);
  }
  if (const auto& code = filter.icmp_code[direction]; code.has_value()) {
    icmp_field(direction, CTA_PROTO_ICMP_CODE, CTA_PROTO_ICMPV6_CODE, BPF_B, *code);
  }
  if (const auto& id = filter.icmp_id[direction]; id.has_value()) {
    icmp_field(direction, CTA_PROTO_ICMP_ID, CTA_PROTO_ICMPV6_ID, BPF_H, *id);
  }
}

void EventConditions::mark(std::uint32_t value, std::uint32_t mask) {
  load_or_zero(CTA_MARK, BPF_W);
  program_.mask(mask);
  program_.require(BPF_JEQ, value);
}

void EventConditions::status(const StatusMatch& wanted) {
  load_or_zero(CTA_STATUS, BPF_W);
  if (wanted.any != 0) program_.require(BPF_JSET, wanted.any);
  if (wanted.none != 0) program_.refuse(BPF_JSET, wanted.none);
  if (wanted.all != 0) {
    program_.mask(wanted.all);
    program_.require(BPF_JEQ, wanted.all);
  }
}

void EventConditions::zone(std::uint16_t zone) {
  load_or_zero(CTA_ZONE, BPF_H);
  program_.require(BPF_JEQ, zone);
}

void EventConditions::tuple_zone(Direction direction, std::uint16_t zone) {
  tuples_.find(direction, Tuples::kTuple, kTupleZone);
  program_.refuse(BPF_JEQ, 0);
  program_.payload(BPF_H);
  program_.require(BPF_JEQ, zone);
}

void EventConditions::state(const StateMatch& wanted) {
  struct Kind {
    std::uint32_t protocol;
    std::uint16_t nest;
    std::uint16_t attribute;
    std::uint32_t states;
  };
  const Kind kinds[] = {
      {IPPROTO_TCP, CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE, wanted.tcp},
      {IPPROTO_SCTP, CTA_PROTOINFO_SCTP, CTA_PROTOINFO_SCTP_STATE, wanted.sctp},
      {IPPROTO_DCCP, CTA_PROTOINFO_DCCP, CTA_PROTOINFO_DCCP_STATE, wanted.dccp},
  };
  const std::uint32_t protocol = Tuples::kScratch;
  tuples_.load_protocol();
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
    program_.reject();
    program_.bind(other);
  }
  program_.reject();
  program_.bind(ok);
}

void EventConditions::label(const LabelMatch& wanted) {
  const bool needs = wanted.all != LabelMatch::Bits{} || wanted.any != LabelMatch::Bits{};
  const auto done = program_.label();
  find_top(CTA_LABELS);
  if (needs) {
    program_.refuse(BPF_JEQ, 0);
  } else {
    program_.jump(BPF_JEQ, 0, done, BpfProgram::kNext);
  }
  program_.to_x();
  for (std::uint32_t byte = 0; byte < 16; byte++) {
    const std::uint32_t all = byte_of(wanted.all, byte);
    const std::uint32_t none = byte_of(wanted.none, byte);
    if ((all | none) == 0) continue;
    program_.load_at_x(BPF_B, kPayload + label_byte(byte));
    program_.mask(all | none);
    program_.require(BPF_JEQ, all);
  }
  if (wanted.any != LabelMatch::Bits{}) {
    for (std::uint32_t byte = 0; byte < 16; byte++) {
      const std::uint32_t any = byte_of(wanted.any, byte);
      if (any == 0) continue;
      program_.load_at_x(BPF_B, kPayload + label_byte(byte));
      program_.jump(BPF_JSET, any, done, BpfProgram::kNext);
    }
    program_.reject();
  }
  program_.bind(done);
}

void EventConditions::helper(std::string name) {
  find_top(CTA_HELP);
  program_.refuse(BPF_JEQ, 0);
  program_.find(CTA_HELP_NAME, true);
  program_.refuse(BPF_JEQ, 0);
  program_.to_x();
  name.push_back('\0');  // the kernel sends it (nla_put_string): a longer name must not match
  for (std::uint32_t i = 0; i < name.size(); i++) {
    program_.load_at_x(BPF_B, kPayload + i);
    program_.require(BPF_JEQ, static_cast<std::uint8_t>(name[i]));
  }
}

void EventConditions::nat(NatMatch kind, std::uint8_t family) {
  locate_tuples();
  const auto differ = program_.label();
  const auto done = program_.label();
  if (kind != NatMatch::kDst) {
    tuples_.compare(kOrigSrc, kReplyDst, family, differ);
    tuples_.compare_icmp_ids(CTA_PROTO_ICMP_ID, differ);
    tuples_.compare_icmp_ids(CTA_PROTO_ICMPV6_ID, differ);
  }
  if (kind != NatMatch::kSrc) tuples_.compare(kOrigDst, kReplySrc, family, differ);
  if (kind == NatMatch::kNone) {
    program_.go(done);
    program_.bind(differ);
    program_.reject();
  } else {
    program_.reject();
    program_.bind(differ);
  }
  program_.bind(done);
}

}  // namespace nf::ct
