// What closes a chain.
#include "core/legacy/chains.h"

namespace nf::xt {

const char* read_end(const Layout& layout, const ipt_getinfo& info, std::uint32_t hook,
                     const std::uint8_t* blob, std::size_t at, const EntryView& view,
                     ChainEnd& out) {
  if (!view.target_name.empty() || view.target_size != kStandardSize ||
      view.target != layout.entry_size) {
    return "a chain ends in a rule that is no policy";
  }
  const std::uint8_t* entry = blob + at;
  const auto verdict = static_cast<std::int32_t>(load32(entry + view.target + kHeader));
  if (hook == 0) return verdict == XT_RETURN ? nullptr : "a chain does not end with RETURN";
  if (info.underflow[hook - 1] != at) return "a policy is not where it should be";
  if (verdict == -NF_ACCEPT - 1) {
    out.policy = kPolicyAccept;
  } else if (verdict == -NF_DROP - 1) {
    out.policy = kPolicyDrop;
  } else {
    return "a policy is neither ACCEPT nor DROP";
  }
  out.counters = load_counters(entry + layout.counters);
  return nullptr;
}

}  // namespace nf::xt
