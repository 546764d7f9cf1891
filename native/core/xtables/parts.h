// Numbers the different match lists and targets of a table while it is read, and notes which ones
// each rule has. Each is looked at once, however many rules have it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/xtables/distinct.h"
#include "core/xtables/fingerprint.h"
#include "core/xtables/image.h"
#include "core/xtables/layout.h"

namespace nf::xt {

class Parts {
 public:
  explicit Parts(const Layout& layout) : layout_(layout) {}

  // Adds the rule at `at`, in portable form, to the hash as hash_entry() does. `sets` (may be null)
  // gets the indexes of the IP sets that new parts refer to.
  RuleParts add(const std::uint8_t* blob, std::size_t at, Fingerprint& hash,
                std::vector<std::uint16_t>* sets);

  std::uint32_t match_lists() const { return static_cast<std::uint32_t>(match_lists_.size()); }
  std::uint32_t targets() const { return static_cast<std::uint32_t>(targets_.size()); }

 private:
  const Layout& layout_;
  Distinct match_lists_;
  Distinct targets_;
  std::vector<Digest> match_digests_;  // by the numbers of match_lists_
  std::vector<Digest> target_digests_;
};

}  // namespace nf::xt
