// Per-environment state (the main thread and each worker have their own) and the threads that work
// for it. Lifetime rules, each of which would be a bug otherwise; the code refers to them by
// number:
//  1. State lives in instance data; nothing here is static. The instance data is deleted after the
//     cleanup hook has run, so no thread is left that could use it.
//  2. The cleanup hook raises every Cancel, then wakes and joins every thread. It is registered
//  after
//     the thread-safe function, and hooks run last in, first out: no thread ever rings a dead bell.
//     A join lasts one system call at most, because work looks at its Cancel between two.
//  3. The thread-safe function is released in the cleanup hook only, and its callback runs no user
//     code: it settles promises.
//  4. The environment keeps the loop alive only while something that the caller awaits is under
//  way:
//     one retain() when it begins, one release() when it is settled. What is dropped at teardown is
//     not released; nothing counts any more by then.
//  5. What a thread posts may be destroyed on any thread (dropped at teardown), so it owns nothing
//     that belongs to JavaScript but raw handles, whose destruction does nothing (napi/deferred.h).
//  6. While an environment ends, any Node-API call may fail, with or without an exception. Nothing
//     uses a result without looking at the status, and nothing but failure descriptions is thrown.
//  7. A pooled thread that was moved into another network namespace is used no more: work_pool.h.
//  8. No exception leaves native code. What the JS thread calls goes through export_function, what
//  a
//     thread runs and what is settled catches its own; all memory that telling of an end takes is
//     had before the work begins, so that every promise is settled whatever memory is left then.
//  9. process.exit() of the main thread runs no hook: threads run on while exit() destroys statics.
//     So statics are never destroyed (core/library.h) and the addon is never unmapped (linked with
//     -z nodelete; Node closes an addon when the last worker that loaded it ends).
#pragma once

#include <napi.h>

#include <functional>
#include <list>
#include <memory>
#include <mutex>

#include "core/work_pool.h"

namespace nf::js {

// What the JS thread shall do when something has ended: a list of one, so that posting it takes no
// memory. It must let no exception out.
using Settlement = std::list<std::function<void(Napi::Env)>>;

class Environment {
 public:
  static Environment& of(Napi::Env env);
  // Called once, when the addon is loaded into an environment. False, and usually an exception
  // pending, when the environment is ending.
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
  napi_env env_ = nullptr;  // Node does not look at it where it is asked for; Deno refuses none
  Bell bell_;
  std::size_t retained_ = 0;

  std::mutex mutex_;  // of all that follows but the pool
  Settlement settled_;
  bool rung_ = false;
  bool closing_ = false;

  WorkPool pool_;  // last: its threads use the rest
};

}  // namespace nf::js
