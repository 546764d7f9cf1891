// Threads and the doorbell of one environment. The numbers are those of the rules in environment.h.
#include "napi/environment.h"

#include "core/meeting.h"

namespace nf::js {

void cleanup(void* data) { static_cast<Environment*>(data)->shut_down(); }

Environment& Environment::of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

bool Environment::install(Napi::Env env) {
  auto owned = std::make_unique<Environment>();
  Environment* self = owned.get();
  self->env_ = env;
  self->bell_ = Bell::New(env, "conntrack", 0, 1, self);
  if (static_cast<napi_threadsafe_function>(self->bell_) == nullptr) return false;  // rule 6
  self->bell_.Unref(env);
  // Rule 2: after the bell. From here on the hook and the instance data take care of the rest.
  if (napi_add_env_cleanup_hook(env, cleanup, self) != napi_ok) {
    self->bell_.Abort();
    return false;
  }
  env.SetInstanceData<Environment>(owned.release());  // rule 1
  return true;
}

void Environment::retain() {
  if (retained_++ == 0) napi_ref_threadsafe_function(env_, bell_);
}

void Environment::release() {
  if (--retained_ == 0) napi_unref_threadsafe_function(env_, bell_);
}

void Environment::post(Settlement settlement) noexcept {
  NF_MEETING(settle);
  const std::lock_guard lock(mutex_);
  if (closing_) return;  // rule 5
  settled_.splice(settled_.end(), settlement);
  if (rung_) return;
  // Rung while holding the mutex: shut_down cannot release the bell in between.
  rung_ = bell_.NonBlockingCall() == napi_ok;
}

void Environment::ring(Napi::Env env, Napi::Function, Environment* self, void*) {
  // Without an environment the bell is being torn down, and `self` may be gone.
  if (static_cast<napi_env>(env) != nullptr && self != nullptr) self->drain(env);
}

void Environment::drain(Napi::Env env) {
  Settlement settled;
  NF_MEETING(settle);
  {
    const std::lock_guard lock(mutex_);
    settled.swap(settled_);
    rung_ = false;
  }
  pool_.reap();
  for (const auto& settle : settled) {
    const Napi::HandleScope scope(env);
    settle(env);
  }
}

void Environment::shut_down() {
  Settlement unsettled;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    unsettled.swap(settled_);
  }
  pool_.shut_down();
  bell_.Abort();
}

}  // namespace nf::js
