// The conditions of a filter as instructions of a BPF program for events. Each goes on at the next
// instruction if the event meets it, and rejects the event otherwise. Knows single conditions;
// event_filter.cc combines them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/conntrack/filter/bpf_program.h"
#include "core/conntrack/filter/event_tuples.h"
#include "core/conntrack/filter/filter.h"

namespace nf::ct {

// Whether the program can test exactly this. If it cannot, it passes more.
bool tests_exactly(const AddressMatch& wanted);
bool tests_exactly(const PortMatch& wanted);
bool tests_protocols_exactly(const Filter& filter);

class EventConditions {
 public:
  explicit EventConditions(BpfProgram& program) : program_(program), tuples_(program) {}

  // Finds all parts of both tuples now. Afterwards the conditions may stand in branches.
  void locate_tuples();

  void family(std::uint8_t family);
  void protocol(const Filter& filter);
  void port(int side, const PortMatch& wanted);
  // `family`: that of all events that come here, or 0. Nothing if no part can be tested.
  void address(int side, const AddressMatch& wanted, std::uint8_t family);
  void icmp(const Filter& filter, Direction direction);
  void mark(std::uint32_t value, std::uint32_t mask);
  void status(const StatusMatch& wanted);
  void zone(std::uint16_t zone);
  void tuple_zone(Direction direction, std::uint16_t zone);
  void state(const StateMatch& wanted);
  void label(const LabelMatch& wanted);
  void helper(std::string name);
  void nat(NatMatch kind, std::uint8_t family);

 private:
  using Tuples = EventTuples;

  void find_top(std::uint16_t type);
  void load_or_zero(std::uint16_t type, Width width);
  void icmp_field(Direction direction, std::uint16_t v4, std::uint16_t v6, Width width,
                  std::uint32_t value);
  void masked_address(int side, const AddressMask& wanted, std::uint8_t family);
  void require_family(std::uint8_t wanted, std::uint8_t family);
  template <typename Value>
  void require_in(const std::vector<Range<Value>>& ranges, std::uint32_t most);

  BpfProgram& program_;
  EventTuples tuples_;
};

}  // namespace nf::ct
