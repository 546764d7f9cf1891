// Work on a pooled thread as a promise.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>

#include "core/guard.h"
#include "core/result.h"
#include "napi/deferred.h"
#include "napi/environment.h"
#include "napi/failure.h"

namespace nf::js {

// The operation to report if memory ran out before anything more exact was known. A literal.
struct Label {
  const char* operation;
  ErrorKind kind = ErrorKind::kNetlink;
};

// Settles a promise with what `convert()` makes, or with its Error, or with ENOMEM. JS thread.
template <typename Convert>
void settle(Napi::Env env, Deferred& deferred, Label label, Convert convert) {
  Result<Napi::Value> value = guarded(label.operation, label.kind, convert);
  if (value) {
    deferred.resolve(env, *value);
  } else {
    deferred.reject(env, to_failure(env, value.error()));
  }
}

// A promise whose work runs on a pooled thread. `work` returns a Result; `convert` runs on the JS
// thread and makes the value. Undefined when the environment is ending.
template <typename T, typename Convert>
Napi::Value promise(Napi::Env env, Label label, std::shared_ptr<Cancel> cancel,
                    std::function<Result<T>()> work, Convert convert) {
  struct State {
    std::optional<Deferred> deferred;
    std::optional<Result<T>> result;
  };
  // All memory first (rule 8 of environment.h).
  Environment& environment = Environment::of(env);
  auto state = std::make_shared<State>();
  auto settlement = std::make_shared<Settlement>();
  settlement->emplace_back([state, &environment, label, convert](Napi::Env js) {
    environment.release();
    settle(js, *state->deferred, label, [&]() -> Result<Napi::Value> {
      if (!state->result->ok()) return std::move(state->result->error());
      if constexpr (std::is_void_v<T>) {
        static_cast<void>(convert);  // nothing to convert
        return js.Undefined();
      } else {
        return Napi::Value(convert(js, state->result->value()));
      }
    });
  });
  std::function<void()> task = [state, settlement, &environment, label, work = std::move(work),
                                cancel]() mutable {
    state->result.emplace(guarded(label.operation, label.kind, work));
    // Everything that the work held, descriptors included, is gone before JavaScript learns that it
    // is done.
    work = nullptr;
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
