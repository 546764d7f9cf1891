// Loading and comparing the tuples of an event.
#include "core/conntrack/filter/event_tuples.h"

#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

namespace nf::ct {
namespace {

bool is_source(int side) { return side == kOrigSrc || side == kReplySrc; }

std::uint16_t address_type(int side, bool v6) {
  if (v6) return is_source(side) ? CTA_IP_V6_SRC : CTA_IP_V6_DST;
  return is_source(side) ? CTA_IP_V4_SRC : CTA_IP_V4_DST;
}

}  // namespace

std::uint16_t port_type(int side) {
  return is_source(side) ? CTA_PROTO_SRC_PORT : CTA_PROTO_DST_PORT;
}

std::uint32_t EventTuples::locate(Direction direction, Part part) {
  const std::uint32_t slot = std::uint32_t{direction} * kParts + part;
  if (located_[slot]) return slot;
  if (part == kTuple) {
    program_.load(kAttributesAt);
    program_.find(direction == kOrig ? CTA_TUPLE_ORIG : CTA_TUPLE_REPLY, false);
  } else {
    find(direction, kTuple, part == kIp ? CTA_TUPLE_IP : CTA_TUPLE_PROTO);
  }
  program_.accept_if_zero();
  program_.store(slot);
  located_[slot] = true;
  return slot;
}

void EventTuples::find(Direction direction, Part part, std::uint16_t type) {
  program_.load_slot(locate(direction, part));
  program_.find(type, true);
}

void EventTuples::load_protocol() {
  find(kOrig, kProto, CTA_PROTO_NUM);
  program_.accept_if_zero();
  program_.payload(BPF_B);
}

void EventTuples::load_address(int side, bool v6) {
  find(direction_of(side), kIp, address_type(side, v6));
  program_.accept_if_zero();
  program_.to_x();
}

void EventTuples::compare(Side original, Side mirrored, std::uint8_t family,
                          BpfProgram::Label differ) {
  const auto ports = program_.label();
  if (family == 0) {
    const auto v6 = program_.label();
    program_.emit(BPF_LD | BPF_B | BPF_ABS, kFamilyAt);
    program_.jump(BPF_JEQ, AF_INET, BpfProgram::kNext, v6);
    compare_addresses(original, mirrored, false, differ);
    program_.go(ports);
    program_.bind(v6);
    compare_addresses(original, mirrored, true, differ);
  } else {
    compare_addresses(original, mirrored, family == AF_INET6, differ);
  }
  program_.bind(ports);
  compare_halves(port_type(original), port_type(mirrored), differ);
}

void EventTuples::compare_icmp_ids(std::uint16_t type, BpfProgram::Label differ) {
  compare_halves(type, type, differ);
}

// Compares 16-bit attributes of the two protocol nests. If one is absent, they count as the same.
void EventTuples::compare_halves(std::uint16_t original, std::uint16_t mirrored,
                                 BpfProgram::Label differ) {
  const auto same = program_.label();
  find(kOrig, kProto, original);
  program_.jump(BPF_JEQ, 0, same, BpfProgram::kNext);
  program_.payload(BPF_H);
  program_.store(kScratch);
  find(kReply, kProto, mirrored);
  program_.jump(BPF_JEQ, 0, same, BpfProgram::kNext);
  program_.payload(BPF_H);
  program_.load_slot_x(kScratch);
  program_.jump(BPF_JEQ, 0, same, differ, BPF_X);
  program_.bind(same);
}

void EventTuples::compare_addresses(Side original, Side mirrored, bool v6,
                                    BpfProgram::Label differ) {
  find(kOrig, kIp, address_type(original, v6));
  program_.accept_if_zero();
  program_.store(kScratch);
  find(kReply, kIp, address_type(mirrored, v6));
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

}  // namespace nf::ct
