// The ring of buffers.
#include "core/netlink/relay.h"

#include "core/meeting.h"

namespace nf {

Relay::Relay(std::size_t length)
    : length_(length), bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(length * kBuffers)) {}

std::span<std::uint8_t> Relay::free_buffer() {
  std::unique_lock lock(mutex_);
  if (count_ == kBuffers) {
    freed_.wait(lock, [this] { return count_ <= kHalf || stopped_; });
  }
  if (stopped_) return {};
  return {bytes_.get() + (first_ + count_) % kBuffers * length_, length_};
}

void Relay::pass(std::size_t size) {
  NF_MEETING(relay);
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    sizes_[(first_ + count_) % kBuffers] = size;
    count_++;
    wake = count_ == kHalf;
  }
  if (wake) filled_.notify_one();
}

void Relay::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  filled_.notify_one();
}

std::span<const std::uint8_t> Relay::next() {
  std::unique_lock lock(mutex_);
  if (count_ == 0) filled_.wait(lock, [this] { return count_ >= kHalf || closed_; });
  if (count_ == 0) return {};
  return {bytes_.get() + first_ * length_, sizes_[first_]};
}

void Relay::release() {
  NF_MEETING(relay);
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    first_ = (first_ + 1) % kBuffers;
    count_--;
    wake = count_ == kHalf;
  }
  if (wake) freed_.notify_one();
}

void Relay::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  freed_.notify_one();
}

}  // namespace nf
