// What was found of libip4tc and libip6tc, for support(). This is not in iptc_library.h, so that a
// caller needs none of libiptc's headers.
#pragma once

#include "core/library.h"

namespace nf::xt {

const LibraryState& iptc_state(bool ipv6);

}  // namespace nf::xt
