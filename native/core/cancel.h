// A flag that one thread raises and another, possibly asleep in poll(), sees at once; and a wake-up
// that can be taken back.
#pragma once

#include <sys/eventfd.h>

#include <atomic>
#include <cstdint>
#include <mutex>

#include "core/fd.h"
#include "core/meeting.h"

namespace nf {

// How long to sleep where a wake-up has no descriptor (the process is out of them): the flag is
// then looked at this often.
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

  // Readable once raised, and always after that. Made by the first that has to wait: most work
  // never does, and a descriptor per operation would last until the garbage collector looks. -1
  // when the process is out of descriptors: sleep for kBlindSleep only.
  int fd() const {
    const std::lock_guard lock(mutex_);
    if (!wake_.valid()) {
      wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
      // The flag may have come up before there was anything to write to.
      if (raised()) write_wake();
    }
    return wake_.get();
  }
  // Gives the descriptor back, when nobody waits any more; the flag stays.
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
  mutable std::mutex mutex_;  // of wake_: never closed while it is written to
  mutable Fd wake_;
};

// Sleeps until `fd` is readable (true), or until `cancel` (may be null) is raised or something else
// ends the sleep (false): the caller looks again. Where either has no descriptor (`fd` is -1, or
// the Cancel could make none) the sleep is kBlindSleep at most.
bool wait_readable(int fd, const Cancel* cancel);
// The same for at most `limit` milliseconds, -1: without a limit.
bool wait_readable(int fd, const Cancel* cancel, int limit);

// Raised by one thread, waited for in poll() and lowered by another. As with a Cancel its
// descriptor is made by the first that waits, and the system may have none left.
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
  // Readable while raised. -1 when the process is out of descriptors: sleep for kBlindSleep only.
  int fd() {
    const std::lock_guard lock(mutex_);
    if (!wake_.valid()) {
      wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
      if (raised_) write_wake();
    }
    return wake_.get();
  }
  // Gives the descriptor back, when nobody waits any more.
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

  std::mutex mutex_;  // of all below
  bool raised_ = false;
  Fd wake_;
};

}  // namespace nf
