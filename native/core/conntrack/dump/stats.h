// The numbers that the kernel keeps about its table: entries and their limit, and per-CPU counters.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/netlink/socket.h"

namespace nf::ct {

struct TableCount {
  std::uint32_t entries = 0;
  bool has_max = false;  // CTA_STATS_GLOBAL_MAX_ENTRIES, kernel 4.18
  std::uint32_t max = 0;
};

// Indexed by attribute number (CTA_STATS_FOUND 2 … CTA_STATS_CHAIN_TOOLONG 15, of expectations
// CTA_STATS_EXP_NEW 1 … CTA_STATS_EXP_DELETE 3); absent ones are 0.
inline constexpr std::size_t kCpuCounters = 16;
struct CpuStats {
  std::uint16_t cpu = 0;
  std::array<std::uint32_t, kCpuCounters> counters{};
};

Result<TableCount> read_count(Socket& socket, const Cancel* cancel);
Result<std::vector<CpuStats>> read_cpu_stats(Socket& socket, const Cancel* cancel);
// What was counted of expectations.
Result<std::vector<CpuStats>> read_expectation_stats(Socket& socket, const Cancel* cancel);

}  // namespace nf::ct
