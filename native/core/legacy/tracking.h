// What the legacy tables say about connection tracking and translation, if the kernel does not list
// its hooks.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/cancel.h"
#include "core/tracking_report.h"

struct ipt_getinfo;

namespace nf::xt {

struct Layout;

// In the network namespace of the calling thread. Makes no table, and loads no module.
void scan_legacy_rules(const Cancel* cancel, TrackingReport& report);

// Notes what the rules that the kernel sent for `info` ask for. Null, or what is wrong with them.
const char* scan_table(const Layout& layout, const std::string& table, const ipt_getinfo& info,
                       std::span<const std::uint8_t> blob, TrackingReport& report);

}  // namespace nf::xt
