// The life of a promise: the thread that works for it, and its end. The numbers are those of the
// rules in environment.h.
#include "napi/promise.h"

#include <functional>

#include "core/guard.h"
#include "napi/deferred.h"
#include "napi/environment.h"
#include "napi/failure.h"

namespace nf::js {

Napi::Value promise_of(Napi::Env env, Label label, std::shared_ptr<Cancel> cancel,
                       std::shared_ptr<Job> job) {
  struct State {
    std::shared_ptr<Job> job;
    std::optional<Deferred> deferred;
    std::optional<Error> failed;
  };
  // All memory first (rule 8).
  Environment& environment = Environment::of(env);
  auto state = std::make_shared<State>();
  state->job = std::move(job);
  auto settlement = std::make_shared<Settlement>();
  settlement->emplace_back([state, &environment, label](Napi::Env js) {
    environment.release();
    auto value = guarded(label.operation, label.kind, [&]() -> Result<Napi::Value> {
      if (state->failed) return std::move(*state->failed);
      return state->job->value(js);
    });
    if (value) {
      state->deferred->resolve(js, *value);
    } else {
      state->deferred->reject(js, to_failure(js, value.error()));
    }
  });
  std::function<void()> task = [state, settlement, &environment, label, cancel]() mutable {
    auto done = guarded(label.operation, label.kind, [&]() -> Result<void> {
      state->job->work();
      return {};
    });
    if (!done) state->failed = std::move(done.error());
    // Before JavaScript learns that it is done.
    state->job->forget();
    if (cancel != nullptr) cancel->retire();
    environment.post(std::move(*settlement));
  };
  state->deferred = Deferred::make(env);
  if (!state->deferred.has_value()) return env.Undefined();
  const Napi::Value promised = state->deferred->promise(env);
  environment.retain();
  if (auto started = environment.run(std::move(task), cancel); !started) {
    environment.release();
    state->deferred->reject(env, to_failure(env, started.error()));
  }
  return promised;
}

}  // namespace nf::js
