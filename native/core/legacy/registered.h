// Which legacy tables a network namespace has. Asking the kernel for a table by name makes the
// table, and may load a module. This list says which tables can be asked for without that.
#pragma once

#include <string>
#include <vector>

#include "core/result.h"
#include "core/xtables/layout.h"

namespace nf::xt {

// The tables of the network namespace of the calling thread. Creates none. A kernel without
// ip_tables has none. EACCES, with the path as the detail, if this process may not read the list.
Result<std::vector<std::string>> registered_tables(const Layout& layout);

}  // namespace nf::xt
