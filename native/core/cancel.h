// A flag that one thread raises and another, possibly asleep in poll(), sees at once.
#pragma once

#include <sys/eventfd.h>

#include <atomic>
#include <cstdint>

#include "core/fd.h"

namespace nf {

class Cancel {
 public:
  Cancel() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  // Any thread, any number of times.
  void raise() {
    raised_.store(true, std::memory_order_release);
    const std::uint64_t one = 1;
    // The counter stays set (nobody reads it), so every later poll() returns at once as well.
    if (wake_.valid()) [[maybe_unused]]
      const auto written = ::write(wake_.get(), &one, sizeof one);
  }
  bool raised() const { return raised_.load(std::memory_order_acquire); }
  // Readable once raised; -1 when the process is out of descriptors (the flag still works).
  int fd() const { return wake_.get(); }

 private:
  std::atomic<bool> raised_{false};
  Fd wake_;
};

// A wake-up that can be taken back: raised by one thread, waited for in poll() and lowered by
// another.
class Signal {
 public:
  Signal() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  void raise() {
    const std::uint64_t one = 1;
    if (wake_.valid()) [[maybe_unused]]
      const auto written = ::write(wake_.get(), &one, sizeof one);
  }
  void lower() {
    std::uint64_t count = 0;
    if (wake_.valid()) [[maybe_unused]]
      const auto read = ::read(wake_.get(), &count, sizeof count);
  }
  int fd() const { return wake_.get(); }
  bool valid() const { return wake_.valid(); }

 private:
  Fd wake_;
};

}  // namespace nf
