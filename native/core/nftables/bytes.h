// Bytes that somebody else holds.
#pragma once

#include <cstdint>
#include <span>

namespace nf::nft {

using Bytes = std::span<const std::uint8_t>;

}  // namespace nf::nft
