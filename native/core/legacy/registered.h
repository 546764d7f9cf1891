// Which legacy tables a network namespace has. Whoever asks the kernel for a table by name makes
// it, and may load a module: this list says what may be asked for.
#pragma once

#include <string>
#include <vector>

#include "core/legacy/layout.h"
#include "core/result.h"

namespace nf::xt {

// Those of the network namespace of the calling thread. Creates none. A kernel without ip_tables
// has none. EACCES, with the path as the detail, where the list is not open to this process.
Result<std::vector<std::string>> registered_tables(const Layout& layout);

}  // namespace nf::xt
