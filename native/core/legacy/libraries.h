// What was found of libip4tc and libip6tc, for support(). Apart from iptc_library.h so that a file
// which asks needs none of libiptc's headers.
#pragma once

#include "core/library.h"

namespace nf::xt {

const LibraryState& iptc_state(bool ipv6);

}  // namespace nf::xt
