// Reading a table of nf_tables into one buffer.
#include "core/nftables/snapshot.h"

#include <errno.h>
#include <linux/netfilter.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/netlink/socket.h"
#include "core/nftables/batch.h"
#include "core/nftables/builtin.h"
#include "core/nftables/objects.h"
#include "core/nftables/rule_list.h"
#include "core/operation.h"

namespace nf::nft {
namespace {

// Every commit of anybody in the namespace makes a reading worthless, and a large table takes long.
constexpr int kAttempts = 64;

struct ForeignChain {
  std::string name;
  std::string type;
  std::uint32_t hook = 0;
  std::int32_t priority = 0;
  std::uint32_t use = 0;
  std::uint32_t rules = 0;
  std::uint64_t handle = 0;
};

struct ReadChain : xt::ImageChain {
  std::uint64_t handle = 0;
  // About the number of its rules and of those that lead to it. A transaction that is not committed
  // yet, and perhaps never is, counts already: so 0 does not mean that there are none.
  std::uint32_t use = 0;
  std::vector<std::uint32_t> rules;  // in their order
};

class TableReader {
 public:
  TableReader(const xt::Layout& layout, const std::string& table, const BuiltinTable& builtin,
              const std::optional<RulesWanted>& wanted)
      : layout_(layout),
        table_(table),
        builtin_(builtin),
        wanted_(wanted),
        family_(static_cast<std::uint8_t>(layout.family)),
        is_chain_([this](std::string_view name) { return by_name_.contains(std::string(name)); }),
        rules_(layout) {}

  // One attempt. False if there was a commit meanwhile.
  Result<bool> read(Socket& socket, const Cancel* cancel) {
    Reader reader(socket, cancel, operation::kRead);
    auto before = read_generation(socket, cancel, operation::kRead);
    if (!before) return before.error();
    generation_ = *before;
    if (auto done = read_table_and_chains(reader); !done) return done.error();
    if (auto done = read_rules(reader); !done) return done.error();
    auto after = read_generation(socket, cancel, operation::kRead);
    if (!after) return after.error();
    return *after == generation_;
  }

  Result<NftImage> image() {
    count_references();
    NftImage image;
    if (!rules_.begin(image.memory, rules_.count())) return no_memory();
    xt::ImageWriter writer(layout_, image.memory);
    if (!writer.begin({rules_.entries_end(), chains_.size(), rules_.count()})) return no_memory();
    for (const ReadChain& chain : chains_) {
      writer.begin_chain(chain);
      for (const std::uint32_t index : chain.rules) rules_.write(writer, index);
    }
    for (const ReadChain& chain : chains_) writer.add_record(chain);
    return finish(image, writer);
  }

 private:
  Error no_memory() const { return xt::read_error(layout_, table_, ENOMEM); }

  Result<void> read_table_and_chains(Reader& reader) {
    auto tables = reader.each<Table>(
        family_, [this] { registered_ = false; },
        [this](const Table& table) {
          if (table.name != table_) return;
          registered_ = true;
          table_handle_ = table.handle;
        });
    if (!tables) return tables.error();
    if (registered_) {
      auto chains = reader.each<Chain>(
          family_, [this] { clear_chains(); },
          [this](const Chain& chain) {
            if (chain.table == table_) add_chain(chain);
          });
      if (!chains) return chains.error();
    } else {
      clear_chains();
    }
    add_absent_chains();
    xt::sort_chains(chains_);
    // A list that changes while it is read can have a chain twice.
    const auto twice = [](const ReadChain& a, const ReadChain& b) { return a.name() == b.name(); };
    chains_.erase(std::unique(chains_.begin(), chains_.end(), twice), chains_.end());
    for (std::size_t i = 0; i < chains_.size(); i++) by_name_[std::string(chains_[i].name())] = i;
    return {};
  }

  void clear_chains() {
    chains_.clear();
    by_name_.clear();
    foreign_.clear();
    foreign_by_name_.clear();
  }

  void add_chain(const Chain& chain) {
    if (!is_iptables_chain(builtin_, chain)) {
      if (foreign_by_name_.contains(std::string(chain.name))) return;
      ForeignChain foreign;
      foreign.name = chain.name;
      foreign.type = chain.type;
      foreign.hook = chain.hook ? chain.hook->number + 1 : 0;
      foreign.priority = chain.hook ? chain.hook->priority : 0;
      foreign.use = chain.use;
      foreign.handle = chain.handle;
      foreign_by_name_[foreign.name] = foreign_.size();
      foreign_.push_back(std::move(foreign));
      return;
    }
    ReadChain read;
    xt::set_name(read.label, chain.name);
    read.handle = chain.handle;
    read.use = chain.use;
    if (const BuiltinChain* builtin = builtin_.find(chain.name); builtin != nullptr) {
      read.hook = builtin->hook + 1;
      read.policy = chain.policy == NF_DROP ? xt::kPolicyDrop : xt::kPolicyAccept;
      read.counters = {chain.packets, chain.bytes};
    }
    chains_.push_back(std::move(read));
  }

  // Base chains come into being with their first rule. Until then they are there for iptables, and
  // accept everything.
  void add_absent_chains() {
    for (const BuiltinChain& builtin : builtin_.chains) {
      const bool there = std::any_of(chains_.begin(), chains_.end(), [&](const ReadChain& chain) {
        return chain.name() == builtin.name();
      });
      if (there || foreign_by_name_.contains(std::string(builtin.name()))) continue;
      ReadChain read;
      xt::set_name(read.label, builtin.name());
      read.hook = builtin.hook + 1;
      read.policy = xt::kPolicyAccept;
      read.presence = xt::Presence::kAbsent;
      chains_.push_back(std::move(read));
    }
  }

  Result<void> read_rules(Reader& reader) {
    rules_.clear();
    leave_unwanted();
    // Rules that lead to a chain are counted twice.
    std::size_t uses = 0;
    for (const ReadChain& chain : chains_) {
      if (chain.presence != xt::Presence::kUnread) uses += chain.use;
    }
    rules_.reserve(uses);
    for (ReadChain& chain : chains_) {
      if (chain.presence == xt::Presence::kUnread) continue;
      if (auto done = read_chain(reader, chain); !done) return done;
    }
    // They are left alone. So only a reading of all tells how many rules they have.
    for (ForeignChain& chain : foreign_) {
      if (wanted_) continue;
      auto done = reader.each_rule(
          family_, table_, chain.name, [&] { chain.rules = 0; },
          [&](const Rule&) { chain.rules++; });
      if (!done) return done;
    }
    return {};
  }

  // Marks the chains whose rules nobody wants.
  void leave_unwanted() {
    if (!wanted_) return;
    std::size_t uses = 0;
    for (const ReadChain& chain : chains_) uses += chain.use;
    if (uses <= wanted_->few) return;
    for (ReadChain& chain : chains_) {
      const bool wanted = wanted_->chains.contains(std::string(chain.name()));
      if (!wanted && chain.presence == xt::Presence::kPresent) {
        chain.presence = xt::Presence::kUnread;
      }
    }
  }

  Result<void> read_chain(Reader& reader, ReadChain& chain) {
    const std::size_t first = rules_.count();
    const auto restart = [&] {
      rules_.truncate(first);
      chain.rules.clear();
      chain.count = 0;
    };
    if (chain.presence == xt::Presence::kAbsent) return {};
    return reader.each_rule(family_, table_, chain.name(), restart, [&](const Rule& rule) {
      chain.rules.push_back(rules_.add(rule, is_chain_));
      chain.count++;
    });
  }

  void count_references() {
    for (std::uint32_t index = 0; index < rules_.count(); index++) {
      const auto leads = by_name_.find(std::string(rules_.leads_to(index)));
      if (leads != by_name_.end()) chains_[leads->second].references++;
    }
  }

  Result<NftImage> finish(NftImage& image, xt::ImageWriter& writer) {
    std::vector<NftForeignChain> foreign;
    for (const ForeignChain& chain : foreign_) {
      NftForeignChain record{};
      record.name = rules_.keep(std::string_view(chain.name));
      record.type = rules_.keep(std::string_view(chain.type));
      record.hook = chain.hook;
      record.priority = chain.priority;
      record.rules = chain.rules;
      record.handle = chain.handle;
      foreign.push_back(record);
    }
    const std::size_t rules_size = rules_.count() * sizeof(NftRule);
    const auto tail = rules_.tail();
    const std::size_t foreign_size = foreign.size() * sizeof(NftForeignChain);
    const std::size_t handles_size = chains_.size() * sizeof(std::uint64_t);
    auto header = writer.finish(
        table_, sizeof(NftHeader) + rules_size + handles_size + foreign_size + tail.size());
    if (!header) return header.error();
    header->registered = registered_ ? 1 : 0;
    std::memcpy(image.memory.data(), &*header, sizeof *header);

    NftHeader own{};
    own.generation = generation_;
    own.table = table_handle_;
    own.foreign_count = static_cast<std::uint32_t>(foreign.size());
    own.rules = static_cast<std::uint32_t>(header->own + sizeof own);
    own.handles = static_cast<std::uint32_t>(own.rules + rules_size);
    own.foreign_chains = static_cast<std::uint32_t>(own.handles + handles_size);
    const auto bytes = static_cast<std::uint32_t>(own.foreign_chains + foreign_size);
    for (NftForeignChain& chain : foreign) {
      chain.name.at += bytes;
      chain.type.at += bytes;
    }
    std::uint8_t* memory = image.memory.data();
    std::memcpy(memory + header->own, &own, sizeof own);
    rules_.write_records(memory + own.rules, bytes);
    for (std::size_t i = 0; i < chains_.size(); i++) {
      xt::store64(memory + own.handles + i * sizeof(std::uint64_t), chains_[i].handle);
    }
    if (foreign_size > 0) std::memcpy(memory + own.foreign_chains, foreign.data(), foreign_size);
    if (!tail.empty()) std::memcpy(memory + bytes, tail.data(), tail.size());
    image.size = header->size;
    return std::move(image);
  }

  const xt::Layout& layout_;
  const std::string& table_;
  const BuiltinTable& builtin_;
  const std::optional<RulesWanted>& wanted_;
  const std::uint8_t family_;
  const IsChain is_chain_;
  std::uint32_t generation_ = 0;
  bool registered_ = false;
  std::uint64_t table_handle_ = 0;
  std::vector<ReadChain> chains_;
  std::unordered_map<std::string, std::size_t> by_name_;
  std::vector<ForeignChain> foreign_;
  std::unordered_map<std::string, std::size_t> foreign_by_name_;
  RuleList rules_;
};

// The operation is that of the table, and the kind of error that of iptables.
Error told(Error error, const xt::Layout& layout, const std::string& table) {
  if (error.kind == ErrorKind::kCancelled) return error;
  std::string detail = is_absent(error) ? "the kernel has no nf_tables" : std::move(error.detail);
  return xt::read_error(layout, table, error.code, std::move(detail));
}

}  // namespace

bool is_iptables_chain(const BuiltinTable& builtin, const Chain& chain) {
  if (builtin.find(chain.name) == nullptr) {
    return !chain.hook && !chain.name.empty() && chain.name.size() <= xt::kMaxChainName;
  }
  return chain.hook &&
         builtin.has(chain.name, chain.type, chain.hook->number, chain.hook->priority);
}

Result<NftImage> read_table(const xt::Layout& layout, const std::string& table,
                            const Cancel* cancel, const std::optional<RulesWanted>& wanted) {
  const BuiltinTable* builtin = builtin_table(table);
  if (builtin == nullptr) {
    return xt::read_error(layout, table, ENOENT, "iptables has no such table in nf_tables");
  }
  auto socket = Socket::open(operation::kRead);
  if (!socket) return told(socket.error(), layout, table);
  TableReader attempt(layout, table, *builtin, wanted);
  for (int i = 0; i < kAttempts; i++) {
    auto steady = attempt.read(*socket, cancel);
    // A list that changes while it is read gives this too.
    if (!steady && steady.error().code != EAGAIN) return told(steady.error(), layout, table);
    if (steady && *steady) return attempt.image();
  }
  return xt::read_error(layout, table, EAGAIN, "the rules change all the time");
}

Result<std::vector<std::string>> existing_tables(const xt::Layout& layout, const Cancel* cancel) {
  std::vector<std::string> names;
  auto socket = Socket::open(operation::kTables);
  if (!socket) return socket.error();
  Reader reader(*socket, cancel, operation::kTables);
  auto tables = reader.each<Table>(
      static_cast<std::uint8_t>(layout.family), [&] { names.clear(); },
      [&](const Table& table) {
        if (builtin_table(table.name) != nullptr) names.emplace_back(table.name);
      });
  if (!tables && !is_absent(tables.error())) return tables.error();
  return names;
}

}  // namespace nf::nft
