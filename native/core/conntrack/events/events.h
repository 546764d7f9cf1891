// An event socket: a NETLINK_NETFILTER socket of its own in one network namespace. It is a member
// of the wanted event groups, reads many datagrams at once, and has the kernel's exact count of
// what it dropped. The loop here reads it, decodes, filters, and hands the events over. Commands
// and dumps never use this socket.
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
  std::uint32_t kinds = 0;  // EventKind bits; for expectations kEventNew and kEventDestroy only
  bool expectations = false;
  const Filter* filter = nullptr;  // not null; outlives the socket
  std::size_t receive_buffer = 0;  // effective bytes asked for
  bool reliable = false;           // NETLINK_BROADCAST_ERROR
  bool all_namespaces = false;     // NETLINK_LISTEN_ALL_NSID
  OwnWanted own = OwnWanted::kAll;
};

enum class KernelFilterState : std::uint8_t {
  kNone,     // no filter was given
  kExact,    // the kernel sends nothing outside the filter
  kPartial,  // the kernel applies a part of it
  kNotUsed,  // the filter gives no program, or the kernel refused it
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
  // Call it on a thread that is in the wanted namespace. Every event after the return is caught.
  static Result<EventSocket> open(const EventRequest& request);

  const EventSocketState& state() const { return state_; }
  int fd() const { return socket_.fd(); }
  // Reads the datagrams that are there, at most `limit`, and hands their events over. 0: none.
  Result<std::size_t> receive(EventSink& sink, std::size_t limit);
  // Events that the kernel dropped for this socket since the last call.
  std::uint64_t take_drops();
  // Leaves the groups. What is queued in the kernel can still be read. Neither the kernel nor
  // another process can add to it.
  void leave();

  static constexpr std::size_t kBatch = 128;

 private:
  struct Buffers;
  Socket socket_;
  std::unique_ptr<Buffers, void (*)(Buffers*)> buffers_{nullptr, nullptr};
  std::unique_ptr<OwnEvents> own_;
  std::unique_ptr<EventDecoder> decoder_;
  EventSocketState state_;
  std::uint32_t drops_ = 0;
};

// How other threads control the reading thread.
struct EventControl {
  std::shared_ptr<Cancel> stop = std::make_shared<Cancel>();  // end at once
  std::atomic<bool> finish{false};  // with `stop`: leave the groups and read what is queued there
  Signal room{};                    // the sink has room again; matters in reliable mode only

  // Makes the reader leave the groups, read the rest, and end. Any thread.
  void end() {
    finish.store(true);
    stop->raise();
    NF_MEETING(event_end);
  }
  // Call it once nobody reads any more.
  void retire() {
    stop->retire();
    room.retire();
  }
};

// Reads until it is stopped. Calls `ready`, without a lock, after it handed something to the sink.
// In reliable mode a sink without room stops the reading, so that the kernel keeps what it cannot
// deliver. Otherwise the sink counts and drops what does not fit.
Result<void> read_events(EventSocket& socket, EventSink& sink, EventControl& control, bool reliable,
                         const std::function<void()>& ready);

}  // namespace nf::ct
