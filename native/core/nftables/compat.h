// Which matches and targets of x_tables rules of nf_tables can have, by name and revision. Works in
// kernels without legacy tables too.
#pragma once

#include <vector>

#include "core/result.h"
#include "core/xtables/family.h"
#include "core/xtables/revision.h"

namespace nf::nft {

// In the network namespace of the calling thread. A modular kernel loads the extension's module.
Result<std::vector<bool>> has_extensions(const xt::Family& family,
                                         const std::vector<xt::RevisionQuery>& queries);

}  // namespace nf::nft
