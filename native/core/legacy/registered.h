// Which legacy tables a network namespace has. To ask the kernel for a table by name makes the
// table, and may load a module. This list says which tables can be asked for without that.
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
