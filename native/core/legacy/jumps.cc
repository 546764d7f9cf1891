// Names the chains that rules lead to.
#include "core/legacy/jumps.h"

namespace nf::xt {

Jumps::Jumps(const Layout& layout, std::vector<Chain>& chains)
    : layout_(layout), chains_(chains), starts_(chains.size()) {
  for (std::uint32_t i = 0; i < chains_.size(); i++) starts_[i] = i;
  std::sort(starts_.begin(), starts_.end(), [this](std::uint32_t a, std::uint32_t b) {
    return chains_[a].start < chains_[b].start;
  });
}

const char* Jumps::name_target(std::uint8_t* blob, std::size_t at) {
  std::uint8_t* target = blob + at + load16(blob + at + layout_.target_offset);
  if (target[2] != '\0') {
    if (has_chain_called(target)) {
      // libiptc would take the target for a jump once it writes the rule to another place.
      not_writable_ = kNamesake;
    }
    return nullptr;
  }
  if (load16(target) != kStandardSize) return "a verdict has a wrong size";
  const auto verdict = static_cast<std::int32_t>(load32(target + kHeader));
  std::string_view name = "";
  if (verdict == -NF_ACCEPT - 1) {
    name = "ACCEPT";
  } else if (verdict == -NF_DROP - 1) {
    name = "DROP";
  } else if (verdict == -NF_QUEUE - 1) {
    name = "QUEUE";
  } else if (verdict == XT_RETURN) {
    name = "RETURN";
  } else if (verdict < 0) {
    return "a rule has an unknown verdict";
  } else if (static_cast<std::size_t>(verdict) != at + load16(blob + at + layout_.next_offset)) {
    Chain* chain = chain_at(static_cast<std::size_t>(verdict));
    if (chain == nullptr) return "a rule jumps into the middle of a chain";
    // libiptc would compile a jump to a place behind the first bytes of the built-in chain.
    if (chain->hook != 0) not_writable_ = kBuiltinJump;
    chain->references++;
    name = chain->name();
  }
  std::memset(target + 2, 0, kNameSize);
  std::memcpy(target + 2, name.data(), std::min(name.size(), kNameSize - 1));
  store32(target + kHeader, 0);
  return nullptr;
}

// Whether a chain has the name of this extension. Every rule asks, with few different names.
bool Jumps::has_chain_called(const std::uint8_t* target) {
  const auto* text = reinterpret_cast<const char*>(target + 2);
  const std::string_view name(text, ::strnlen(text, kNameSize));
  const auto known = std::find_if(extensions_.begin(), extensions_.end(), [&](const auto& one) {
    return std::string_view(one.first) == name;
  });
  if (known != extensions_.end()) return known->second;
  const bool clash = std::any_of(chains_.begin(), chains_.end(),
                                 [&](const Chain& chain) { return chain.name() == name; });
  extensions_.emplace_back(std::string(name), clash);
  return clash;
}

Chain* Jumps::chain_at(std::size_t offset) {
  const auto found = std::lower_bound(
      starts_.begin(), starts_.end(), offset,
      [this](std::uint32_t chain, std::size_t wanted) { return chains_[chain].start < wanted; });
  if (found == starts_.end() || chains_[*found].start != offset) return nullptr;
  return &chains_[*found];
}

}  // namespace nf::xt
