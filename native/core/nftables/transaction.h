// Changes tables in one transaction. TypeScript has compared each table that it wants with the one
// that it read, and says here what is to be done, step by step (src/iptables/nft/script.ts). Every
// bound is checked before anything is sent.
//
// The script of a table, in host byte order:
//   ScriptHeader, ScriptStep × count, then the bytes that these refer to
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/xtables/image.h"
#include "core/xtables/layout.h"

namespace nf::nft {

inline constexpr std::uint32_t kScriptMagic = 0x3153464e;  // "NFS1"

using xt::Slice;

struct ScriptHeader {
  std::uint32_t magic;
  std::uint32_t family;      // AF_INET, AF_INET6
  std::uint32_t generation;  // the transaction counts only if this is still the present one
  std::uint32_t count;       // of steps
  char table[32];
  Slice chains;  // the names of all chains until the commit, each with its NUL
  std::uint32_t reserved[2];
};
static_assert(sizeof(ScriptHeader) == 64);

enum class StepKind : std::uint32_t {
  kTable = 0,
  kBaseChain = 1,  // `chain` with `policy`, and with counters if it has any
  kChain = 2,
  kRename = 3,  // the chain with `handle` to `name`
  kPolicy = 4,  // what is not given stays
  kDeleteChain = 5,
  kFlush = 6,       // deletes all rules of `chain`
  kDeleteRule = 7,  // the one with `handle`
  // A rule for `chain`, with these counters. Without any, an entry begins at zero, and expressions
  // keep what they have counted.
  kEntry = 8,        // `content` is a portable entry
  kExpressions = 9,  // `content` and `user_data` are what was read of a rule
};

enum class StepPlace : std::uint32_t {
  kAppend = 0,
  kBefore = 1,   // the rule with `handle`
  kReplace = 2,  // the same
  kPrepend = 3,
};

struct ScriptStep {
  std::uint32_t kind;  // StepKind
  std::uint32_t how;   // StepPlace
  std::uint64_t handle;
  Slice chain;
  Slice name;
  Slice content;
  Slice user_data;
  std::uint64_t packet_count;
  std::uint64_t byte_count;
  std::uint32_t policy;  // xt::Policy; kPolicyNone: not given
  std::uint32_t has_counters;
};
static_assert(sizeof(ScriptStep) == 72);

enum class TransactionEnd : std::uint32_t {
  kCommitted = 0,
  kStale = 1,    // the rules of the namespace have changed since; nothing was done
  kRefused = 2,  // nothing was done
};

struct TransactionOutcome {
  static constexpr std::uint32_t kNoStep = 0xffffffff;
  TransactionEnd end = TransactionEnd::kCommitted;
  // Of a refusal: the script and its step, or kNoStep if the whole was refused; errno, and the
  // reason in words.
  std::uint32_t script = 0;
  std::uint32_t step = kNoStep;
  int code = 0;
  std::string text;
};

class Script {
 public:
  // EINVAL if the bytes are no script.
  static Result<Script> parse(std::vector<std::uint8_t> bytes);

  const ScriptHeader& header() const {
    return *reinterpret_cast<const ScriptHeader*>(bytes_.data());
  }
  const xt::Layout& layout() const { return *layout_; }
  std::string table() const;
  const ScriptStep& step(std::uint32_t index) const {
    return reinterpret_cast<const ScriptStep*>(bytes_.data() + sizeof(ScriptHeader))[index];
  }
  std::vector<std::string> chains() const;
  const std::uint8_t* data(const Slice& slice) const { return bytes_.data() + slice.at; }
  std::string_view text(const Slice& slice) const {
    return {reinterpret_cast<const char*>(data(slice)), slice.size};
  }

 private:
  std::vector<std::uint8_t> bytes_;
  const xt::Layout* layout_ = nullptr;
};

// Scripts of different tables, also of both families. All have one generation.
using Scripts = std::span<const Script>;

// Whether every step can be written. Sends nothing. kCommitted: it can.
Result<TransactionOutcome> check_scripts(Scripts scripts);

enum class Purpose : std::uint8_t {
  kCommit,
  kRehearse,  // nothing is changed; kCommitted: the kernel would take every step
};

// Sends the steps of all scripts as one transaction, in the network namespace of the calling
// thread. Needs CAP_NET_ADMIN in it, and nothing else. EINVAL without a script, or if their
// generations differ.
Result<TransactionOutcome> run_scripts(Scripts scripts, Purpose purpose);

}  // namespace nf::nft
