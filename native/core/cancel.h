// A Cancel is a flag. One thread raises it, and another thread sees it at once, even while it
// sleeps in poll(). A Signal is a wake-up that can be taken back.
#pragma once

#include <sys/eventfd.h>

#include <atomic>
#include <cstdint>
#include <mutex>

#include "core/fd.h"
#include "core/meeting.h"

namespace nf {

// How long to sleep if a wake-up has no descriptor, because the process has none left. The flag is
// looked at this often then.
inline constexpr int kBlindSleep = 50;  // milliseconds

class Cancel {
 public:
  // Any thread, any number of times.
  void raise() {
    raised_.store(true, std::memory_order_release);
    NF_MEETING(cancel);
    const std::lock_guard lock(mutex_);
    write_wake();
  }
  bool raised() const {
    NF_MEETING(cancel);
    return raised_.load(std::memory_order_acquire);
  }

  // Readable once raised, and always after that. The first thread that has to wait makes it: most
  // work never waits, and a descriptor per operation would stay open until the garbage collector
  // runs. -1 if the process is out of descriptors: sleep for kBlindSleep only.
  int fd() const {
    const std::lock_guard lock(mutex_);
    if (!wake_.valid()) {
      wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
      // The flag may have been raised before there was a descriptor to write to.
      if (raised()) write_wake();
    }
    return wake_.get();
  }
  // Closes the descriptor once nobody waits any more. The flag stays.
  void retire() {
    const std::lock_guard lock(mutex_);
    wake_.reset();
  }

 private:
  void write_wake() const {
    const std::uint64_t one = 1;
    // The counter stays set (nobody reads it), so every later poll() returns at once as well.
    if (wake_.valid()) [[maybe_unused]]
      const auto written = ::write(wake_.get(), &one, sizeof one);
  }

  std::atomic<bool> raised_{false};
  mutable std::mutex mutex_;  // guards wake_: never closed while it is written to
  mutable Fd wake_;
};

// Sleeps until `fd` is readable (true). Returns false if `cancel` (may be null) is raised or
// something else ends the sleep: the caller looks again. If either has no descriptor (`fd` is -1,
// or the Cancel could make none), the sleep lasts kBlindSleep at most.
bool wait_readable(int fd, const Cancel* cancel);
// The same, but for `limit` milliseconds at most. -1 means no limit.
bool wait_readable(int fd, const Cancel* cancel, int limit);

// One thread raises it. Another thread waits for it in poll() and lowers it. As with a Cancel, the
// first thread that waits makes the descriptor, and the system may have none left.
class Signal {
 public:
  void raise() {
    NF_MEETING(signal);
    const std::lock_guard lock(mutex_);
    raised_ = true;
    write_wake();
  }
  void lower() {
    NF_MEETING(signal);
    const std::lock_guard lock(mutex_);
    raised_ = false;
    std::uint64_t count = 0;
    if (wake_.valid()) [[maybe_unused]]
      const auto read = ::read(wake_.get(), &count, sizeof count);
  }
  // Readable while raised. -1 if the process is out of descriptors: sleep for kBlindSleep only.
  int fd() {
    const std::lock_guard lock(mutex_);
    if (!wake_.valid()) {
      wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
      if (raised_) write_wake();
    }
    return wake_.get();
  }
  // Closes the descriptor once nobody waits any more.
  void retire() {
    const std::lock_guard lock(mutex_);
    wake_.reset();
  }

 private:
  void write_wake() {
    const std::uint64_t one = 1;
    if (wake_.valid()) [[maybe_unused]]
      const auto written = ::write(wake_.get(), &one, sizeof one);
  }

  std::mutex mutex_;  // guards all below
  bool raised_ = false;
  Fd wake_;
};

}  // namespace nf
