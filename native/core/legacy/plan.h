// The table that an edit wants, as the caller passes it. It has every chain, and for every rule
// either its number in the snapshot or its new bytes. The bounds are checked before anything reads
// it. Knows nothing of libiptc.
//
// The buffer, in host byte order (written by src/iptables/plan.ts):
//   PlanHeader, PlanChain × chain_count, PlanRun × run_count, then the new entries in portable form
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/legacy/snapshot.h"
#include "core/result.h"
#include "core/xtables/layout.h"

namespace nf::xt {

inline constexpr std::uint32_t kPlanMagic = 0x31505458;  // "XTP1"
inline constexpr std::uint32_t kNone = 0xffffffff;

struct PlanHeader {
  std::uint32_t magic;
  std::uint32_t family;
  std::uint32_t chain_count;
  std::uint32_t run_count;
  Digest fingerprint;  // of the snapshot that the edit was made on
  char name[kChainNameSize];
};
static_assert(sizeof(PlanHeader) == 64);

struct PlanChain {
  char name[kChainNameSize];
  std::uint32_t hook;          // as in the snapshot; 0 for a chain that is not built in
  std::uint32_t policy;        // Policy
  std::uint32_t set_counters;  // 1: the policy gets `counters`; 0: it keeps its own
  std::uint32_t first;         // its first run
  std::uint32_t count;         // of runs
  std::uint32_t reserved;
  Counters counters;
};
static_assert(sizeof(PlanChain) == 72);

enum RunKind : std::uint32_t {
  kKeep = 0,        // rules a … a + b - 1 of the snapshot as they are
  kKeepZeroed = 1,  // the same with their counters set back to zero
  kEntry = 2,       // one new entry: b bytes at offset a; counters of snapshot rule c, or its own
};

struct PlanRun {
  std::uint32_t kind;
  std::uint32_t a;
  std::uint32_t b;
  std::uint32_t c;
};
static_assert(sizeof(PlanRun) == 16);

// One rule of the wanted table.
struct PlanRule {
  std::uint32_t base = kNone;           // the snapshot's rule that it is
  bool zeroed = false;                  // for a kept rule
  const std::uint8_t* bytes = nullptr;  // for a new rule
  std::uint32_t counters_of = kNone;    // the snapshot's rule whose counters a new rule takes over
};

class Plan {
 public:
  // Checks everything that does not depend on the snapshot.
  static Result<Plan> parse(std::vector<std::uint8_t> bytes);

  const PlanHeader& header() const { return *reinterpret_cast<const PlanHeader*>(bytes_.data()); }
  const Layout& layout() const { return *layout_; }
  std::string table() const { return std::string(chain_name(header().name)); }
  std::uint32_t chain_count() const { return header().chain_count; }
  const PlanChain& chain(std::uint32_t index) const {
    return reinterpret_cast<const PlanChain*>(bytes_.data() + sizeof(PlanHeader))[index];
  }
  // The rules that a chain must have.
  std::vector<PlanRule> rules(const PlanChain& chain) const;
  // True when the chain keeps `count` rules from `first` on and nothing else.
  bool keeps(const PlanChain& chain, std::uint32_t first, std::uint32_t count) const;
  // Checks the references to the snapshot, and that the two fit. An Error is the caller's mistake.
  Result<void> check(const Snapshot& base) const;

 private:
  const PlanRun& run(std::uint32_t index) const {
    return reinterpret_cast<const PlanRun*>(bytes_.data() + runs_)[index];
  }

  std::vector<std::uint8_t> bytes_;
  const Layout* layout_ = nullptr;
  std::size_t runs_ = 0;
};

}  // namespace nf::xt
