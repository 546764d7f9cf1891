// Threads that work for somebody: a pool for what is short, threads of their own for what may sleep
// until it is asked for more. Knows nothing of Node.
//
//  - The end raises every Cancel, then wakes and joins every thread. A join lasts one system call
//    at most, because work looks at its Cancel between two.
//  - A pooled thread that was moved into another network namespace is used no more: it would keep
//    that namespace, and what belongs to it, alive for as long as it idles.
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

  // Any thread, all of these but shut_down.
  //
  // Runs `work` on a pooled thread; `cancel` (may be null) is raised by shut_down and retired when
  // the work is done. Fails when the system has no thread or no memory for it: it never runs then.
  // `work` lets no exception out.
  Result<void> run(std::function<void()> work, std::shared_ptr<Cancel> cancel);
  // The same on a thread of its own.
  Result<void> run_alone(std::function<void()> work, std::shared_ptr<Cancel> cancel);
  // Joins the threads that have ended: run and run_alone do so too.
  void reap();

  // None of the threads, which it joins. What has not begun is dropped; nothing is taken any more.
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

  std::mutex mutex_;  // of all below
  std::condition_variable work_available_;
  Works waiting_;
  Works running_;
  std::vector<Thread> threads_;
  std::vector<pthread_t> finished_;  // threads that have nothing left to do but to be joined
  std::size_t pool_size_ = 0;
  std::size_t pool_idle_ = 0;
  bool closing_ = false;
};

}  // namespace nf
