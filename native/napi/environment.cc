// Threads and the doorbell of one environment. The numbers are those of the rules in environment.h.
#include "napi/environment.h"

#include <errno.h>

#include <algorithm>
#include <chrono>

#include "core/guard.h"
#include "core/netns.h"

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

Result<void> Environment::run(std::function<void()> work, std::shared_ptr<Cancel> cancel) {
  return guarded("thread start", [&]() -> Result<void> {
    Works added;
    added.push_back({std::move(work), std::move(cancel)});  // nothing has changed where this fails
    const std::lock_guard lock(mutex_);
    if (closing_) return fail(ECANCELED, "thread start", {}, ErrorKind::kCancelled);
    reap();
    waiting_.splice(waiting_.end(), added);
    if (pool_idle_ >= waiting_.size()) {
      work_available_.notify_one();
    } else if (pool_size_ < kMaxPool) {
      auto started = add_pool_thread();
      // Where there are others, one of them comes to it.
      if (!started && pool_size_ == 0) {
        waiting_.pop_back();
        return started;
      }
    }
    return {};
  });
}

// With the mutex held. Keeps room for the thread in both lists: neither its start nor its end may
// fail afterwards.
Result<void> Environment::add_thread(const char* name, std::function<void()> run) {
  return guarded("thread start", [&]() -> Result<void> {
    threads_.reserve(threads_.size() + 1);
    finished_.reserve(threads_.size() + 1);
    auto thread = Thread::start(name, std::move(run));
    if (!thread) return thread.error();
    threads_.push_back(std::move(*thread));
    return {};
  });
}

// With the mutex held.
Result<void> Environment::add_pool_thread() {
  auto added = add_thread("conntrack-pool", [this] { pool_thread(); });
  if (added) pool_size_++;
  return added;
}

void Environment::pool_thread() {
  // A thread stays for the next piece of work a while: a loop of awaited lookups keeps one.
  constexpr auto kLinger = std::chrono::milliseconds(500);
  std::unique_lock lock(mutex_);
  for (;;) {
    pool_idle_++;
    const bool more =
        work_available_.wait_for(lock, kLinger, [this] { return closing_ || !waiting_.empty(); });
    pool_idle_--;
    if (!more || closing_) break;
    const auto work = waiting_.begin();
    running_.splice(running_.end(), waiting_, work);
    lock.unlock();
    perform(work);
    lock.lock();
    // Rule 7. What waits goes to a new thread; where there is none to be had, to this one all the
    // same.
    if (Netns::calling_thread_moved() &&
        (closing_ || waiting_.size() <= pool_idle_ || add_pool_thread().ok())) {
      break;
    }
  }
  pool_size_--;
  finished_.push_back(::pthread_self());
}

// Runs the work and lets go of all that it holds, before anybody can learn that the thread is done.
void Environment::perform(Works::iterator work) {
  work->run();
  work->run = nullptr;
  if (work->cancel != nullptr) work->cancel->retire();
  Works done;
  const std::lock_guard lock(mutex_);
  done.splice(done.end(), running_, work);
}

Result<void> Environment::run_alone(std::function<void()> work, std::shared_ptr<Cancel> cancel) {
  return guarded("thread start", [&]() -> Result<void> {
    Works added;
    added.push_back({std::move(work), std::move(cancel)});
    const auto at = added.begin();
    const std::lock_guard lock(mutex_);
    if (closing_) return fail(ECANCELED, "thread start", {}, ErrorKind::kCancelled);
    reap();
    // The thread cannot come to take it away before this ends: it needs the mutex for that.
    auto started = add_thread("conntrack-alone", [this, at] {
      perform(at);
      const std::lock_guard ended(mutex_);
      finished_.push_back(::pthread_self());
    });
    if (started) running_.splice(running_.end(), added);
    return started;
  });
}

// Joins the threads that have ended. Called with the mutex held: a finished thread needs it no
// more.
void Environment::reap() {
  for (const auto id : finished_) {
    const auto found = std::find_if(threads_.begin(), threads_.end(),
                                    [id](const Thread& thread) { return thread.is(id); });
    if (found != threads_.end()) threads_.erase(found);
  }
  finished_.clear();
}

void Environment::post(Settlement settlement) noexcept {
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
  {
    const std::lock_guard lock(mutex_);
    settled.swap(settled_);
    rung_ = false;
    reap();
  }
  for (const auto& settle : settled) {
    const Napi::HandleScope scope(env);
    settle(env);
  }
}

void Environment::shut_down() {
  std::vector<Thread> threads;
  Works dropped;
  Settlement unsettled;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    for (const auto& work : running_) {
      if (work.cancel != nullptr) work.cancel->raise();
    }
    dropped.swap(waiting_);
    unsettled.swap(settled_);
    threads.swap(threads_);
    work_available_.notify_all();
  }
  for (auto& thread : threads) thread.join();
  bell_.Abort();
}

}  // namespace nf::js
