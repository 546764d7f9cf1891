// Zeroed memory for batches and tables. Large memory comes straight from the kernel: pages cost
// nothing until they are touched, growing moves page tables and not bytes, and what JavaScript
// releases goes back to the system at once. Small memory, as for a single event, comes from the
// heap: mapping and unmapping a page costs more than everything else for an event, and stops the
// other processors.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace nf {

inline constexpr std::size_t kPage = 4096;
// ThreadSanitizer (gcc 12) does not see mremap(): the next owner of an address that was moved away
// from would be reported as a race.
#ifdef __SANITIZE_THREAD__
inline constexpr bool kMoves = false;
#else
inline constexpr bool kMoves = true;
#endif
inline constexpr std::size_t round_to_page(std::size_t size) {
  return (size + kPage - 1) & ~(kPage - 1);
}

class Memory {
 public:
  Memory() = default;
  Memory(Memory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Memory& operator=(Memory&& other) noexcept {
    if (this != &other) {
      reset();
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { reset(); }

  // Keeps what is there as far as it fits. False if the system has no memory: all is as before.
  bool resize(std::size_t size) {
    if (size >= kLeastMapped) size = round_to_page(size);
    if (size == size_) return true;
    if (size == 0) {
      reset();
      return true;
    }
    void* moved = nullptr;
    if (kMoves && is_mapped(size_) && is_mapped(size)) {
      moved = ::mremap(data_, size_, size, MREMAP_MAYMOVE);
      if (moved == MAP_FAILED) return false;
    } else {
      moved = allocate(size);
      if (moved == nullptr) return false;
      if (size_ > 0) std::memcpy(moved, data_, std::min(size, size_));
      reset();
    }
    data_ = static_cast<std::uint8_t*>(moved);
    size_ = size;
    return true;
  }
  void reset() {
    if (is_mapped(size_)) {
      ::munmap(data_, size_);
    } else {
      std::free(data_);
    }
    data_ = nullptr;
    size_ = 0;
  }

  std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  // Below glibc's own threshold (M_MMAP_THRESHOLD), above which its heap maps pages as well.
  static constexpr std::size_t kLeastMapped = std::size_t{64} << 10;
  static bool is_mapped(std::size_t size) { return size >= kLeastMapped; }
  static void* allocate(std::size_t size) {
    if (!is_mapped(size)) return std::calloc(1, size);
    void* const mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return mapped == MAP_FAILED ? nullptr : mapped;
  }

  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

// Bytes that grow at the end.
class GrowBuffer {
 public:
  bool append(const void* data, std::size_t size) {
    if (used_ + size > memory_.size()) {
      const std::size_t doubled = memory_.size() * 2;
      if (!memory_.resize(used_ + size > doubled ? used_ + size : doubled)) return false;
    }
    if (size > 0) std::memcpy(memory_.data() + used_, data, size);
    used_ += size;
    return true;
  }
  std::uint8_t* data() const { return memory_.data(); }
  std::size_t size() const { return used_; }
  void truncate(std::size_t size) { used_ = size; }
  // Hands the memory over, without the pages behind its end.
  Memory take() {
    memory_.resize(used_);
    used_ = 0;
    return std::move(memory_);
  }

 private:
  Memory memory_;
  std::size_t used_ = 0;
};

}  // namespace nf
