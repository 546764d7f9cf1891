// The thread, the bell, the pending next() and the end of what JavaScript pulls.
#include "napi/pull.h"

#include <utility>

#include "core/guard.h"
#include "core/meeting.h"
#include "napi/failure.h"

namespace nf::js {

Result<void> Pull::start() {
  // Rule 8: what reports the end is made before the thread.
  auto end = std::make_shared<Settlement>();
  end->emplace_back([self = shared_from_this()](Napi::Env env) { self->conclude(env); });
  auto started =
      environment_.run_alone([self = shared_from_this(), end] { self->run(*end); }, stop_);
  if (started && keeps_ == Keeps::kUntilEnd) hold(true);
  return started;
}

void Pull::run(Settlement& end) {
  outcome_ = guarded(operation_, [this] { return produce(); });
  close_descriptors();
  environment_.post(std::move(end));
}

void Pull::ring() {
  NF_MEETING(pull);
  if (!wanted_.load()) return;
  Settlement told;
  {
    const std::lock_guard lock(bell_mutex_);
    if (!wanted_.exchange(false)) return;
    told.splice(told.end(), bell_);
  }
  environment_.post(std::move(told));
}

// Makes the thread ring. The bell is made here, so that ringing takes no memory. The Pull holds the
// bell, and the bell does not keep the Pull alive.
void Pull::arm() {
  const std::lock_guard lock(bell_mutex_);
  if (wanted_.load()) return;
  if (bell_.empty()) {
    bell_.emplace_back([weak = weak_from_this()](Napi::Env env) {
      if (const auto self = weak.lock()) self->settle(env);
    });
  }
  wanted_.store(true);
}

void Pull::disarm() {
  const std::lock_guard lock(bell_mutex_);
  wanted_.store(false);
}

Napi::Value Pull::next(Napi::Env env) {
  auto ready = look(env);
  if (!ready) {
    throw_failure(env, ready.error());
    return env.Undefined();
  }
  if (ready->has_value()) return **ready;
  waiter_ = Deferred::make(env);
  if (!waiter_.has_value()) return env.Undefined();
  const Napi::Value pending = waiter_->promise(env);
  if (keeps_ == Keeps::kWhileAwaited) hold(true);
  settle(env);
  return pending;
}

// As take(), and then the end: its error once, null from then on.
Pull::Taken Pull::look(Napi::Env env) {
  auto taken = take(env);
  if (!taken || taken->has_value() || !finished_) return taken;
  if (error_.has_value()) return std::move(*std::exchange(error_, std::nullopt));
  return given(env.Null());
}

void Pull::settle(Napi::Env env) {
  if (!waiter_.has_value()) return;
  NF_MEETING(pull);
  auto ready = guarded(operation_, [&]() -> Taken {
    arm();  // before the look: whatever is made after it rings
    return look(env);
  });
  if (ready && !ready->has_value()) return;
  disarm();
  Deferred waiter = *std::exchange(waiter_, std::nullopt);
  if (keeps_ == Keeps::kWhileAwaited) hold(false);
  if (ready) {
    waiter.resolve(env, **ready);
  } else {
    waiter.reject(env, to_failure(env, ready.error()));
  }
}

void Pull::hold(bool wanted) {
  const bool now = wanted && !finished_;
  if (now == held_) return;
  held_ = now;
  if (now) {
    environment_.retain();
  } else {
    environment_.release();
  }
}

void Pull::conclude(Napi::Env env) {
  finished_ = true;
  if (!outcome_.ok()) error_.emplace(std::move(outcome_.error()));
  settle(env);
  hold(false);
  ended(env);
}

}  // namespace nf::js
