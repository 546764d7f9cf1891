// An event socket: its own NETLINK_NETFILTER socket in one network namespace, member of the event
// groups asked for, many datagrams read at once, the kernel's exact count of what it dropped. And
// the loop that reads it, decodes and filters, and hands the events over. Never shared with
// commands or dumps.
#pragma once

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>

#include "core/cancel.h"
#include "core/conntrack/events/event_decoder.h"
#include "core/conntrack/events/event_sink.h"
#include "core/conntrack/filter/filter.h"
#include "core/meeting.h"
#include "core/netlink/socket.h"

namespace nf::ct {

enum EventKind : std::uint32_t { kEventNew = 1, kEventUpdate = 2, kEventDestroy = 4 };

struct EventRequest {
  std::uint32_t kinds = 0;  // EventKind bits; of expectations kEventNew and kEventDestroy only
  bool expectations = false;
  const Filter* filter = nullptr;  // not null; outlives the socket
  std::size_t receive_buffer = 0;  // effective bytes asked for
  bool reliable = false;           // NETLINK_BROADCAST_ERROR
  bool all_namespaces = false;     // NETLINK_LISTEN_ALL_NSID
};

enum class KernelFilterState : std::uint8_t {
  kNone,     // no filter was given
  kExact,    // the kernel sends nothing outside the filter
  kPartial,  // the kernel applies a part of it
  kNotUsed,  // the filter makes no program, or the kernel refused it
};

// What was found when the stream was opened.
struct EventSocketState {
  std::size_t receive_buffer = 0;  // effective
  KernelFilterState kernel_filter = KernelFilterState::kNone;
  int kernel_filter_errno = 0;
  int events_sysctl = -1;     // net.netfilter.nf_conntrack_events; -1: not readable
  std::int64_t entries = -1;  // flows that were there already; -1: not readable
};

class EventSocket {
 public:
  EventSocket() = default;
  // On a thread that is in the wanted namespace. When it returns, every later event is caught.
  static Result<EventSocket> open(const EventRequest& request);

  const EventSocketState& state() const { return state_; }
  int fd() const { return socket_.fd(); }
  // Reads what is there, at most `limit` datagrams, and hands its events over. 0: nothing was
  // there.
  Result<std::size_t> receive(EventSink& sink, std::size_t limit);
  // Events that the kernel dropped for this socket since the last call.
  std::uint64_t take_drops();
  // Leaves the groups: what is queued in the kernel can still be read, nothing is added to it, by
  // the kernel or by another process.
  void leave();

  static constexpr std::size_t kBatch = 128;

 private:
  struct Buffers;
  Socket socket_;
  std::unique_ptr<Buffers, void (*)(Buffers*)> buffers_{nullptr, nullptr};
  std::unique_ptr<EventDecoder> decoder_;
  EventSocketState state_;
  std::uint32_t drops_ = 0;
};

// How the reading thread is told things.
struct EventControl {
  std::shared_ptr<Cancel> stop = std::make_shared<Cancel>();  // end at once
  std::atomic<bool> finish{false};  // with `stop`: leave the groups and read what is queued there
  Signal room{};                    // the sink has room again; matters in reliable mode only

  // Leave, read the rest, end. Any thread.
  void end() {
    finish.store(true);
    stop->raise();
    NF_MEETING(event_end);
  }
  // When nobody reads any more.
  void retire() {
    stop->retire();
    room.retire();
  }
};

// Reads until stopped. `ready` is called, without a lock, after something was handed to the sink.
// In reliable mode a sink without room stops the reading, so that the kernel keeps what it cannot
// deliver; otherwise the sink counts and drops what does not fit.
Result<void> read_events(EventSocket& socket, EventSink& sink, EventControl& control, bool reliable,
                         const std::function<void()>& ready);

}  // namespace nf::ct
