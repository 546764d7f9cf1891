// Which matches and targets the kernel has, by name and revision, without a commit.
#pragma once

#include <cstdint>
#include <string>

#include "core/fd.h"
#include "core/result.h"
#include "core/xtables/family.h"

namespace nf::xt {

struct RevisionQuery {
  std::string name;
  std::uint8_t revision = 0;
  bool target = false;
};

// In the network namespace of the calling thread. A modular kernel loads the extension's module.
class RevisionProbe {
 public:
  static Result<RevisionProbe> open(const Family& family);
  Result<bool> has(const RevisionQuery& query) const;

 private:
  explicit RevisionProbe(const Family& family) : family_(&family) {}
  const Family* family_;
  Fd fd_;
};

}  // namespace nf::xt
