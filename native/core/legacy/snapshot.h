// Reads a table. Two socket options give the kernel's blob, and one bounds-checked pass turns it
// into a buffer that needs no native handle. libiptc is not involved: it ends the process on bytes
// that it does not expect, drops without an error what it cannot parse, and costs an allocation per
// rule.
//
// The buffer, in host byte order (TypeScript reads it as it is, src/iptables/snapshot.ts):
//   SnapshotHeader
//   uint32 offsets of the rules, in the order of the chains
//   the kernel's blob, with the standard targets in portable form (entry.h)
//   ChainRecord × chain_count: built-in chains in hook order, then the others by name
//   RuleParts × rule_count: which of the different match lists and targets each rule has
//   SetRecord × set_count: the names of the IP sets that rules refer to
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/legacy/chains.h"
#include "core/legacy/entry.h"
#include "core/legacy/fingerprint.h"
#include "core/legacy/layout.h"
#include "core/memory.h"
#include "core/result.h"

namespace nf::xt {

inline constexpr std::uint32_t kSnapshotMagic = 0x31535458;  // "XTS1"

struct SnapshotHeader {
  std::uint32_t magic;
  std::uint32_t family;  // AF_INET, AF_INET6
  std::uint32_t chain_count;
  std::uint32_t rule_count;
  std::uint32_t chains;      // offset of the chain records
  std::uint32_t rules;       // offset of the rule offsets
  std::uint32_t entries;     // what the kernel counts: rules, policies, chain heads, the end
  std::uint32_t registered;  // 0: no such table in this namespace yet, this is what a new one holds
  Digest fingerprint;
  std::uint32_t sets;  // offset of the set records
  std::uint32_t set_count;
  std::uint32_t size;  // of everything
  std::uint32_t reserved;
  char name[kChainNameSize];
  std::uint32_t parts;        // offset of the rule parts
  std::uint32_t match_lists;  // how many different ones there are
  std::uint32_t targets;
  std::uint32_t not_writable;  // Writable
};
static_assert(sizeof(SnapshotHeader) == 112);

// Whether libiptc would change the meaning of a table if it wrote it back.
enum Writable : std::uint32_t {
  kWritable = 0,
  kNamesake = 1,     // a chain has the name of a target extension that a rule uses
  kBuiltinJump = 2,  // a rule jumps to a built-in chain
};

struct ChainRecord {
  char name[kChainNameSize];
  std::uint32_t hook;    // hook number + 1 of a built-in chain, 0 for any other
  std::uint32_t policy;  // Policy; kPolicyNone for a chain that is not built in
  std::uint32_t first;   // index of its first rule
  std::uint32_t count;
  std::uint32_t references;  // rules that jump or go to it
  std::uint32_t reserved;
  Counters counters;  // of the policy
};
static_assert(sizeof(ChainRecord) == 72);

// Two rules with the same number have the same bytes there. Numbers are given from 0 in the order
// of the rules.
struct RuleParts {
  std::uint32_t matches;
  std::uint32_t target;  // the bytes of the target, and whether it is a goto
};
static_assert(sizeof(RuleParts) == 8);

struct SetRecord {
  std::uint32_t index;
  char name[32];
};
static_assert(sizeof(SetRecord) == 36);

class Snapshot {
 public:
  const SnapshotHeader& header() const {
    return *reinterpret_cast<const SnapshotHeader*>(memory_.data());
  }
  std::uint32_t chain_count() const { return header().chain_count; }
  std::uint32_t rule_count() const { return header().rule_count; }
  const ChainRecord& chain(std::uint32_t index) const {
    return reinterpret_cast<const ChainRecord*>(memory_.data() + header().chains)[index];
  }
  // nullptr when there is no such chain.
  const ChainRecord* find(std::string_view name) const;
  const std::uint8_t* rule(std::uint32_t index) const {
    return memory_.data() + load32(memory_.data() + header().rules + std::size_t{index} * 4);
  }
  const Layout& layout() const { return *layout_; }
  // Not nullptr: why libiptc would change the meaning of this table if it wrote it back.
  const char* not_writable() const;

  // Takes back the snapshot of a registered table from JavaScript: `size` bytes of `memory`. Null,
  // or why it cannot be used. Everything that is read of it later has been checked, its hash too.
  static const char* adopt(const Layout& layout, std::string_view table, Memory memory,
                           std::size_t size, Snapshot& out);

  // The memory, to hand it on; the snapshot is empty afterwards.
  Memory take() { return std::move(memory_); }
  std::size_t size() const { return header().size; }

 private:
  friend class SnapshotReader;
  Memory memory_;
  const Layout* layout_ = nullptr;
};

struct ReadOptions {
  // Registers the table if it is not there (with its hooks; it stays until the namespace ends).
  // Otherwise the snapshot has what a new table would hold.
  bool create = false;
  // Resolves the names of IP sets.
  bool sets = true;
};

// Reads in the network namespace of the calling thread.
Result<Snapshot> read_table(const Layout& layout, const std::string& table,
                            const ReadOptions& options);

// The same for a table that was read elsewhere: `blob` is what the kernel sent for `info`.
Result<Snapshot> parse_table(const Layout& layout, const std::string& table,
                             const ipt_getinfo& info, std::span<const std::uint8_t> blob);

std::string_view chain_name(const char (&name)[kChainNameSize]);

}  // namespace nf::xt
