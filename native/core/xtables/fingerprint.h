// A 128-bit hash of a table's content: tells whether two readings hold the same rules. Not
// cryptographic: a program that may write the table needs no collision to change it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace nf::xt {

using Digest = std::array<std::uint64_t, 2>;

class Fingerprint {
 public:
  // Segments are folded in with their length, so that moving a byte from one to the next shows.
  void add(const void* data, std::size_t size) {
    const auto* at = static_cast<const std::uint8_t*>(data);
    std::size_t left = size;
    for (; left >= 16; left -= 16, at += 16) mix(word(at, 8), word(at + 8, 8));
    if (left > 8) {
      mix(word(at, 8), word(at + 8, left - 8));
    } else if (left > 0) {
      mix(word(at, left), 0);
    }
    mix(size, kOdd[2]);
  }
  void add(std::uint64_t value) { mix(value, kOdd[3]); }
  void add(const Digest& digest) { mix(digest[0], digest[1]); }

  Digest digest() const {
    return {fold(state_[0] ^ kOdd[0], state_[1] ^ kOdd[1]),
            fold(state_[1] ^ kOdd[2], state_[0] ^ kOdd[3])};
  }

 private:
  __extension__ typedef unsigned __int128 Wide;
  static constexpr std::array<std::uint64_t, 4> kOdd = {0xa0761d6478bd642f, 0xe7037ed1a0b428db,
                                                        0x8ebc6af09c88c6e3, 0x589965cc75374cc3};

  static std::uint64_t word(const std::uint8_t* at, std::size_t size) {
    std::uint64_t value = 0;
    std::memcpy(&value, at, size);
    return value;
  }
  static std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
  void mix(std::uint64_t a, std::uint64_t b) {
    state_[0] = fold(a ^ kOdd[0] ^ state_[0], b ^ kOdd[1]) + state_[1];
    state_[1] = fold(b ^ kOdd[2] ^ state_[1], a ^ kOdd[3]) ^ state_[0];
  }

  std::array<std::uint64_t, 2> state_ = {0x2d358dccaa6c78a5, 0x8bb84b93962eacc9};
};

}  // namespace nf::xt
