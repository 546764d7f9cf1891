// Giving work to threads.
#include "core/work_pool.h"

#include <errno.h>

#include <algorithm>
#include <chrono>

#include "core/guard.h"
#include "core/meeting.h"
#include "core/netns.h"

namespace nf {

Result<void> WorkPool::run(std::function<void()> work, std::shared_ptr<Cancel> cancel) {
  NF_MEETING(pool);
  return guarded("thread start", [&]() -> Result<void> {
    Works added;
    added.push_back({std::move(work), std::move(cancel)});  // nothing has changed if this fails
    const std::lock_guard lock(mutex_);
    if (closing_) return fail(ECANCELED, "thread start", {}, ErrorKind::kCancelled);
    reap_locked();
    waiting_.splice(waiting_.end(), added);
    if (pool_idle_ >= waiting_.size()) {
      work_available_.notify_one();
    } else if (pool_size_ < kMaxPool) {
      auto started = add_pool_thread();
      // If the pool has other threads, one of them takes the work.
      if (!started && pool_size_ == 0) {
        waiting_.pop_back();
        return started;
      }
    }
    return {};
  });
}

// The caller holds the mutex. Keeps room for the thread in both lists, so that neither its start
// nor its end can fail afterwards.
Result<void> WorkPool::add_thread(const char* name, std::function<void()> run) {
  return guarded("thread start", [&]() -> Result<void> {
    threads_.reserve(threads_.size() + 1);
    finished_.reserve(threads_.size() + 1);
    auto thread = Thread::start(name, std::move(run));
    if (!thread) return thread.error();
    threads_.push_back(std::move(*thread));
    return {};
  });
}

// The caller holds the mutex.
Result<void> WorkPool::add_pool_thread() {
  auto added = add_thread("conntrack-pool", [this] { pool_thread(); });
  if (added) pool_size_++;
  return added;
}

void WorkPool::pool_thread() {
  // A thread waits so long for the next piece of work: a loop of awaited lookups keeps one thread.
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
    NF_MEETING(pool);
    perform(work);
    lock.lock();
    // Waiting work goes to a new thread. If the system has none, this thread takes it.
    if (Netns::calling_thread_moved() &&
        (closing_ || waiting_.size() <= pool_idle_ || add_pool_thread().ok())) {
      break;
    }
  }
  pool_size_--;
  finished_.push_back(::pthread_self());
}

// Runs the work and frees all that it holds, before anybody can learn that the thread is done.
void WorkPool::perform(Works::iterator work) {
  work->run();
  work->run = nullptr;
  if (work->cancel != nullptr) work->cancel->retire();
  Works done;
  const std::lock_guard lock(mutex_);
  done.splice(done.end(), running_, work);
}

Result<void> WorkPool::run_alone(std::function<void()> work, std::shared_ptr<Cancel> cancel) {
  return guarded("thread start", [&]() -> Result<void> {
    Works added;
    added.push_back({std::move(work), std::move(cancel)});
    const auto at = added.begin();
    const std::lock_guard lock(mutex_);
    if (closing_) return fail(ECANCELED, "thread start", {}, ErrorKind::kCancelled);
    reap_locked();
    // The thread cannot remove it before this ends, because it needs the mutex for that.
    auto started = add_thread("conntrack-alone", [this, at] {
      perform(at);
      const std::lock_guard ended(mutex_);
      finished_.push_back(::pthread_self());
    });
    if (started) running_.splice(running_.end(), added);
    return started;
  });
}

void WorkPool::reap() {
  const std::lock_guard lock(mutex_);
  reap_locked();
}

// The caller holds the mutex: a finished thread needs it no more.
void WorkPool::reap_locked() {
  for (const auto id : finished_) {
    const auto found = std::find_if(threads_.begin(), threads_.end(),
                                    [id](const Thread& thread) { return thread.is(id); });
    if (found != threads_.end()) threads_.erase(found);
  }
  finished_.clear();
}

void WorkPool::shut_down() {
  std::vector<Thread> threads;
  Works dropped;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    for (const auto& work : running_) {
      if (work.cancel != nullptr) work.cancel->raise();
    }
    dropped.swap(waiting_);
    threads.swap(threads_);
    work_available_.notify_all();
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace nf
