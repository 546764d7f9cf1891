// Threads and the doorbell of one environment. The numbers are those of the rules in environment.h.
#include "napi/environment.h"

#include <errno.h>

#include <algorithm>
#include <chrono>

#include "core/netns.h"

namespace nf::js {

void cleanup(void* data) { static_cast<Environment*>(data)->shut_down(); }

Environment& Environment::of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

bool Environment::install(Napi::Env env) {
  auto owned = std::make_unique<Environment>();
  Environment* self = owned.get();
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
  if (retained_++ == 0) napi_ref_threadsafe_function(nullptr, bell_);
}

void Environment::release() {
  if (--retained_ == 0) napi_unref_threadsafe_function(nullptr, bell_);
}

Result<void> Environment::run(std::function<void()> work, std::shared_ptr<Cancel> cancel) {
  const std::lock_guard lock(mutex_);
  if (closing_) return fail(ECANCELED, "thread start", {}, ErrorKind::kCancelled);
  reap();
  waiting_.push_back({std::move(work), std::move(cancel)});
  if (pool_idle_ >= waiting_.size()) {
    work_available_.notify_one();
  } else if (pool_size_ < kMaxPool) {
    auto added = add_pool_thread();
    // Where there are others, one of them comes to it.
    if (!added && pool_size_ == 0) {
      waiting_.pop_back();
      return added;
    }
  }
  const auto& queued = waiting_.back().cancel;
  if (queued != nullptr) active_.insert(queued);
  return {};
}

// With the mutex held.
Result<void> Environment::add_pool_thread() {
  auto thread = Thread::start("conntrack-pool", [this] { pool_thread(); });
  if (!thread) return thread.error();
  pool_size_++;
  threads_.push_back(std::move(*thread));
  return {};
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
    Work work = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    perform(std::move(work));
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
void Environment::perform(Work work) {
  work.run();
  work.run = nullptr;
  if (work.cancel == nullptr) return;
  work.cancel->retire();
  const std::lock_guard lock(mutex_);
  active_.erase(active_.find(work.cancel));
}

Result<void> Environment::run_alone(std::function<void()> work, std::shared_ptr<Cancel> cancel) {
  const std::lock_guard lock(mutex_);
  if (closing_) return fail(ECANCELED, "thread start", {}, ErrorKind::kCancelled);
  reap();
  auto thread = Thread::start("conntrack-alone", [this, work = std::move(work), cancel]() mutable {
    perform({std::move(work), std::move(cancel)});
    const std::lock_guard done(mutex_);
    finished_.push_back(::pthread_self());
  });
  if (!thread) return thread.error();
  // The thread cannot come to erase it before this: it needs the mutex for that.
  if (cancel != nullptr) active_.insert(std::move(cancel));
  threads_.push_back(std::move(*thread));
  return {};
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

void Environment::post(std::function<void(Napi::Env)> settle) {
  const std::lock_guard lock(mutex_);
  if (closing_) return;  // rule 5
  settled_.push_back(std::move(settle));
  if (rung_) return;
  // Rung while holding the mutex: shut_down cannot release the bell in between.
  rung_ = bell_.NonBlockingCall() == napi_ok;
}

void Environment::ring(Napi::Env env, Napi::Function, Environment* self, void*) {
  // Without an environment the bell is being torn down, and `self` may be gone.
  if (static_cast<napi_env>(env) != nullptr && self != nullptr) self->drain(env);
}

void Environment::drain(Napi::Env env) {
  std::vector<std::function<void(Napi::Env)>> settled;
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
  std::deque<Work> dropped;
  std::vector<std::function<void(Napi::Env)>> unsettled;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    for (const auto& cancel : active_) cancel->raise();
    dropped.swap(waiting_);
    unsettled.swap(settled_);
    threads.swap(threads_);
    work_available_.notify_all();
  }
  for (auto& thread : threads) thread.join();
  bell_.Abort();
}

}  // namespace nf::js
