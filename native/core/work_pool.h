// Runs work on threads: on a pool if it is short, on a thread of its own if it may sleep until it
// is asked for more. Knows nothing of Node.
//
//  - The end raises every Cancel, then wakes and joins every thread. A join lasts one system call
//    at most, because work looks at its Cancel between two calls.
//  - A pooled thread that was moved into another network namespace is not used again: it would keep
//    that namespace, and what belongs to it, alive while it idles.
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "core/cancel.h"
#include "core/result.h"
#include "core/thread.h"

namespace nf {

class WorkPool {
 public:
  WorkPool() = default;
  ~WorkPool() { shut_down(); }
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // Any thread may call these, except shut_down.
  //
  // Runs `work` on a pooled thread. `cancel` (may be null) is raised by shut_down and retired when
  // the work is done. Fails if the system has no thread or no memory for it: it never runs then.
  // `work` must not throw.
  Result<void> run(std::function<void()> work, std::shared_ptr<Cancel> cancel);
  // The same on a thread of its own.
  Result<void> run_alone(std::function<void()> work, std::shared_ptr<Cancel> cancel);
  // Joins the threads that have ended: run and run_alone do so too.
  void reap();

  // Never call it on one of the threads: it joins them. Work that has not begun is dropped, and no
  // more is taken.
  void shut_down();

 private:
  struct Work {
    std::function<void()> run;
    std::shared_ptr<Cancel> cancel;
  };
  using Works = std::list<Work>;
  void pool_thread();
  Result<void> add_pool_thread();
  Result<void> add_thread(const char* name, std::function<void()> run);
  void perform(Works::iterator work);
  void reap_locked();

  static constexpr std::size_t kMaxPool = 8;

  std::mutex mutex_;  // guards all below
  std::condition_variable work_available_;
  Works waiting_;
  Works running_;
  std::vector<Thread> threads_;
  std::vector<pthread_t> finished_;  // threads that have ended and only have to be joined
  std::size_t pool_size_ = 0;
  std::size_t pool_idle_ = 0;
  bool closing_ = false;
};

}  // namespace nf
