// Per-environment state (the main thread and each worker have their own), and the threads that work
// for it. Rules of lifetime follow. Without any of them there is a bug. The code refers to them by
// number. (Without the line below, clang-format joins the lines of the list.)
// clang-format off
//
//  1. State lives in instance data. Nothing here is static. The instance data is deleted after the
//     cleanup hook has run, so no thread is left that could use it.
//  2. The cleanup hook raises every Cancel, then wakes and joins every thread. It is registered
//     after the thread-safe function. Hooks run last in, first out, so no thread ever rings a dead
//     bell. A join lasts one system call at most: work looks at its Cancel between two calls.
//  3. Only the cleanup hook releases the thread-safe function. The callback of that function runs
//     no user code: it settles promises.
//  4. The environment keeps the loop alive only while something that the caller awaits is under
//     way: one retain() when it begins, one release() when it is settled. What is dropped at
//     teardown is not released, because nothing counts any more by then.
//  5. What a thread posts may be destroyed on any thread (it is dropped at teardown). So it owns
//     nothing of JavaScript but raw handles, and destroying those does nothing (napi/deferred.h).
//  6. While an environment ends, any Node-API call may fail, with or without an exception. So the
//     code looks at the status before it uses a result, and throws nothing but descriptions of
//     failures.
//  7. A pooled thread that was moved into another network namespace is not used again
//     (work_pool.h).
//  8. No exception leaves native code. What the JS thread calls goes through export_function. What
//     a thread runs, and what settles a promise, catches its own exceptions. The memory for
//     reporting the end is allocated before the work begins, so every promise is settled, however
//     little memory is left then.
//  9. process.exit() of the main thread runs no hook, so threads run on while exit() destroys
//     statics. Therefore statics are never destroyed (core/library.h), and the addon is never
//     unmapped: it is linked with -z nodelete. (Node closes an addon when the last worker that
//     loaded it ends.)
//
// clang-format on
#pragma once

#include <napi.h>

#include <functional>
#include <list>
#include <memory>
#include <mutex>

#include "core/work_pool.h"

namespace nf::js {

// What the JS thread must do when something has ended. It is a list of one, so that posting it
// takes no memory. It must not throw.
using Settlement = std::list<std::function<void(Napi::Env)>>;

class Environment {
 public:
  static Environment& of(Napi::Env env);
  // Called once, when the addon is loaded into an environment. If the environment is ending, it
  // returns false, and usually an exception is pending.
  static bool install(Napi::Env env);

  // JS thread. Keeps the loop alive until `release`.
  void retain();
  void release();

  // JS thread: work_pool.h.
  Result<void> run(std::function<void()> work, std::shared_ptr<Cancel> cancel) {
    return pool_.run(std::move(work), std::move(cancel));
  }
  Result<void> run_alone(std::function<void()> work, std::shared_ptr<Cancel> cancel) {
    return pool_.run_alone(std::move(work), std::move(cancel));
  }
  // Any thread. Runs it on the JS thread, soon; dropped when the environment is going away.
  void post(Settlement settlement) noexcept;

 private:
  friend void cleanup(void*);
  void drain(Napi::Env env);
  void shut_down();
  static void ring(Napi::Env env, Napi::Function, Environment* self, void*);
  using Bell = Napi::TypedThreadSafeFunction<Environment, void, &Environment::ring>;

  // JS thread only.
  napi_env env_ = nullptr;  // for calls in which Node ignores it, and Deno wants it
  Bell bell_;
  std::size_t retained_ = 0;

  std::mutex mutex_;  // guards all below except the pool
  Settlement settled_;
  bool rung_ = false;
  bool closing_ = false;

  WorkPool pool_;  // last: its threads use the rest
};

}  // namespace nf::js
