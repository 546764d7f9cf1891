// Event streams: a socket and a thread of their own, a bounded queue, and batches that JavaScript
// pulls, until it closes the stream or lets it drain.

#include "core/conntrack/events/event_queue.h"
#include "core/conntrack/events/events.h"
#include "core/operation.h"
#include "core/thread.h"
#include "napi/batch.h"
#include "napi/conntrack.h"
#include "napi/conntrack_handle.h"
#include "napi/dump_request.h"
#include "napi/exports.h"
#include "napi/pull.h"
#include "napi/values.h"

namespace nf::js {
namespace {

struct EventOptions {
  std::shared_ptr<ct::Filter> filter;
  ct::EventRequest request;
  std::size_t max_events = 0;
};

class EventStream final : public Pull {
 public:
  static constexpr Kind kKind = Kind::kEventStream;
  static constexpr const char* kRefusal = "not an event stream";

  EventStream(Environment& environment, EventOptions options, ct::EventSocket socket)
      : Pull(environment, operation::kEvents, std::make_shared<Cancel>(), Keeps::kUntilEnd),
        options_(std::move(options)),
        socket_(std::move(socket)),
        state_(socket_.state()),
        queue_(options_.max_events) {
    closers_.reserve(2);  // neither closing nor draining before it may fail
  }

  // JS thread. Ends the stream. The promise settles when its socket is closed. `drain`: everything
  // received until now can still be taken, and is in the queue when the promise settles.
  Napi::Value close(Napi::Env env, bool drain) {
    if (drain) {
      queue_.drain();
    } else {
      closed_ = true;
      queue_.discard();
    }
    control_.end();
    settle(env);
    // If there is no memory to notify a second caller, the stream ends anyway.
    if (closers_.size() == closers_.capacity()) closers_.reserve(closers_.size() + 1);
    auto deferred = Deferred::make(env);
    if (!deferred.has_value()) return {};
    const Napi::Value done = deferred->promise(env);
    if (finished()) {
      deferred->resolve(env, env.Undefined());
    } else {
      environment().retain();
      closers_.push_back(*deferred);
    }
    return done;
  }
  Napi::Object stats(Napi::Env env) {
    const ct::EventCounts counts = queue_.counts();
    Napi::Object result = Napi::Object::New(env);
    result.Set("kept", to_number(env, counts.kept));
    result.Set("filtered", to_number(env, counts.filtered));
    result.Set("undecodable", to_number(env, counts.undecodable));
    result.Set("lostInKernel", to_number(env, counts.lost_in_kernel));
    result.Set("lostInQueue", to_number(env, counts.lost_in_queue));
    result.Set("receiveBuffer", to_number(env, state_.receive_buffer));
    result.Set("kernelFilter", static_cast<std::uint32_t>(state_.kernel_filter));
    result.Set("kernelFilterErrno", state_.kernel_filter_errno);
    result.Set("eventsSysctl", state_.events_sysctl);
    result.Set("entries", static_cast<double>(state_.entries));
    return result;
  }

 private:
  Result<void> produce() override {
    return ct::read_events(socket_, queue_, control_, options_.request.reliable,
                           [this] { ring(); });
  }
  void close_descriptors() override {
    socket_ = ct::EventSocket();
    control_.retire();
  }

  // Only the JS thread calls what follows.
  Taken take(Napi::Env env) override {
    if (closed_) return given(env.Null());
    ct::EventSegment segment;
    if (!queue_.take(segment)) return nothing();
    if (options_.request.reliable) control_.room.raise();
    const std::size_t events = segment.events;
    try {
      return given(to_segment(env, segment));
    } catch (...) {
      queue_.give_up(events);
      throw;
    }
  }
  void ended(Napi::Env env) override {
    for (auto& closer : closers_) {
      environment().release();
      closer.resolve(env, env.Undefined());
    }
    closers_.clear();
  }
  Napi::Value to_segment(Napi::Env env, ct::EventSegment& segment) {
    Napi::Object result = Napi::Object::New(env);
    result.Set("events", to_number(env, segment.events));
    if (options_.request.expectations) {
      const std::size_t size = segment.messages.size();
      result.Set("messages", to_array_buffer(env, segment.messages.take(), size));
    } else {
      result.Set("batch", to_batch(env, segment.columns));
    }
    if (segment.overrun.source != ct::LossSource::kNone) {
      result.Set("lost", to_number(env, segment.overrun.lost));
      result.Set("source", segment.overrun.source == ct::LossSource::kKernel ? "kernel" : "queue");
    }
    return result;
  }

  const EventOptions options_;
  ct::EventSocket socket_;
  const ct::EventSocketState state_;
  ct::EventQueue queue_;
  ct::EventControl control_{.stop = stop()};

  // The JS thread only.
  std::vector<Deferred> closers_;
  bool closed_ = false;
};

bool read_options(const Napi::Value& value, EventOptions& out) {
  const auto size = [&](const char* name) {
    return static_cast<std::size_t>(std::max<std::int64_t>(i64_of(field_of(value, name)), 0));
  };
  out.request.kinds = u32_of(field_of(value, "kinds"));
  out.request.expectations = flag_of(field_of(value, "expectations"));
  out.request.receive_buffer = size("receiveBuffer");
  out.request.reliable = flag_of(field_of(value, "reliable"));
  out.request.all_namespaces = flag_of(field_of(value, "allNamespaces"));
  out.request.own =
      static_cast<ct::OwnWanted>(std::min<std::uint32_t>(u32_of(field_of(value, "own")), 2));
  out.max_events = size("maxEvents");
  if (bad_arguments(value.Env())) return false;
  out.filter = filter_of(field_of(value, "filter"));
  out.request.filter = out.filter.get();
  return out.filter != nullptr;
}

// ctEventsOpen(handle, options) → stream. A few system calls, on a thread that may enter the
// handle's namespace; every event after the return is caught.
Napi::Value open_events(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  EventOptions options;
  if (handle == nullptr || !read_options(info[1], options)) return env.Undefined();
  Result<ct::EventSocket> socket = fail(0, operation::kEvents);
  auto ran = Thread::run_to_end("conntrack-open", [&]() -> Result<void> {
    if (auto entered = handle->netns().enter(operation::kEvents); !entered) return entered;
    socket = ct::EventSocket::open(options.request);
    return {};
  });
  if (!ran || !socket) {
    throw_failure(env, ran ? socket.error() : ran.error());
    return env.Undefined();
  }
  return open_puller(env, std::make_shared<EventStream>(Environment::of(env), std::move(options),
                                                        std::move(*socket)));
}

// ctEventsClose(stream, drain) → Promise<void>
Napi::Value close(const Napi::CallbackInfo& info) {
  auto stream = puller_of<EventStream>(info);
  if (stream == nullptr) return info.Env().Undefined();
  return (*stream)->close(info.Env(), flag_of(info[1]));
}

// ctEventsHold(stream, boolean): ref() and unref()
Napi::Value hold(const Napi::CallbackInfo& info) {
  if (auto stream = puller_of<EventStream>(info)) (*stream)->hold(flag_of(info[1]));
  return info.Env().Undefined();
}

// ctEventsStats(stream) → counts and what was found when it was opened
Napi::Value stats(const Napi::CallbackInfo& info) {
  auto stream = puller_of<EventStream>(info);
  if (stream == nullptr) return info.Env().Undefined();
  return (*stream)->stats(info.Env());
}

}  // namespace

void export_event_stream(Napi::Object exports) {
  export_function<open_events>(exports, "ctEventsOpen", operation::kEvents);
  // ctEventsNext(stream) → batch | null | Promise of one of them
  export_function<next_of<EventStream>>(exports, "ctEventsNext", operation::kEvents);
  export_function<close>(exports, "ctEventsClose", operation::kEvents);
  export_function<hold>(exports, "ctEventsHold", operation::kEvents);
  export_function<stats>(exports, "ctEventsStats", operation::kEvents);
}

}  // namespace nf::js
