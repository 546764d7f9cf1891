// Event streams: a socket and a thread of their own, a bounded queue, and batches that JavaScript
// pulls. Lifetime: the thread keeps the stream alive; the environment's cleanup hook raises `stop`
// and joins the thread; the finalizer of the JavaScript object only raises `stop` (rule 4: after
// teardown nothing else may be touched).

#include "core/conntrack/events/event_queue.h"
#include "core/conntrack/events/events.h"
#include "core/meeting.h"
#include "core/thread.h"
#include "napi/batch.h"
#include "napi/conntrack.h"
#include "napi/conntrack_handle.h"
#include "napi/deferred.h"
#include "napi/dump_request.h"
#include "napi/exports.h"
#include "napi/external.h"

namespace nf::js {
namespace {

Napi::Value number(Napi::Env env, std::uint64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

struct EventOptions {
  std::shared_ptr<ct::Filter> filter;
  ct::EventRequest request;
  std::size_t max_events = 0;
};

class EventStream {
 public:
  EventStream(Environment& environment, EventOptions options, ct::EventSocket socket)
      : environment_(environment),
        options_(std::move(options)),
        socket_(std::move(socket)),
        state_(socket_.state()),
        queue_(options_.max_events) {}

  // JS thread, once.
  Result<void> start(const std::shared_ptr<EventStream>& self) {
    self_ = self;
    closers_.reserve(2);  // closing must not fail, nor draining before it
    auto end = std::make_shared<Settlement>();
    end->emplace_back([self](Napi::Env env) { self->finish(env); });
    auto started = environment_.run_alone([self, end] { self->read(*end); }, control_.stop);
    if (started) hold(true);
    return started;
  }

  // JS thread: a batch, null at the end, or a promise for one of them.
  Napi::Value next(Napi::Env env) {
    if (auto ready = take(env); !ready.IsUndefined()) return ready;
    waiter_ = Deferred::make(env);
    if (!waiter_.has_value()) return {};
    const Napi::Value pending = waiter_->promise(env);
    settle(env);
    return pending;
  }
  bool busy() const { return waiter_.has_value(); }

  // JS thread. Ends the stream; the promise settles when its socket is closed. `drain`: what was
  // received until now can still be taken, and is all in the queue when the promise settles.
  Napi::Value close(Napi::Env env, bool drain) {
    if (drain) {
      queue_.drain();
    } else {
      closed_ = true;
      queue_.discard();
    }
    control_.end();
    settle(env);
    // The stream ends also where there is no memory to tell of it to a second who asks.
    if (closers_.size() == closers_.capacity()) closers_.reserve(closers_.size() + 1);
    auto deferred = Deferred::make(env);
    if (!deferred.has_value()) return {};
    const Napi::Value done = deferred->promise(env);
    if (finished_) {
      deferred->resolve(env, env.Undefined());
    } else {
      environment_.retain();
      closers_.push_back(*deferred);
    }
    return done;
  }
  // The finalizer: no N-API, no environment.
  void abandon() { control_.stop->raise(); }

  // JS thread. Whether the stream keeps the event loop alive.
  void hold(bool wanted) {
    const bool now = wanted && !finished_;
    if (now == held_) return;
    held_ = now;
    if (now) {
      environment_.retain();
    } else {
      environment_.release();
    }
  }

  Napi::Object stats(Napi::Env env) {
    const ct::EventCounts counts = queue_.counts();
    Napi::Object result = Napi::Object::New(env);
    result.Set("kept", number(env, counts.kept));
    result.Set("filtered", number(env, counts.filtered));
    result.Set("undecodable", number(env, counts.undecodable));
    result.Set("lostInKernel", number(env, counts.lost_in_kernel));
    result.Set("lostInQueue", number(env, counts.lost_in_queue));
    result.Set("receiveBuffer", number(env, state_.receive_buffer));
    result.Set("kernelFilter", static_cast<std::uint32_t>(state_.kernel_filter));
    result.Set("kernelFilterErrno", state_.kernel_filter_errno);
    result.Set("kernelFilterLength", number(env, state_.kernel_filter_length));
    result.Set("eventsSysctl", state_.events_sysctl);
    result.Set("entries", static_cast<double>(state_.entries));
    return result;
  }

 private:
  // The stream's thread. `end` was made before it was started.
  void read(Settlement& end) {
    outcome_ = guarded("conntrack events", [&] {
      return ct::read_events(socket_, queue_, control_, options_.request.reliable,
                             [this] { ring(); });
    });
    // All descriptors go before anybody can learn that the stream has ended.
    socket_ = ct::EventSocket();
    control_.retire();
    environment_.post(std::move(end));
  }
  void ring() {
    NF_MEETING(event_stream);
    if (!wanted_.load()) return;
    Settlement told;
    {
      const std::lock_guard lock(bell_mutex_);
      if (!wanted_.exchange(false)) return;
      told.splice(told.end(), bell_);
    }
    environment_.post(std::move(told));
  }

  // JS thread, all of it from here.
  void finish(Napi::Env env) {
    finished_ = true;
    if (!outcome_.ok()) error_.emplace(std::move(outcome_.error()));
    settle(env);
    hold(false);
    for (auto& closer : closers_) {
      environment_.release();
      closer.resolve(env, env.Undefined());
    }
    closers_.clear();
  }
  // A batch, or null when there will be no more, or undefined when there is none yet.
  Napi::Value take(Napi::Env env) {
    if (closed_) return env.Null();
    ct::EventSegment segment;
    if (queue_.take(segment)) {
      if (options_.request.reliable) control_.room.raise();
      const std::size_t events = segment.events;
      try {
        return to_segment(env, segment);
      } catch (...) {
        queue_.give_up(events);
        throw;
      }
    }
    return finished_ && !error_.has_value() ? env.Null() : env.Undefined();
  }
  // Has the reading thread ring when it adds something. The bell is made here, so that ringing
  // takes no memory; it does not keep the stream alive, which holds it.
  void arm() {
    const std::lock_guard lock(bell_mutex_);
    if (wanted_.load()) return;
    if (bell_.empty()) {
      bell_.emplace_back([weak = self_](Napi::Env env) {
        if (const auto self = weak.lock()) self->settle(env);
      });
    }
    wanted_.store(true);
  }
  void disarm() {
    const std::lock_guard lock(bell_mutex_);
    wanted_.store(false);
  }
  void settle(Napi::Env env) {
    if (!waiter_.has_value()) return;
    NF_MEETING(event_stream);
    const auto ready = guarded("conntrack events", [&]() -> Result<Napi::Value> {
      arm();  // before the look: what is added after it then rings
      const Napi::Value taken = take(env);
      if (!taken.IsUndefined() || !error_.has_value()) return taken;
      // Once; after it the stream has ended.
      Error failure = std::move(*error_);
      error_.reset();
      return failure;
    });
    if (ready && ready.value().IsUndefined()) return;
    disarm();
    Deferred waiter = *waiter_;
    waiter_.reset();
    if (ready) {
      waiter.resolve(env, ready.value());
    } else {
      waiter.reject(env, to_failure(env, ready.error()));
    }
  }
  Napi::Value to_segment(Napi::Env env, ct::EventSegment& segment) {
    Napi::Object result = Napi::Object::New(env);
    result.Set("events", number(env, segment.events));
    if (options_.request.expectations) {
      const std::size_t size = segment.messages.size();
      result.Set("messages", to_array_buffer(env, segment.messages.take(), size));
    } else {
      result.Set("batch", to_batch(env, segment.columns));
    }
    if (segment.overrun.source != ct::LossSource::kNone) {
      result.Set("lost", number(env, segment.overrun.lost));
      result.Set("source", segment.overrun.source == ct::LossSource::kKernel ? "kernel" : "queue");
    }
    return result;
  }

  Environment& environment_;
  const EventOptions options_;
  ct::EventSocket socket_;
  const ct::EventSocketState state_;
  ct::EventQueue queue_;
  ct::EventControl control_;
  Result<void> outcome_;  // of the reading thread, for finish()
  std::mutex bell_mutex_;
  Settlement bell_;                  // while it is not under way
  std::atomic<bool> wanted_{false};  // somebody waits for the next batch; set with the mutex only

  // JS thread only.
  std::weak_ptr<EventStream> self_;
  std::optional<Deferred> waiter_;
  std::vector<Deferred> closers_;
  std::optional<Error> error_;
  bool held_ = false;
  bool closed_ = false;
  bool finished_ = false;
};

// The value that JavaScript holds: when it goes, the thread ends.
class Listener {
 public:
  explicit Listener(std::shared_ptr<EventStream> stream) : stream_(std::move(stream)) {}
  ~Listener() { stream_->abandon(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  EventStream& stream() { return *stream_; }

 private:
  std::shared_ptr<EventStream> stream_;
};

std::shared_ptr<Listener> listener_of(const Napi::CallbackInfo& info) {
  return unwrap<Listener>(info[0], Kind::kEventStream, "not an event stream");
}

bool read_options(const Napi::Value& value, EventOptions& out) {
  const auto size = [&](const char* name) {
    return static_cast<std::size_t>(std::max<std::int64_t>(i64_of(field_of(value, name)), 0));
  };
  out.request.kinds = u32_of(field_of(value, "kinds"));
  out.request.expectations = flag_of(field_of(value, "expectations"));
  out.request.receive_buffer = size("receiveBuffer");
  out.request.reliable = flag_of(field_of(value, "reliable"));
  out.request.all_namespaces = flag_of(field_of(value, "allNamespaces"));
  out.max_events = size("maxEvents");
  if (bad_arguments(value.Env())) return false;
  out.filter = filter_of(field_of(value, "filter"));
  out.request.filter = out.filter.get();
  return out.filter != nullptr;
}

// ctEventsOpen(handle, options) → stream. A few system calls, on a thread that may enter the
// handle's namespace; every event after the return is caught.
Napi::Value open_stream(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  EventOptions options;
  if (handle == nullptr || !read_options(info[1], options)) return env.Undefined();
  Result<ct::EventSocket> socket = fail(0, "conntrack events");
  auto ran = Thread::run_to_end("conntrack-open", [&]() -> Result<void> {
    if (auto entered = handle->netns().enter("conntrack events"); !entered) return entered;
    socket = ct::EventSocket::open(options.request);
    return {};
  });
  if (!ran || !socket) {
    throw_failure(env, ran ? socket.error() : ran.error());
    return env.Undefined();
  }
  auto stream =
      std::make_shared<EventStream>(Environment::of(env), std::move(options), std::move(*socket));
  // From here on the thread ends with it, whatever fails.
  auto listener = std::make_shared<Listener>(stream);
  if (auto started = stream->start(stream); !started) {
    throw_failure(env, started.error());
    return env.Undefined();
  }
  return wrap(env, std::move(listener), Kind::kEventStream);
}

// ctEventsNext(stream) → batch | null | Promise of one of them
Napi::Value next(const Napi::CallbackInfo& info) {
  auto listener = listener_of(info);
  if (listener == nullptr) return info.Env().Undefined();
  if (listener->stream().busy()) {
    throw_error(info.Env(), "next() is pending");
    return info.Env().Undefined();
  }
  return listener->stream().next(info.Env());
}

// ctEventsClose(stream, drain) → Promise<void>
Napi::Value close(const Napi::CallbackInfo& info) {
  auto listener = listener_of(info);
  if (listener == nullptr) return info.Env().Undefined();
  return listener->stream().close(info.Env(), flag_of(info[1]));
}

// ctEventsHold(stream, boolean): ref() and unref()
Napi::Value hold(const Napi::CallbackInfo& info) {
  if (auto listener = listener_of(info)) listener->stream().hold(flag_of(info[1]));
  return info.Env().Undefined();
}

// ctEventsStats(stream) → counts and what was found when it was opened
Napi::Value stats(const Napi::CallbackInfo& info) {
  auto listener = listener_of(info);
  if (listener == nullptr) return info.Env().Undefined();
  return listener->stream().stats(info.Env());
}

}  // namespace

void export_event_stream(Napi::Object exports) {
  export_function<open_stream>(exports, "ctEventsOpen", "conntrack events");
  export_function<next>(exports, "ctEventsNext", "conntrack events");
  export_function<close>(exports, "ctEventsClose", "conntrack events");
  export_function<hold>(exports, "ctEventsHold", "conntrack events");
  export_function<stats>(exports, "ctEventsStats", "conntrack events");
}

}  // namespace nf::js
