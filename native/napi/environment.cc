// Threads and the doorbell of one environment.
#include "napi/environment.h"

#include <algorithm>
#include <chrono>

namespace nf::js {

void cleanup(void* data) { static_cast<Environment*>(data)->shut_down(); }

Environment& Environment::of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

void Environment::install(Napi::Env env) {
  auto* self = new Environment();
  env.SetInstanceData<Environment>(self);
  self->bell_ = Bell::New(env, "conntrack", 0, 1, self);
  self->bell_.Unref(env);
  napi_add_env_cleanup_hook(env, cleanup, self);
}

void Environment::retain() {
  if (retained_++ == 0) napi_ref_threadsafe_function(nullptr, bell_);
}

void Environment::release() {
  if (--retained_ == 0) napi_unref_threadsafe_function(nullptr, bell_);
}

bool Environment::closing() {
  const std::lock_guard lock(mutex_);
  return closing_;
}

void Environment::run(std::function<void()> work, std::shared_ptr<Cancel> cancel) {
  const std::lock_guard lock(mutex_);
  if (closing_) return;
  reap();
  if (cancel != nullptr) active_.insert(cancel);
  waiting_.push_back({std::move(work), std::move(cancel)});
  if (pool_idle_ >= waiting_.size()) {
    work_available_.notify_one();
  } else if (pool_size_ < kMaxPool) {
    pool_size_++;
    threads_.emplace_back([this] { pool_thread(); });
  }
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
    if (!more || (closing_ && waiting_.empty())) break;
    Work work = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    work.run();
    work.run = nullptr;
    lock.lock();
    if (work.cancel != nullptr) active_.erase(active_.find(work.cancel));
  }
  pool_size_--;
  finished_.push_back(std::this_thread::get_id());
}

void Environment::run_alone(std::function<void()> work, std::shared_ptr<Cancel> cancel) {
  const std::lock_guard lock(mutex_);
  if (closing_) return;
  reap();
  if (cancel != nullptr) active_.insert(cancel);
  threads_.emplace_back([this, work = std::move(work), cancel = std::move(cancel)]() mutable {
    work();
    work = nullptr;
    const std::lock_guard done(mutex_);
    if (cancel != nullptr) active_.erase(active_.find(cancel));
    finished_.push_back(std::this_thread::get_id());
  });
}

// Joins the threads that have ended. Called with the mutex held: a finished thread needs it no
// more.
void Environment::reap() {
  for (const auto id : finished_) {
    const auto found = std::find_if(threads_.begin(), threads_.end(),
                                    [id](const std::thread& t) { return t.get_id() == id; });
    if (found == threads_.end()) continue;
    found->join();
    threads_.erase(found);
  }
  finished_.clear();
}

void Environment::post(std::function<void(Napi::Env)> settle) {
  const std::lock_guard lock(mutex_);
  if (closing_) return;
  settled_.push_back(std::move(settle));
  if (rung_) return;
  // Rung while holding the mutex: shut_down cannot release the bell in between.
  rung_ = bell_.NonBlockingCall() == napi_ok;
}

void Environment::ring(Napi::Env env, Napi::Function, Environment* self, void*) {
  // Without an environment the bell is being torn down: nothing can be settled any more.
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
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    for (const auto& cancel : active_) cancel->raise();
    waiting_.clear();
    settled_.clear();
    threads.swap(threads_);
    work_available_.notify_all();
  }
  for (auto& thread : threads) thread.join();
  bell_.Abort();
}

}  // namespace nf::js
