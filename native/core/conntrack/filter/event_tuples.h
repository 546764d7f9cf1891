// The tuples of an event in a BPF program: finding their attributes, loading them, and comparing
// the two tuples. Knows what a message looks like, and nothing of filters.
#pragma once

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cstdint>

#include "core/conntrack/filter/bpf_program.h"
#include "core/conntrack/row.h"

namespace nf::ct {

// Where things are in the datagram.
inline constexpr std::uint32_t kFamilyAt = NLMSG_HDRLEN;  // nfgenmsg.nfgen_family
inline constexpr std::uint32_t kAttributesAt = NLMSG_HDRLEN + sizeof(nfgenmsg);

inline Direction direction_of(int side) { return side < kReplySrc ? kOrig : kReply; }
std::uint16_t port_type(int side);

class EventTuples {
 public:
  enum Part : std::uint8_t { kTuple, kIp, kProto };
  static constexpr std::uint32_t kParts = 3;
  // Scratch memory: first the offsets of the nests, which are found once, then room to compare.
  static constexpr std::uint32_t kScratch = 2 * kParts;

  explicit EventTuples(BpfProgram& program) : program_(program) {}

  // Makes sure that the offset of a part is in the scratch memory, and returns the slot. Never
  // called inside a branch, unless the part is located already.
  std::uint32_t locate(Direction direction, Part part);
  // A: offset of an attribute of this part, or 0. Locates the part.
  void find(Direction direction, Part part, std::uint16_t type);
  // A: the protocol.
  void load_protocol();
  // X: offset of the address.
  void load_address(int side, bool v6);

  // These need both parts kIp and kProto of both tuples located.
  //
  // Jumps to `differ` if the address or the port of the reply tuple is not the mirror of the
  // original one (`translated` in filter.cc). Goes on if it is. `family`: that of all events, or 0.
  void compare(Side original, Side mirrored, std::uint8_t family, BpfProgram::Label differ);
  // For ICMP a translation of the source changes the id. Without one, both tuples have the same id.
  void compare_icmp_ids(std::uint16_t type, BpfProgram::Label differ);

 private:
  void compare_addresses(Side original, Side mirrored, bool v6, BpfProgram::Label differ);
  void compare_halves(std::uint16_t original, std::uint16_t mirrored, BpfProgram::Label differ);

  BpfProgram& program_;
  bool located_[2 * kParts] = {};
};

}  // namespace nf::ct
