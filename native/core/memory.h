// Anonymous memory straight from the kernel: pages cost nothing until they are touched, growing
// moves page tables and not bytes, and what is handed to JavaScript is returned to the system at
// once.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace nf {

inline constexpr std::size_t kPage = 4096;
inline constexpr std::size_t round_to_page(std::size_t size) {
  return (size + kPage - 1) & ~(kPage - 1);
}

class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    if (this != &other) {
      reset();
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { reset(); }

  // False when the system has no memory.
  bool resize(std::size_t size) {
    size = round_to_page(size);
    if (size == size_) return true;
    if (size == 0) {
      reset();
      return true;
    }
    void* moved = data_ == nullptr ? ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                                   : ::mremap(data_, size_, size, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED) return false;
    data_ = static_cast<std::uint8_t*>(moved);
    size_ = size;
    return true;
  }
  void reset() {
    if (data_ != nullptr) ::munmap(data_, size_);
    data_ = nullptr;
    size_ = 0;
  }

  std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

// Bytes that grow at the end.
class GrowBuffer {
 public:
  bool append(const void* data, std::size_t size) {
    if (used_ + size > mapping_.size()) {
      const std::size_t doubled = mapping_.size() * 2;
      if (!mapping_.resize(used_ + size > doubled ? used_ + size : doubled)) return false;
    }
    if (size > 0) std::memcpy(mapping_.data() + used_, data, size);
    used_ += size;
    return true;
  }
  std::uint8_t* data() const { return mapping_.data(); }
  std::size_t size() const { return used_; }
  void truncate(std::size_t size) { used_ = size; }
  // Hands the memory over, without the pages behind its end.
  Mapping take() {
    mapping_.resize(used_);
    used_ = 0;
    return std::move(mapping_);
  }

 private:
  Mapping mapping_;
  std::size_t used_ = 0;
};

}  // namespace nf
