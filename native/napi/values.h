// Between core types and JavaScript values: errors as data, batches as external memory, arguments.
#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/conntrack/bulk.h"
#include "core/conntrack/columns.h"
#include "core/conntrack/dump.h"
#include "core/result.h"
#include "napi/environment.h"

namespace nf::js {

// { errno, operation, kind?, detail? }: what src/errors.ts makes an error of.
Napi::Value to_failure(Napi::Env env, const Error& error);
// Throws such a description; TypeScript turns it into the typed error.
void throw_failure(Napi::Env env, const Error& error);

// The memory becomes an ArrayBuffer without a copy (with one where the engine allows no external
// memory). An empty mapping becomes undefined.
Napi::Value to_array_buffer(Napi::Env env, Mapping mapping, std::size_t size);

// { rows, capacity, arena, addresses, extraIndex, extra, withoutCounters }
Napi::Object to_batch(Napi::Env env, ct::Columns& columns);
Napi::Object to_stats(Napi::Env env, const ct::DumpStats& stats);

// Views into a typed array that JavaScript passed; valid during the call.
std::span<const std::uint8_t> bytes_of(const Napi::Value& value);
std::span<const std::uint32_t> words_of(const Napi::Value& value);

// A promise whose work runs on a pooled thread. `work` returns a Result; `convert` runs on the JS
// thread and makes the value.
template <typename T, typename Convert>
Napi::Value promise(Napi::Env env, std::shared_ptr<Cancel> cancel, std::function<Result<T>()> work,
                    Convert convert) {
  struct State {
    explicit State(Napi::Env e) : deferred(Napi::Promise::Deferred::New(e)) {}
    Napi::Promise::Deferred deferred;
    std::optional<Result<T>> result;
  };
  Environment& environment = Environment::of(env);
  auto state = std::make_shared<State>(env);
  const Napi::Promise pending = state->deferred.Promise();
  environment.retain();
  environment.run(
      [state, &environment, work = std::move(work), convert]() {
        state->result.emplace(work());
        environment.post([state, &environment, convert](Napi::Env js) {
          environment.release();
          if (!state->result->ok()) {
            state->deferred.Reject(to_failure(js, state->result->error()));
            return;
          }
          if constexpr (std::is_void_v<T>) {
            static_cast<void>(convert);  // nothing to convert
            state->deferred.Resolve(js.Undefined());
          } else {
            state->deferred.Resolve(convert(js, state->result->value()));
          }
        });
      },
      std::move(cancel));
  return pending;
}

}  // namespace nf::js
