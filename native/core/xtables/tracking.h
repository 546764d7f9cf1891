// Which extensions of iptables ask for connection tracking. Both backends load the same ones.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace nf::xt {

// Whether this match or target, with these bytes of its own, asks for tracking when a rule with it
// is loaded.
bool extension_tracks(std::string_view name, std::span<const std::uint8_t> data);

}  // namespace nf::xt
