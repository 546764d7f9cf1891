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
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <bit>

#include "core/conntrack/filter/bpf_program.h"
#include "core/conntrack/filter/event_tuples.h"

namespace nf::ct {
namespace {

constexpr std::uint16_t kTupleZone = 3;  // CTA_TUPLE_ZONE
// A list with more ranges than this is not worth its instructions.
constexpr std::size_t kMaxRanges = 64;

// The byte of a label's bit in the kernel's array of long (filter.cc, has_label).
std::uint32_t label_byte(std::uint32_t bit) {
  if constexpr (std::endian::native == std::endian::big) return bit / 64 * 8 + 7 - bit % 64 / 8;
  return bit / 8;
}

class Compiler {
 public:
  explicit Compiler(const Filter& filter) : filter_(filter), tuples_(program_) {}

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
  using Tuples = EventTuples;

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
    tuples_.load_protocol();
    require_in(ranges, 0xff);
  }

  // A: a value that must be in one of the ranges. No range ends above `most`. If there are more
  // than kMaxRanges, only the ends are tested: the begin of the first range and the end of the
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
    tuples_.find(direction_of(side), Tuples::kProto, port_type(side));
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
      tuples_.load_address(side, false);
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
      if (!loaded) tuples_.load_address(side, v6);
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

  void icmp(Direction direction) {
    const auto field = [&](std::uint16_t v4, std::uint16_t v6, Width width, std::uint32_t value) {
      const auto found = program_.label();
      tuples_.find(direction, Tuples::kProto, v4);
      program_.jump(BPF_JEQ, 0, BpfProgram::kNext, found);
      tuples_.find(direction, Tuples::kProto, v6);
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
      tuples_.find(static_cast<Direction>(i), Tuples::kTuple, kTupleZone);
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

  void nat() {
    if (!filter_.nat.has_value()) return;
    for (const auto direction : {kOrig, kReply}) {
      tuples_.locate(direction, Tuples::kIp);
      tuples_.locate(direction, Tuples::kProto);
    }
    const NatMatch kind = *filter_.nat;
    const auto differ = program_.label();
    const auto done = program_.label();
    if (kind != NatMatch::kDst) {
      tuples_.compare(kOrigSrc, kReplyDst, filter_.family, differ);
      tuples_.compare_icmp_ids(CTA_PROTO_ICMP_ID, differ);
      tuples_.compare_icmp_ids(CTA_PROTO_ICMPV6_ID, differ);
    }
    if (kind != NatMatch::kSrc) tuples_.compare(kOrigDst, kReplySrc, filter_.family, differ);
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
  EventTuples tuples_;
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
