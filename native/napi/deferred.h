// A promise that native code settles. It has raw handles only: destroying one does nothing, on any
// thread (rule 5 of environment.h), and every call may fail (rule 6).
#pragma once

#include <napi.h>

#include <optional>

namespace nf::js {

class Deferred {
 public:
  // Returns nothing if the environment is ending.
  static std::optional<Deferred> make(Napi::Env env) {
    Deferred made;
    if (napi_create_promise(env, &made.deferred_, &made.promise_) != napi_ok) return std::nullopt;
    return made;
  }

  // Valid in the call that made it.
  Napi::Value promise(Napi::Env env) const { return {env, promise_}; }

  // Settles it, once. If making the value failed, the pending exception is the reason to reject.
  // Otherwise it would make every later call of the same turn fail.
  void resolve(Napi::Env env, const Napi::Value& value) {
    bool thrown = false;
    if (napi_is_exception_pending(env, &thrown) != napi_ok) return;
    if (thrown || value.IsEmpty()) {
      napi_value reason = nullptr;
      if (!thrown || napi_get_and_clear_last_exception(env, &reason) != napi_ok) {
        napi_get_undefined(env, &reason);
      }
      napi_reject_deferred(env, deferred_, reason);
    } else {
      napi_resolve_deferred(env, deferred_, value);
    }
  }
  void reject(Napi::Env env, const Napi::Value& reason) {
    if (reason.IsEmpty()) {
      resolve(env, reason);
    } else {
      napi_reject_deferred(env, deferred_, reason);
    }
  }

 private:
  Deferred() = default;
  napi_deferred deferred_ = nullptr;
  napi_value promise_ = nullptr;
};

}  // namespace nf::js
