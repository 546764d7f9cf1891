// What a reader of an event socket hands over, and the interface of the taker. The queue of a
// stream is a taker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/conntrack/row.h"

namespace nf::ct {

enum class LossSource : std::uint8_t { kNone, kKernel, kQueue };

// An event of an expectation, as the kernel sent it.
struct ExpectationEvent {
  const std::uint8_t* payload;
  std::size_t size;
  std::int32_t nsid;     // -1: the namespace of the socket
  std::uint32_t portid;  // 0: the kernel itself
  std::uint8_t type;     // 1 new, 3 destroy
  std::uint8_t own;      // an Own
};

// Events in the kernel's order, decoded and filtered. All views point into the receive buffers, and
// are valid only during the call that hands the run over.
struct EventRun {
  std::span<const Row> flows;  // `event_type`, `nsid`, `portid` and `own` are set
  std::span<const ExpectationEvent> expectations;  // or these: a socket has events of one kind
  // Messages that were read together with them, and that give no event.
  std::uint64_t filtered = 0;     // outside the filter
  std::uint64_t undecodable = 0;  // malformed
};

// The reading thread calls all of these. None of them throws: an event for which there is no memory
// is a loss.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void add(const EventRun& run) = 0;
  // Events that nobody will see, after those that were added.
  virtual void lose(LossSource source, std::uint64_t lost) = 0;
  // How many more events there is room for. A reader in reliable mode asks before it reads.
  virtual std::size_t room() = 0;
};

}  // namespace nf::ct
