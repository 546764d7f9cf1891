// Builds a classic BPF program over netlink attributes: instructions, scratch memory, and labels
// for forward jumps that do not lead to the next line. Knows nothing of conntrack.
#pragma once

#include <linux/filter.h>
#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace nf::ct {

inline constexpr std::uint32_t kAccept = std::numeric_limits<std::uint32_t>::max();
inline constexpr std::uint32_t kPayload = NLA_HDRLEN;
using Width = std::uint16_t;  // BPF_B, BPF_H or BPF_W

class BpfProgram {
 public:
  using Label = std::size_t;
  static constexpr Label kNext = std::numeric_limits<Label>::max();

  void emit(std::uint16_t code, std::uint32_t k) { code_.push_back({code, 0, 0, k}); }
  Label label() {
    at_.push_back(kNext);
    return at_.size() - 1;
  }
  void bind(Label label) { at_[label] = code_.size(); }
  void jump(std::uint16_t test, std::uint32_t k, Label yes, Label no,
            std::uint16_t source = BPF_K) {
    fixups_.push_back({code_.size(), yes, no});
    emit(static_cast<std::uint16_t>(BPF_JMP | test | source), k);
  }
  void go(Label to) {
    fixups_.push_back({code_.size(), to, to});
    emit(BPF_JMP | BPF_JA, 0);
  }
  void ret(std::uint32_t value) { emit(BPF_RET | BPF_K, value); }

  // A, X and the scratch memory.
  void load(std::uint32_t k) { emit(BPF_LD | BPF_IMM, k); }
  void load_x(std::uint32_t k) { emit(BPF_LDX | BPF_IMM, k); }
  void load_slot(std::uint32_t slot) { emit(BPF_LD | BPF_MEM, slot); }
  void load_slot_x(std::uint32_t slot) { emit(BPF_LDX | BPF_MEM, slot); }
  void store(std::uint32_t slot) { emit(BPF_ST, slot); }
  void to_x() { emit(BPF_MISC | BPF_TAX, 0); }
  void load_at_x(Width width, std::uint32_t k) {
    emit(static_cast<std::uint16_t>(BPF_LD | width | BPF_IND), k);
  }
  void mask(std::uint32_t k) {
    if (k != kAccept) emit(BPF_ALU | BPF_AND | BPF_K, k);
  }
  // A: offset of a nest (or kAttributesAt) → offset of its attribute `type`, or 0.
  void find(std::uint16_t type, bool nested) {
    load_x(type);
    emit(BPF_LD | BPF_W | BPF_ABS,
         static_cast<std::uint32_t>(SKF_AD_OFF + (nested ? SKF_AD_NLATTR_NEST : SKF_AD_NLATTR)));
  }
  // A: offset of an attribute → its payload, `skip` bytes in.
  void payload(Width width, std::uint32_t skip = 0) {
    to_x();
    load_at_x(width, kPayload + skip);
  }

  // Tests. The event is rejected if they fail.
  void require(std::uint16_t test, std::uint32_t k) {
    code_.push_back({static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), 1, 0, k});
    reject();
  }
  void refuse(std::uint16_t test, std::uint32_t k) {
    code_.push_back({static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), 0, 1, k});
    reject();
  }
  // Ends the program, or goes to where a rejected event is looked at by other conditions.
  void reject() {
    rejects_++;
    if (rejected_ == kNext) {
      ret(0);
    } else {
      go(rejected_);
    }
  }
  // Where rejected events go from now on. kNext: nowhere, the program ends. Returns where they went
  // before.
  Label reject_to(Label rejected) { return std::exchange(rejected_, rejected); }
  void accept_if_zero() {
    code_.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0});
    ret(kAccept);
  }

  // How many instructions reject an event.
  std::size_t rejects() const { return rejects_; }
  // False if a jump or the whole program is too long.
  bool finish(std::vector<sock_filter>& out) {
    ret(kAccept);
    for (const Fixup& fixup : fixups_) {
      const std::size_t from = fixup.at + 1;
      const std::size_t yes = fixup.yes == kNext ? 0 : at_[fixup.yes] - from;
      const std::size_t no = fixup.no == kNext ? 0 : at_[fixup.no] - from;
      sock_filter& instruction = code_[fixup.at];
      if (instruction.code == (BPF_JMP | BPF_JA)) {
        instruction.k = static_cast<std::uint32_t>(yes);
        continue;
      }
      if (yes > 255 || no > 255) return false;
      instruction.jt = static_cast<std::uint8_t>(yes);
      instruction.jf = static_cast<std::uint8_t>(no);
    }
    if (code_.size() > BPF_MAXINSNS) return false;
    out = std::move(code_);
    return true;
  }

 private:
  struct Fixup {
    std::size_t at;
    Label yes;
    Label no;
  };
  std::vector<sock_filter> code_;
  std::vector<Fixup> fixups_;
  std::vector<std::size_t> at_;
  Label rejected_ = kNext;
  std::size_t rejects_ = 0;
};

}  // namespace nf::ct
