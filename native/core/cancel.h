// A flag that one thread raises and another, possibly asleep in poll(), sees at once.
#pragma once

#include <sys/eventfd.h>

#include <atomic>
#include <cstdint>

#include "core/fd.h"

namespace nf {

class Cancel {
 public:
  Cancel() = default;
  Cancel(const Cancel&) = delete;
  Cancel& operator=(const Cancel&) = delete;
  ~Cancel() {
    const int fd = wake_.load();
    if (fd >= 0) ::close(fd);
  }

  // Any thread, any number of times.
  void raise() {
    raised_.store(true);
    wake();
  }
  bool raised() const { return raised_.load(std::memory_order_acquire); }
  // Readable once raised; -1 when the process is out of descriptors (the flag still works). Made
  // when it is first asked for: most work never waits, and cells live until JavaScript collects
  // them.
  int fd() const {
    int fd = wake_.load();
    if (fd >= 0) return fd;
    const int made = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made < 0) return -1;
    if (!wake_.compare_exchange_strong(fd, made)) {
      ::close(made);
      return fd;
    }
    // Either raise() saw the descriptor, or this sees the flag: both are sequentially consistent.
    if (raised_.load()) wake();
    return made;
  }

 private:
  void wake() const {
    const int fd = wake_.load();
    const std::uint64_t one = 1;
    // The counter stays set (nobody reads it), so every later poll() returns at once as well.
    if (fd >= 0) [[maybe_unused]]
      const auto written = ::write(fd, &one, sizeof one);
  }

  std::atomic<bool> raised_{false};
  mutable std::atomic<int> wake_{-1};
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
