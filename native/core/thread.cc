// Starting threads.
#include "core/thread.h"

#include <signal.h>

#include <memory>
#include <string>

#include "core/guard.h"
#include "core/meeting.h"

namespace nf {
namespace {

struct Start {
  std::string name;
  std::function<void()> run;
};

// noexcept: an exception that gets here must not look like the end of the thread.
void* enter(void* data) noexcept {
  const std::unique_ptr<Start> start(static_cast<Start*>(data));
  ::pthread_setname_np(::pthread_self(), start->name.c_str());
  NF_MEETING(thread);
  start->run();
  return nullptr;
}

}  // namespace

Result<Thread> Thread::start(const char* name, std::function<void()> run) {
  std::unique_ptr<Start> start;
  auto made = guarded("thread start", [&]() -> Result<void> {
    start = std::make_unique<Start>(Start{name, std::move(run)});
    return {};
  });
  if (!made) return made.error();
  // A signal that a fault of the thread itself raises must reach its handler (a crash reporter's).
  // A profiler uses SIGPROF to look at every thread.
  sigset_t blocked;
  sigset_t before;
  ::sigfillset(&blocked);
  for (const int kept : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF}) {
    ::sigdelset(&blocked, kept);
  }
  ::pthread_sigmask(SIG_SETMASK, &blocked, &before);
  pthread_t id{};
  const int code = ::pthread_create(&id, nullptr, enter, start.get());
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (code != 0) return fail(code, "thread start", name);
  static_cast<void>(start.release());  // the thread owns it now
  NF_MEETING(thread);
  return Thread(id);
}

Result<void> Thread::run_to_end(const char* name, const std::function<Result<void>()>& work) {
  Result<void> outcome;
  auto thread = start(name, [&] { outcome = guarded("thread", work); });
  if (!thread) return thread.error();
  thread->join();
  return outcome;
}

}  // namespace nf
