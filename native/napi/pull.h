// What JavaScript pulls from a native thread. The thread produces values. `next()` gives one or
// waits for one. The end is reported once, after all descriptors are closed.
//
// Lifetime: the thread keeps the Pull alive while it runs. JavaScript's value (a Puller) keeps it
// alive otherwise. The finalizer of that value only raises the Cancel (it may run after the
// environment's teardown, when the thread has been joined already). The thread ends when it has
// nothing more to produce, after an error, or when the Cancel is raised.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "napi/deferred.h"
#include "napi/environment.h"
#include "napi/external.h"
#include "napi/values.h"

namespace nf::js {

class Pull : public std::enable_shared_from_this<Pull> {
 public:
  virtual ~Pull() = default;
  Pull(const Pull&) = delete;
  Pull& operator=(const Pull&) = delete;

  // The JS thread.
  Result<void> start();  // once
  // A value, null at the end, or a promise of one of them. Throws an error of the thread.
  Napi::Value next(Napi::Env env);
  bool awaited() const { return waiter_.has_value(); }
  // Whether it keeps the event loop alive, until it has ended at the latest.
  void hold(bool wanted);

  // Any thread. No Node-API and no environment.
  void abandon() { stop_->raise(); }

 protected:
  // What keeps the event loop alive (rule 4): a next() that waits, or the whole Pull.
  enum class Keeps : std::uint8_t { kWhileAwaited, kUntilEnd };
  // `operation` is a literal. `stop` ends the thread.
  Pull(Environment& environment, const char* operation, std::shared_ptr<Cancel> stop, Keeps keeps)
      : environment_(environment), operation_(operation), stop_(std::move(stop)), keeps_(keeps) {}

  // The thread: does all of its work, then closes all of its descriptors, `stop` among them.
  virtual Result<void> produce() = 0;
  virtual void close_descriptors() = 0;
  // The thread calls it after it made something that take() gives. Takes no memory. It posts only
  // if somebody waits: in a storm most calls cost one look at a flag.
  void ring();

  // The JS thread.
  using Taken = Result<std::optional<Napi::Value>>;
  static Taken nothing() { return std::optional<Napi::Value>(); }
  static Taken given(Napi::Value value) { return std::optional<Napi::Value>(value); }
  // The next value; empty while no value is ready, and after the last one.
  virtual Taken take(Napi::Env env) = 0;
  // The thread has ended, and the pending next() knows it.
  virtual void ended(Napi::Env /*env*/) {}
  // Answers the pending next() if take() gives something now.
  void settle(Napi::Env env);
  bool finished() const { return finished_; }
  bool failed() const { return error_.has_value(); }

  // Never in a destructor: the environment may be gone by then.
  Environment& environment() { return environment_; }
  const std::shared_ptr<Cancel>& stop() const { return stop_; }

 private:
  void run(Settlement& end);
  void conclude(Napi::Env env);
  Taken look(Napi::Env env);
  void arm();
  void disarm();

  Environment& environment_;
  const char* const operation_;
  const std::shared_ptr<Cancel> stop_;
  const Keeps keeps_;
  Result<void> outcome_;  // of the thread, for conclude()

  std::mutex bell_mutex_;
  Settlement bell_;                  // while it is not under way
  std::atomic<bool> wanted_{false};  // somebody waits; set with the mutex only

  // The JS thread only.
  std::optional<Deferred> waiter_;
  std::optional<Error> error_;  // until it is reported
  bool held_ = false;
  bool finished_ = false;
};

// The value that JavaScript holds. When it is collected, the thread ends. A Stream is a Pull with
// the constants `kKind` and `kRefusal`, the error text for a value of another kind.
template <typename Stream>
class Puller {
 public:
  explicit Puller(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  ~Puller() { stream_->abandon(); }
  Puller(const Puller&) = delete;
  Puller& operator=(const Puller&) = delete;
  Stream* operator->() const { return stream_.get(); }

 private:
  std::shared_ptr<Stream> stream_;
};

// Starts it and makes its value. If that fails, this is undefined, and an exception is pending.
template <typename Stream>
Napi::Value open_puller(Napi::Env env, std::shared_ptr<Stream> stream) {
  // From here on the end of `puller` ends the thread, whatever fails.
  auto puller = std::make_shared<Puller<Stream>>(stream);
  if (auto started = stream->start(); !started) {
    throw_failure(env, started.error());
    return env.Undefined();
  }
  return wrap(env, std::move(puller), Stream::kKind);
}

// Null (and an exception pending) when the first argument is no such stream.
template <typename Stream>
std::shared_ptr<Puller<Stream>> puller_of(const Napi::CallbackInfo& info) {
  return unwrap<Puller<Stream>>(info[0], Stream::kKind, Stream::kRefusal);
}

// next(stream) → value | null | Promise of one of them
template <typename Stream>
Napi::Value next_of(const Napi::CallbackInfo& info) {
  auto puller = puller_of<Stream>(info);
  if (puller == nullptr) return info.Env().Undefined();
  if ((*puller)->awaited()) {
    throw_error(info.Env(), "next() is pending");
    return info.Env().Undefined();
  }
  return (*puller)->next(info.Env());
}

}  // namespace nf::js
