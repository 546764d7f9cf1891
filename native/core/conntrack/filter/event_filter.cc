// Filter → classic BPF: which conditions, in which order, and how filters in a filter are combined.
//
// What the program cannot test is left out, and the program passes more. A filter in `excluded` is
// used only if the program can test all of it: what it passes too much there would be rejected.
#include "core/conntrack/filter/event_filter.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>

#include "core/conntrack/filter/bpf_program.h"
#include "core/conntrack/filter/event_conditions.h"

namespace nf::ct {
namespace {

// Whether the program can test all of the filter.
bool tests_exactly(const Filter& filter) {
  if (!tests_protocols_exactly(filter)) return false;
  for (int side = 0; side < kSides; side++) {
    if (filter.address[side].has_value() && !tests_exactly(*filter.address[side])) return false;
    if (filter.port[side].has_value() && !tests_exactly(*filter.port[side])) return false;
  }
  if (filter.host.has_value() && !tests_exactly(*filter.host)) return false;
  if (filter.any_port.has_value() && !tests_exactly(*filter.any_port)) return false;
  const auto exact = [](const Filter& inner) { return tests_exactly(inner); };
  return std::all_of(filter.any.begin(), filter.any.end(), exact) &&
         std::all_of(filter.excluded.begin(), filter.excluded.end(), exact);
}

bool has_branches(const Filter& filter) {
  return filter.host.has_value() || filter.any_port.has_value() || !filter.any.empty() ||
         !filter.excluded.empty();
}

class Compiler {
 public:
  Compiler() : conditions_(program_) {}

  // `branches`: also what needs branches. False if there is no program: it is too long, or would
  // pass every event.
  bool run(const Filter& filter, bool branches, std::vector<sock_filter>& code) {
    if (branches && has_branches(filter)) conditions_.locate_tuples();
    const bool tests = branches ? whole(filter) : simple(filter);
    return tests && program_.finish(code);
  }

 private:
  // These give whether what they emit can reject an event.

  // The tests that reject most for the least work come first.
  bool simple(const Filter& filter) {
    const std::size_t before = program_.rejects();
    if (filter.family != 0) conditions_.family(filter.family);
    if (filter.protocol_count != 0) conditions_.protocol(filter);
    for (int side = 0; side < kSides; side++) {
      if (filter.port[side].has_value()) conditions_.port(side, *filter.port[side]);
    }
    for (int side = 0; side < kSides; side++) {
      const auto& wanted = filter.address[side];
      if (wanted.has_value()) conditions_.address(side, *wanted, filter.family);
    }
    for (const auto direction : {kOrig, kReply}) conditions_.icmp(filter, direction);
    if (filter.mark.has_value()) conditions_.mark(*filter.mark, filter.mark_mask);
    if (filter.status.has_value()) conditions_.status(*filter.status);
    if (filter.zone.has_value()) conditions_.zone(*filter.zone);
    for (const auto direction : {kOrig, kReply}) {
      const auto& zone = filter.tuple_zone[direction];
      if (zone.has_value()) conditions_.tuple_zone(direction, *zone);
    }
    if (filter.state.has_value()) conditions_.state(*filter.state);
    if (filter.label.has_value()) conditions_.label(*filter.label);
    if (filter.helper.has_value()) conditions_.helper(*filter.helper);
    if (filter.nat.has_value()) conditions_.nat(*filter.nat, filter.family);
    return program_.rejects() > before;
  }

  bool combined(const Filter& filter) {
    bool tests = false;
    if (filter.any_port.has_value()) {
      tests |= one_of(kSides, [&](int side) {
        conditions_.port(side, *filter.any_port);
        return true;
      });
    }
    if (filter.host.has_value()) {
      tests |= one_of(kSides, [&](int side) {
        const std::size_t before = program_.rejects();
        conditions_.address(side, *filter.host, filter.family);
        return program_.rejects() > before;
      });
    }
    if (!filter.any.empty()) {
      tests |=
          one_of(static_cast<int>(filter.any.size()), [&](int i) { return whole(filter.any[i]); });
    }
    for (const Filter& inner : filter.excluded) {
      if (!tests_exactly(inner)) continue;
      const auto other = program_.label();
      const auto before = program_.reject_to(other);
      whole(inner);
      program_.reject_to(before);
      program_.reject();
      program_.bind(other);
      tests = true;
    }
    return tests;
  }

  bool whole(const Filter& filter) {
    const bool tests = simple(filter);
    return combined(filter) || tests;
  }

  // Rejects the event if each of the alternatives does. They give whether they can.
  template <typename Alternative>
  bool one_of(int count, const Alternative& alternative) {
    bool tests = true;
    const auto ok = program_.label();
    for (int i = 0; i < count; i++) {
      const auto next = program_.label();
      const auto outside = program_.reject_to(next);
      tests = alternative(i) && tests;
      program_.reject_to(outside);
      program_.go(ok);
      program_.bind(next);
    }
    program_.reject();
    program_.bind(ok);
    return tests;
  }

  BpfProgram program_;
  EventConditions conditions_;
};

}  // namespace

EventProgram compile_event_filter(const Filter& filter) {
  EventProgram program;
  if (filter.empty()) return program;
  program.exact = tests_exactly(filter);
  if (Compiler().run(filter, true, program.code)) return program;
  program.exact = false;
  // Many filters in one make a program that is too long.
  if (has_branches(filter) && Compiler().run(filter, false, program.code)) return program;
  return {{}, false};
}

int attach_event_filter(int socket, const EventProgram& program) {
  sock_fprog attached{};
  attached.len = static_cast<unsigned short>(program.code.size());
  attached.filter = const_cast<sock_filter*>(program.code.data());
  const int status = ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &attached, sizeof attached);
  return status == 0 ? 0 : errno;
}

}  // namespace nf::ct
