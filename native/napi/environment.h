// Per-environment state (the main thread and each worker have their own) and the threads that work
// for it. Lifetime rules of this file, each of which would be a bug otherwise:
//  1. State lives in instance data; nothing here is static.
//  2. The cleanup hook raises every Cancel, wakes and joins every thread. It is registered after
//  the
//     thread-safe function, so it runs before Node closes that one: no thread ever rings a dead
//     bell.
//  3. The thread-safe function is released in the cleanup hook only, and its callback runs no user
//  code:
//     it settles promises.
//  4. The environment keeps the loop alive only while something that the caller awaits is under
//  way.
#pragma once

#include <napi.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "core/cancel.h"
#include "core/result.h"

namespace nf::js {

class Environment {
 public:
  static Environment& of(Napi::Env env);
  // Called once, when the addon is loaded into an environment.
  static void install(Napi::Env env);

  // JS thread. Keeps the loop alive until `release`.
  void retain();
  void release();

  // JS thread. Runs `work` on a pooled thread; `cancel` (may be null) is raised at teardown.
  void run(std::function<void()> work, std::shared_ptr<Cancel> cancel);
  // JS thread. Runs `work` on a thread of its own: for what may sleep until JavaScript asks for
  // more.
  void run_alone(std::function<void()> work, std::shared_ptr<Cancel> cancel);
  // Any thread. Runs `settle` on the JS thread, soon; dropped when the environment is going away.
  void post(std::function<void(Napi::Env)> settle);

  bool closing();

 private:
  friend void cleanup(void*);
  struct Work {
    std::function<void()> run;
    std::shared_ptr<Cancel> cancel;
  };
  void pool_thread();
  void drain(Napi::Env env);
  void reap();
  void shut_down();
  static void ring(Napi::Env env, Napi::Function, Environment* self, void*);
  using Bell = Napi::TypedThreadSafeFunction<Environment, void, &Environment::ring>;

  static constexpr std::size_t kMaxPool = 8;

  Bell bell_;
  std::size_t retained_ = 0;

  std::mutex mutex_;
  std::condition_variable work_available_;
  std::deque<Work> waiting_;
  std::vector<std::function<void(Napi::Env)>> settled_;
  std::multiset<std::shared_ptr<Cancel>> active_;
  std::vector<std::thread> threads_;
  std::vector<std::thread::id> finished_;  // threads that have nothing left to do but to be joined
  std::size_t pool_size_ = 0;
  std::size_t pool_idle_ = 0;
  bool rung_ = false;
  bool closing_ = false;
};

}  // namespace nf::js
