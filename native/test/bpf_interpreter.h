// Runs classic BPF programs over netlink attributes, with the kernel's rules (net/core/filter.c),
// for tests.
#pragma once

#include <linux/filter.h>

#include <cstring>
#include <vector>

#include "test/check.h"

namespace nf::test {

class Interpreter {
 public:
  explicit Interpreter(const std::vector<std::uint8_t>& datagram) : data_(datagram) {}

  // What the program returns: 0 rejects.
  std::uint32_t run(const std::vector<sock_filter>& code) {
    for (std::size_t pc = 0; pc < code.size(); pc++) {
      const sock_filter& i = code[pc];
      switch (i.code) {
        case BPF_LD | BPF_IMM:
          a_ = i.k;
          break;
        case BPF_LDX | BPF_IMM:
          x_ = i.k;
          break;
        case BPF_LD | BPF_MEM:
          a_ = memory_[i.k];
          break;
        case BPF_LDX | BPF_MEM:
          x_ = memory_[i.k];
          break;
        case BPF_ST:
          memory_[i.k] = a_;
          break;
        case BPF_MISC | BPF_TAX:
          x_ = a_;
          break;
        case BPF_LD | BPF_W | BPF_ABS:
          if (i.k == static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_NLATTR)) {
            a_ = find(a_, x_, data_.size());
          } else {
            a_ = find_nested(a_, x_);
          }
          break;
        case BPF_LD | BPF_B | BPF_ABS:
          if (!load(i.k, 1)) return 0;
          break;
        case BPF_LD | BPF_B | BPF_IND:
          if (!load(std::size_t{x_} + i.k, 1)) return 0;
          break;
        case BPF_LD | BPF_H | BPF_IND:
          if (!load(std::size_t{x_} + i.k, 2)) return 0;
          break;
        case BPF_LD | BPF_W | BPF_IND:
          if (!load(std::size_t{x_} + i.k, 4)) return 0;
          break;
        case BPF_ALU | BPF_AND | BPF_K:
          a_ &= i.k;
          break;
        case BPF_ALU | BPF_LSH | BPF_X:
          a_ <<= x_;
          break;
        case BPF_JMP | BPF_JA:
          pc += i.k;
          break;
        case BPF_JMP | BPF_JEQ | BPF_K:
          pc += a_ == i.k ? i.jt : i.jf;
          break;
        case BPF_JMP | BPF_JEQ | BPF_X:
          pc += a_ == x_ ? i.jt : i.jf;
          break;
        case BPF_JMP | BPF_JGT | BPF_K:
          pc += a_ > i.k ? i.jt : i.jf;
          break;
        case BPF_JMP | BPF_JGE | BPF_K:
          pc += a_ >= i.k ? i.jt : i.jf;
          break;
        case BPF_JMP | BPF_JSET | BPF_K:
          pc += (a_ & i.k) != 0 ? i.jt : i.jf;
          break;
        case BPF_RET | BPF_K:
          return i.k;
        default:
          CHECK(!"an instruction that the compiler does not use");
          return 0;
      }
    }
    CHECK(!"the program has no end");
    return 0;
  }

 private:
  bool load(std::size_t at, std::size_t size) {
    if (at + size > data_.size()) return false;
    a_ = 0;
    for (std::size_t i = 0; i < size; i++) a_ = a_ << 8 | data_[at + i];
    return true;
  }
  // nla_find: searches [at, end), 0 if there is none.
  std::uint32_t find(std::uint32_t at, std::uint32_t type, std::size_t end) const {
    if (data_.size() < 4 || at > data_.size() - 4) return 0;
    while (at + 4 <= end) {
      std::uint16_t header[2] = {};
      std::memcpy(header, &data_[at], sizeof header);
      if (header[0] < 4 || at + header[0] > end) return 0;
      if ((header[1] & 0x3fff) == type) return at;
      at += (header[0] + 3U) & ~3U;
    }
    return 0;
  }
  std::uint32_t find_nested(std::uint32_t at, std::uint32_t type) const {
    if (data_.size() < 4 || at > data_.size() - 4) return 0;
    std::uint16_t length = 0;
    std::memcpy(&length, &data_[at], sizeof length);
    if (length < 4 || at + length > data_.size()) return 0;
    return find(at + 4, type, at + length);
  }

  const std::vector<std::uint8_t>& data_;
  std::uint32_t a_ = 0;
  std::uint32_t x_ = 0;
  std::uint32_t memory_[BPF_MEMWORDS] = {};
};

}  // namespace nf::test
