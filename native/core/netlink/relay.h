// Passes datagrams from the receiving thread to the reading thread, in order, through a few
// buffers. A thread wakes the other only when half of the buffers wait for it: a wake-up costs as
// much as decoding a datagram. Knows nothing of netlink but the size of a datagram.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

namespace nf {

class Relay {
 public:
  // Each buffer takes `length` bytes.
  explicit Relay(std::size_t length);

  // Receiving thread: waits for a free buffer. Empty if the reader has stopped.
  std::span<std::uint8_t> free_buffer();
  // The first `size` bytes of that buffer are a datagram.
  void pass(std::size_t size);
  // No more datagrams will come.
  void close();

  // Reading thread: waits for the next datagram. Empty after the last.
  std::span<const std::uint8_t> next();
  // The reader is done with that datagram.
  void release();
  // The reader wants no more.
  void stop();

 private:
  static constexpr std::size_t kBuffers = 16;
  static constexpr std::size_t kHalf = kBuffers / 2;

  const std::size_t length_;
  const std::unique_ptr<std::uint8_t[]> bytes_;
  std::mutex mutex_;  // guards all that follows
  std::condition_variable freed_;
  std::condition_variable filled_;
  std::size_t sizes_[kBuffers] = {};
  std::size_t first_ = 0;  // the oldest datagram
  std::size_t count_ = 0;
  bool closed_ = false;
  bool stopped_ = false;
};

}  // namespace nf
