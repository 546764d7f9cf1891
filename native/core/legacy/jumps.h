// Where the rules of a table lead, while it is read: offsets of its blob become the names of
// chains.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/legacy/chains.h"
#include "core/legacy/snapshot.h"
#include "core/xtables/layout.h"

namespace nf::xt {

// A chain of a table that is being read.
struct Chain : ImageChain {
  std::size_t start = 0;  // blob offset where a jump to it leads
};

class Jumps {
 public:
  // The chains stay where they are as long as this is used; their references are counted here.
  Jumps(const Layout& layout, std::vector<Chain>& chains);

  // Puts the target of the rule at `at` into portable form, if it is a standard target. Null, or
  // what is wrong.
  const char* name_target(std::uint8_t* blob, std::size_t at);

  // Why the targets that were named cannot be written back, if there is a reason.
  Writable not_writable() const { return not_writable_; }

 private:
  bool has_chain_called(const std::uint8_t* target);
  Chain* chain_at(std::size_t offset);

  const Layout& layout_;
  std::vector<Chain>& chains_;
  std::vector<std::uint32_t> starts_;                     // chains_, sorted by where they start
  std::vector<std::pair<std::string, bool>> extensions_;  // targets seen, and has_chain_called
  Writable not_writable_ = kWritable;
};

}  // namespace nf::xt
