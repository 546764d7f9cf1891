// The chains of a table by name: a jump and a target of the same size differ only in this.
#pragma once

#include <functional>
#include <string_view>

namespace nf::nft {

// Whether the table has a chain with this name.
using IsChain = std::function<bool(std::string_view name)>;

}  // namespace nf::nft
