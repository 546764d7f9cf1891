// Threads of our own. If the system has no more threads (a limit of processes, a cgroup's pids.max)
// or no memory for one, that is an Error here and no exception.
#pragma once

#include <pthread.h>

#include <functional>
#include <utility>

#include "core/result.h"

namespace nf {

class Thread {
 public:
  Thread() = default;
  // `name` shows in ps and top, 15 bytes at most. The thread takes no signals that the process
  // handles: they stay with the threads of the application. `run` must not throw: that would end
  // the process.
  static Result<Thread> start(const char* name, std::function<void()> run);
  // Runs `work` on a thread made for it and waits. This is for work that changes the thread's
  // network namespace. The errors are those of the work and of the start.
  static Result<void> run_to_end(const char* name, const std::function<Result<void>()>& work);

  Thread(Thread&& other) noexcept
      : id_(other.id_), joinable_(std::exchange(other.joinable_, false)) {}
  Thread& operator=(Thread&& other) noexcept {
    if (this != &other) {
      join();
      id_ = other.id_;
      joinable_ = std::exchange(other.joinable_, false);
    }
    return *this;
  }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  // Waits: a thread never outlives what it belongs to.
  ~Thread() { join(); }

  void join() {
    if (std::exchange(joinable_, false)) ::pthread_join(id_, nullptr);
  }
  bool is(pthread_t id) const { return joinable_ && ::pthread_equal(id_, id) != 0; }

 private:
  explicit Thread(pthread_t id) : id_(id), joinable_(true) {}
  pthread_t id_{};
  bool joinable_ = false;
};

}  // namespace nf
