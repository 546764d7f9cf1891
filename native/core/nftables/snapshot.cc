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
#include "core/nftables/expressions.h"
#include "core/nftables/objects.h"
#include "core/nftables/read_rule.h"
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
};

// A rule as it was read.
struct ReadRule {
  std::uint64_t handle = 0;
  std::size_t entry = 0;  // offset in the entries
  Reading reading = Reading::kExact;
  xt::Digest content{};
  // Offsets in the bytes.
  Slice expressions{}, user_data{}, note{};
};

struct ReadChain : xt::ImageChain {
  std::uint64_t handle = 0;
  std::uint32_t use = 0;             // its rules, and those that lead to it
  std::vector<std::uint32_t> rules;  // in their order
};

class TableReader {
 public:
  TableReader(const xt::Layout& layout, const std::string& table, const BuiltinTable& builtin)
      : layout_(layout),
        table_(table),
        builtin_(builtin),
        family_(static_cast<std::uint8_t>(layout.family)),
        is_chain_([this](std::string_view name) { return by_name_.contains(std::string(name)); }) {}

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
    for (const ReadRule& rule : rules_) {
      if (rule.reading != Reading::kForeign) refer(rule.entry);
    }
    const std::size_t blob = xt::align8(sizeof(xt::ImageHeader) + rules_.size() * 4);
    NftImage image;
    if (!image.memory.resize(blob + entries_.size())) return no_memory();
    if (!entries_.empty()) {
      std::memcpy(image.memory.data() + blob, entries_.data(), entries_.size());
    }
    xt::ImageWriter writer(layout_, image.memory);
    if (!writer.begin({blob + entries_.size(), chains_.size(), rules_.size()})) return no_memory();
    std::vector<NftRule> records;
    records.reserve(rules_.size());
    for (const ReadChain& chain : chains_) {
      writer.begin_chain(chain);
      for (const std::uint32_t index : chain.rules) {
        const ReadRule& rule = rules_[index];
        const bool exact = rule.reading == Reading::kExact;
        writer.add_rule(blob + rule.entry, exact ? nullptr : &rule.content);
        NftRule record{};
        record.content[0] = rule.content[0];
        record.content[1] = rule.content[1];
        record.handle = rule.handle;
        record.expressions = rule.expressions;
        record.user_data = rule.user_data;
        record.note = rule.note;
        record.reading = static_cast<std::uint32_t>(rule.reading);
        records.push_back(record);
      }
    }
    for (const ReadChain& chain : chains_) writer.add_record(chain);
    return finish(image, writer, std::move(records));
  }

 private:
  Error no_memory() const { return xt::read_error(layout_, table_, ENOMEM); }

  Result<void> read_table_and_chains(Reader& reader) {
    auto tables = reader.each<Table>(
        family_, [this] { registered_ = false; },
        [this](const Table& table) { registered_ = registered_ || table.name == table_; });
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
    const BuiltinChain* builtin = builtin_.find(chain.name);
    const bool fits =
        builtin != nullptr
            ? chain.hook &&
                  builtin_.has(chain.name, chain.type, chain.hook->number, chain.hook->priority)
            : !chain.hook && !chain.name.empty() && chain.name.size() <= xt::kMaxChainName;
    if (!fits) {
      if (foreign_by_name_.contains(std::string(chain.name))) return;
      ForeignChain foreign;
      foreign.name = chain.name;
      foreign.type = chain.type;
      foreign.hook = chain.hook ? chain.hook->number + 1 : 0;
      foreign.priority = chain.hook ? chain.hook->priority : 0;
      foreign.use = chain.use;
      foreign_by_name_[foreign.name] = foreign_.size();
      foreign_.push_back(std::move(foreign));
      return;
    }
    ReadChain read;
    xt::set_name(read.label, chain.name);
    read.handle = chain.handle;
    read.use = chain.use;
    if (builtin != nullptr) {
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
      read.absent = true;
      chains_.push_back(std::move(read));
    }
  }

  Result<void> read_rules(Reader& reader) {
    rules_.clear();
    entries_.clear();
    bytes_.clear();
    for (ReadChain& chain : chains_) {
      if (auto done = read_chain(reader, chain); !done) return done;
    }
    for (ForeignChain& chain : foreign_) {
      if (chain.use == 0) continue;
      auto done = reader.each_rule(
          family_, table_, chain.name, [&] { chain.rules = 0; },
          [&](const Rule&) { chain.rules++; });
      if (!done) return done;
    }
    return {};
  }

  Result<void> read_chain(Reader& reader, ReadChain& chain) {
    const std::size_t rules = rules_.size();
    const std::size_t entries = entries_.size();
    const std::size_t bytes = bytes_.size();
    const auto restart = [&] {
      rules_.resize(rules);
      entries_.resize(entries);
      bytes_.resize(bytes);
      chain.rules.clear();
      chain.count = 0;
    };
    if (chain.use == 0) return {};
    return reader.each_rule(family_, table_, chain.name(), restart,
                            [&](const Rule& rule) { add_rule(chain, rule); });
  }

  void add_rule(ReadChain& chain, const Rule& rule) {
    ReadRule read;
    read.handle = rule.handle;
    read.entry = entries_.size();
    RuleReading reading = read_rule(layout_, rule, is_chain_, entries_);
    read.reading = reading.reading;
    read.expressions = keep(rule.expressions.list());
    read.user_data = keep(rule.user_data);
    read.note = keep(std::string_view(reading.note));
    if (reading.reading != Reading::kExact) read.content = content_of(rule.expressions);
    chain.rules.push_back(static_cast<std::uint32_t>(rules_.size()));
    chain.count++;
    rules_.push_back(read);
  }

  // Counts the jump of an entry.
  void refer(std::size_t entry) {
    const std::uint8_t* bytes = entries_.data() + entry;
    const std::uint8_t* target = bytes + xt::load16(bytes + layout_.target_offset);
    if (xt::load16(target) != xt::kStandardSize || target[31] != 0) return;
    const auto* text = reinterpret_cast<const char*>(target + 2);
    const auto found = by_name_.find(std::string(text, ::strnlen(text, xt::kNameSize)));
    if (found != by_name_.end()) chains_[found->second].references++;
  }

  Slice keep(Bytes bytes) {
    const Slice slice{static_cast<std::uint32_t>(bytes_.size()),
                      static_cast<std::uint32_t>(bytes.size())};
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    bytes_.resize((bytes_.size() + 3) & ~std::size_t{3});
    return slice;
  }
  Slice keep(std::string_view text) {
    return keep(Bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  }

  // The expressions of a rule, without what they have counted.
  static xt::Digest content_of(const Expressions& expressions) {
    xt::Fingerprint hash;
    expressions.each([&](const Expression& expression) {
      hash.add(expression.name.data(), expression.name.size());
      if (!expression.data || expression.name == "counter" || expression.name == "last") return;
      if (expression.name != "quota") {
        hash.add(expression.data->data, expression.data->size);
        return;
      }
      AttributeCursor attributes(*expression.data);
      for (Attribute a; attributes.next(a);) {
        if (a.type == NFTA_QUOTA_CONSUMED) continue;
        hash.add(a.type);
        hash.add(a.data, a.size);
      }
    });
    return hash.digest();
  }

  Result<NftImage> finish(NftImage& image, xt::ImageWriter& writer, std::vector<NftRule> records) {
    std::vector<NftForeignChain> foreign;
    for (const ForeignChain& chain : foreign_) {
      NftForeignChain record{};
      record.name = keep(chain.name);
      record.type = keep(chain.type);
      record.hook = chain.hook;
      record.priority = chain.priority;
      record.rules = chain.rules;
      foreign.push_back(record);
    }
    const std::size_t rules_size = records.size() * sizeof(NftRule);
    const std::size_t foreign_size = foreign.size() * sizeof(NftForeignChain);
    const std::size_t handles_size = chains_.size() * sizeof(std::uint64_t);
    auto header = writer.finish(
        table_, sizeof(NftHeader) + rules_size + handles_size + foreign_size + bytes_.size());
    if (!header) return header.error();
    header->registered = registered_ ? 1 : 0;
    std::memcpy(image.memory.data(), &*header, sizeof *header);

    NftHeader own{};
    own.generation = generation_;
    own.foreign_count = static_cast<std::uint32_t>(foreign.size());
    own.rules = static_cast<std::uint32_t>(header->own + sizeof own);
    own.handles = static_cast<std::uint32_t>(own.rules + rules_size);
    own.foreign_chains = static_cast<std::uint32_t>(own.handles + handles_size);
    const auto bytes = static_cast<std::uint32_t>(own.foreign_chains + foreign_size);
    for (NftRule& rule : records) {
      rule.expressions.at += bytes;
      rule.user_data.at += bytes;
      rule.note.at += bytes;
    }
    for (NftForeignChain& chain : foreign) {
      chain.name.at += bytes;
      chain.type.at += bytes;
    }
    std::uint8_t* memory = image.memory.data();
    std::memcpy(memory + header->own, &own, sizeof own);
    if (rules_size > 0) std::memcpy(memory + own.rules, records.data(), rules_size);
    for (std::size_t i = 0; i < chains_.size(); i++) {
      xt::store64(memory + own.handles + i * sizeof(std::uint64_t), chains_[i].handle);
    }
    if (foreign_size > 0) std::memcpy(memory + own.foreign_chains, foreign.data(), foreign_size);
    if (!bytes_.empty()) std::memcpy(memory + bytes, bytes_.data(), bytes_.size());
    image.size = header->size;
    return std::move(image);
  }

  const xt::Layout& layout_;
  const std::string& table_;
  const BuiltinTable& builtin_;
  const std::uint8_t family_;
  const IsChain is_chain_;
  std::uint32_t generation_ = 0;
  bool registered_ = false;
  std::vector<ReadChain> chains_;
  std::unordered_map<std::string, std::size_t> by_name_;
  std::vector<ForeignChain> foreign_;
  std::unordered_map<std::string, std::size_t> foreign_by_name_;
  std::vector<ReadRule> rules_;
  std::vector<std::uint8_t> entries_;
  std::vector<std::uint8_t> bytes_;
};

// The operation is that of the table, and the kind of error that of iptables.
Error told(Error error, const xt::Layout& layout, const std::string& table) {
  if (error.kind == ErrorKind::kCancelled) return error;
  std::string detail = is_absent(error) ? "the kernel has no nf_tables" : std::move(error.detail);
  return xt::read_error(layout, table, error.code, std::move(detail));
}

}  // namespace

Result<NftImage> read_table(const xt::Layout& layout, const std::string& table,
                            const Cancel* cancel) {
  const BuiltinTable* builtin = builtin_table(table);
  if (builtin == nullptr) {
    return xt::read_error(layout, table, ENOENT, "iptables has no such table in nf_tables");
  }
  auto socket = Socket::open(operation::kRead);
  if (!socket) return told(socket.error(), layout, table);
  TableReader attempt(layout, table, *builtin);
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
