// Which matches and targets the kernel has, by name and revision, without a commit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/xtables/family.h"

namespace nf::xt {

struct RevisionQuery {
  std::string name;
  std::uint8_t revision = 0;
  bool target = false;
};

// Whether the kernel has each of these for rules of legacy tables, in the network namespace of the
// calling thread. A modular kernel loads the extension's module.
Result<std::vector<bool>> has_extensions(const Family& family,
                                         const std::vector<RevisionQuery>& queries);

}  // namespace nf::xt
