// The messages of nf_tables' multicast group, gathered to commits: for each table of iptables that
// a commit touched, one buffer with what happened and with the rules that it is about. Keeps no
// rules from one commit to the next. Knows no socket.
//
// The buffer is an image (snapshot.h) without chains. Its rules are those of the messages, in their
// order. Between the records of the rules and the bytes it has NftEvent × event_count.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/netlink/socket.h"
#include "core/nftables/builtin.h"
#include "core/nftables/rule_list.h"
#include "core/nftables/snapshot.h"
#include "core/xtables/layout.h"

namespace nf::nft {

enum class NftEventKind : std::uint32_t {
  kTableAdded = 0,
  kTableDeleted = 1,
  kChainSet = 2,  // it is new, or its policy or its name is
  kChainDeleted = 3,
  kRuleAdded = 4,
  kRuleDeleted = 5,
};

// Bits of NftEvent::flags.
inline constexpr std::uint32_t kNftEventAppends = 1;  // NLM_F_APPEND: also when a rule is replaced
inline constexpr std::uint32_t kNftEventForeign = 2;  // iptables did not make the chain
inline constexpr std::uint32_t kNftEventDrops = 4;    // the policy of the chain is drop
inline constexpr std::uint32_t kNftEventHasRule = 8;  // the message had the expressions of the rule

struct NftEvent {
  std::uint64_t handle;  // of the rule or chain
  std::uint64_t before;  // the handle of the rule before the new one; 0: not told
  Slice chain;           // name
  Slice type;            // of a base chain
  std::uint32_t kind;    // NftEventKind
  std::uint32_t rule;    // index of the rule in the image
  std::uint32_t hook;    // hook number + 1 of a base chain, 0 of any other
  std::int32_t priority;
  std::uint32_t flags;
  std::uint32_t reserved;
};
static_assert(sizeof(NftEvent) == 56);

// The thread that sent a commit, as the kernel numbers it outside of all pid namespaces.
struct CommitProcess {
  std::uint32_t pid = 0;
  std::string name;
};

struct Commit {
  bool lost = false;  // commits, or a part of one, are missing here; nothing else counts then
  std::uint32_t generation = 0;
  std::optional<CommitProcess> process;
  std::vector<NftImage> images;  // one for each table

  std::size_t bytes() const {
    std::size_t sum = sizeof *this;
    for (const NftImage& image : images) sum += image.size;
    return sum;
  }
};

class CommitReader {
 public:
  // A commit with larger buffers counts as lost: reading the tables again costs no more.
  static constexpr std::size_t kMostBytes = std::size_t{32} << 20;

  CommitReader(const xt::Layout& layout, const std::vector<const BuiltinTable*>& tables);

  // The next message. True if it ended a commit that is to be taken.
  bool add(const MessageView& message);
  // Messages are missing from here on, until the end of the commit that is next.
  void lose();
  Commit take() { return std::move(ended_); }

 private:
  struct TableEvents {
    const BuiltinTable* builtin;
    RuleList rules;
    std::vector<NftEvent> events;
  };

  bool add_event(std::uint16_t verb, std::uint16_t flags, AttributeCursor attributes);
  bool add_table(NftEventKind kind, AttributeCursor attributes);
  bool add_chain(NftEventKind kind, AttributeCursor attributes);
  bool add_rule(NftEventKind kind, std::uint16_t flags, AttributeCursor attributes);
  bool end(AttributeCursor attributes);
  bool follows(std::uint32_t generation) const;
  TableEvents* events_of(std::string_view table);
  bool write(TableEvents& table, std::uint32_t generation);
  void clear();

  const xt::Layout& layout_;
  std::vector<TableEvents> tables_;
  std::optional<std::uint32_t> last_;  // the generation of the last commit
  bool lost_ = false;
  Commit ended_;
};

}  // namespace nf::nft
