// A table as one buffer that needs no native handle. Both backends make it, and TypeScript reads it
// as it is (src/iptables/xtables/image.ts). Rules are entries in portable form, whichever backend
// they come from: so both have the same typed rules, and the same text.
//
// The buffer, in host byte order:
//   ImageHeader
//   uint32 offsets of the rules, in the order of the chains
//   the entries (entry.h)
//   ChainRecord × chain_count: built-in chains in hook order, then the others by name
//   RuleParts × rule_count: which of the different match lists and targets each rule has
//   SetRecord × set_count: the names of the IP sets that rules refer to
//   what only one of the backends has
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/memory.h"
#include "core/result.h"
#include "core/xtables/fingerprint.h"
#include "core/xtables/layout.h"

namespace nf::xt {

inline constexpr std::uint32_t kImageMagic = 0x31535458;  // "XTS1"

struct ImageHeader {
  std::uint32_t magic;
  std::uint32_t family;  // AF_INET, AF_INET6
  std::uint32_t chain_count;
  std::uint32_t rule_count;
  std::uint32_t chains;   // offset of the chain records
  std::uint32_t rules;    // offset of the rule offsets
  std::uint32_t entries;  // legacy: what the kernel counts: rules, policies, chain heads, the end
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
  std::uint32_t not_writable;  // legacy: Writable
  std::uint32_t own;           // offset of what only the backend has; 0: nothing
  std::uint32_t padding;
};
static_assert(sizeof(ImageHeader) == 120);

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
  std::uint32_t references;  // rules that jump or go to it, of those that were read
  std::uint32_t presence;    // Presence
  Counters counters;         // of the policy
};
static_assert(sizeof(ChainRecord) == 72);

// Two rules with the same number have the same bytes there. Numbers are given from 0 in the order
// of the rules.
struct RuleParts {
  std::uint32_t matches;
  std::uint32_t target;  // the bytes of the target, and whether it is a goto
};
static_assert(sizeof(RuleParts) == 8);

// nf_tables: what is known of a chain. A legacy chain is always present.
enum class Presence : std::uint32_t {
  kPresent = 0,
  kAbsent = 1,  // there is no such base chain yet
  kUnread = 2,  // its rules were not read, nor were all that lead to it
};

// A range of bytes of a buffer.
struct Slice {
  std::uint32_t at;
  std::uint32_t size;
};
static_assert(sizeof(Slice) == 8);

struct SetRecord {
  std::uint32_t index;
  char name[32];
};
static_assert(sizeof(SetRecord) == 36);

enum Policy : std::uint32_t { kPolicyNone = 0, kPolicyAccept = 1, kPolicyDrop = 2 };

inline constexpr const char* kHookNames[NF_INET_NUMHOOKS] = {"PREROUTING", "INPUT", "FORWARD",
                                                             "OUTPUT", "POSTROUTING"};

constexpr std::size_t align8(std::size_t size) { return (size + 7) & ~std::size_t{7}; }

inline std::string_view chain_name(const char (&name)[kChainNameSize]) {
  return {name, ::strnlen(name, kChainNameSize)};
}
inline void set_name(char (&out)[kChainNameSize], std::string_view name) {
  std::memset(out, 0, sizeof out);
  std::memcpy(out, name.data(), std::min(name.size(), sizeof out - 1));
}

// A chain of a table that is being read.
struct ImageChain {
  char label[kChainNameSize] = {};  // a copy: what was read may move in memory
  std::uint32_t hook = 0;           // hook number + 1 of a built-in chain, 0 of any other
  std::uint32_t policy = kPolicyNone;
  std::uint32_t first = 0;  // its first rule, in the order in which they were read
  std::uint32_t count = 0;
  std::uint32_t references = 0;
  Presence presence = Presence::kPresent;
  Counters counters;

  std::string_view name() const { return chain_name(label); }
};

// Sorts chains as iptables-save does: built-in ones by their hooks, then the others by name.
template <typename Chain>
void sort_chains(std::vector<Chain>& chains) {
  std::stable_sort(chains.begin(), chains.end(), [](const Chain& a, const Chain& b) {
    if ((a.hook == 0) != (b.hook == 0)) return a.hook != 0;
    return a.hook != 0 ? a.hook < b.hook : a.name() < b.name();
  });
}

class Parts;

// Writes everything but the entries, which are in the memory already. The order of calls: begin;
// for each chain begin_chain and add_rule for each of its rules; add_record for each chain; finish.
class ImageWriter {
 public:
  // Header and offsets have their room before the entries.
  ImageWriter(const Layout& layout, Memory& memory);
  ~ImageWriter();

  // Whether to resolve the names of IP sets.
  void with_sets(bool wanted) { with_sets_ = wanted; }

  struct Room {
    std::size_t entries_end;
    std::size_t chains;
    std::size_t rules;
  };
  // False if there is no memory.
  bool begin(const Room& room);
  void begin_chain(const ImageChain& chain);
  // The entry at this offset of the memory. `more` (may be null) is content that the entry lacks.
  void add_rule(std::size_t at, const Digest* more = nullptr);
  void add_record(const ImageChain& chain);
  // The header of the image. The caller adds what only its backend knows, and writes it. `own`
  // bytes are free at the offset that `header.own` tells.
  Result<ImageHeader> finish(const std::string& table, std::size_t own = 0);

 private:
  Result<std::vector<SetRecord>> name_sets();

  const Layout& layout_;
  Memory& memory_;
  std::unique_ptr<Parts> parts_;
  Fingerprint hash_;
  std::vector<std::uint16_t> set_indexes_;
  bool with_sets_ = true;
  std::size_t chains_ = 0;   // offset of the next chain record
  std::size_t numbers_ = 0;  // offset of the rule parts
  std::size_t end_ = 0;
  std::uint32_t chain_count_ = 0;
  std::uint32_t rule_count_ = 0;
  std::uint32_t first_ = 0;  // the first rule of the next chain record
};

// An error of reading a table: the operation is "iptables read filter".
Error read_error(const Layout& layout, const std::string& table, int code, std::string detail = {});

}  // namespace nf::xt
