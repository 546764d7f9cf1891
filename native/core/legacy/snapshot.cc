// Reading a table into one buffer.
#include "core/legacy/snapshot.h"

#include <errno.h>
#include <sys/mman.h>

#include <algorithm>

#include "core/legacy/chains.h"
#include "core/legacy/fetch.h"
#include "core/legacy/jumps.h"
#include "core/legacy/registered.h"
#include "core/memory.h"

namespace nf::xt {
namespace {

// From this size on, the two megabytes that huge pages may waste are little.
constexpr std::uint32_t kLargeTable = 4U << 20;

// The hooks of the kernel's own tables: they say what a table would hold if it were registered.
struct KnownTable {
  std::string_view name;
  std::uint32_t hooks;  // bit per hook number
};
constexpr std::uint32_t kPrerouting = 1, kInput = 2, kForward = 4, kOutput = 8, kPostrouting = 16;
constexpr KnownTable kKnownTables[] = {
    {"filter", kInput | kForward | kOutput},
    {"nat", kPrerouting | kInput | kOutput | kPostrouting},
    {"mangle", kPrerouting | kInput | kForward | kOutput | kPostrouting},
    {"raw", kPrerouting | kOutput},
    {"security", kInput | kForward | kOutput},
};

}  // namespace

const ChainRecord* Snapshot::find(std::string_view name) const {
  for (std::uint32_t i = 0; i < chain_count(); i++) {
    if (chain_name(chain(i).name) == name) return &chain(i);
  }
  return nullptr;
}

// Turns the blob into the buffer of snapshot.h. One use each.
class SnapshotReader {
 public:
  SnapshotReader(const Layout& layout, const std::string& table) : layout_(layout), table_(table) {}

  Result<Snapshot> read(const ReadOptions& options) {
    if (auto fetched = fetch(); !fetched) return fetched.error();
    return parse(options);
  }

  Result<Snapshot> take(const ipt_getinfo& info, std::span<const std::uint8_t> blob) {
    info_ = info;
    if (blob.size() != info.size)
      return read_error(layout_, table_, EINVAL, "not what the kernel sent");
    if (!is_plausible(layout_, info)) return broken(kTooManyEntries);
    if (!make_room(info)) return read_error(layout_, table_, ENOMEM);
    if (!blob.empty()) std::memcpy(this->blob(), blob.data(), blob.size());
    ReadOptions options;
    options.sets = false;
    return parse(options);
  }

  Result<Snapshot> parse(const ReadOptions& options) {
    if (auto done = split(); !done) return done.error();
    sort_chains(chains_);
    for (std::size_t i = 1; i < chains_.size(); i++) {
      if (chains_[i].name() == chains_[i - 1].name()) {
        // Older tools made this of two names that share their first 29 bytes.
        return broken("two chains have the same name");
      }
    }
    return finish(options, true);
  }

  Result<Snapshot> read_unregistered() {
    const auto* known = std::find_if(std::begin(kKnownTables), std::end(kKnownTables),
                                     [&](const KnownTable& one) { return one.name == table_; });
    if (known == std::end(kKnownTables)) {
      return read_error(layout_, table_, ENOENT, "no such table is registered");
    }
    for (std::uint32_t hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
      if ((known->hooks & (1U << hook)) == 0) continue;
      Chain chain;
      set_name(chain.label, kHookNames[hook]);
      chain.hook = hook + 1;
      chain.policy = kPolicyAccept;
      chains_.push_back(chain);
    }
    ReadOptions options;
    options.sets = false;
    return finish(options, false);
  }

 private:
  Error broken(const char* what) const { return read_error(layout_, table_, EBADMSG, what); }

  std::uint8_t* blob() const { return memory_.data() + blob_; }

  // Makes room for the blob, and behind it for the header, the rule offsets and the request.
  bool make_room(const ipt_getinfo& info) {
    request_ = align8(sizeof(ImageHeader) + std::size_t{info.num_entries} * 4);
    blob_ = request_ + kRequestSize;
    if (!memory_.resize(blob_ + info.size)) return false;
    // Half of the cost of a large table's pages is to map them one by one. A failure is harmless.
    if (info.size >= kLargeTable) ::madvise(memory_.data(), memory_.size(), MADV_HUGEPAGE);
    return true;
  }

  // Reads the blob into memory.
  Result<void> fetch() {
    auto info = fetch_table(layout_, table_, {}, [&](const ipt_getinfo& wanted) {
      return make_room(wanted) ? memory_.data() + request_ : nullptr;
    });
    if (!info) return info.error();
    info_ = *info;
    return {};
  }

  // Splits the blob into chains and rules.
  Result<void> split() {
    rules_.reserve(info_.num_entries);
    Splitter splitter{*this};
    const std::span<const std::uint8_t> entries{blob(), info_.size};
    const char* why = walk_chains(layout_, info_, entries, splitter);
    if (why != nullptr) return broken(why);
    return {};
  }

  struct Splitter {
    SnapshotReader& reader;

    void entry(std::size_t at, const EntryView& view) {
      clear_name_tails(reader.layout_, reader.blob() + at, view);
    }
    void chain(const ChainHead& head) {
      Chain chain;
      set_name(chain.label, head.name);
      chain.hook = head.hook;
      chain.start = head.start;
      chain.first = static_cast<std::uint32_t>(reader.rules_.size());
      reader.chains_.push_back(chain);
    }
    void rule(std::size_t at, const EntryView& /*view*/) {
      reader.rules_.push_back(static_cast<std::uint32_t>(at));
      reader.chains_.back().count++;
    }
    void end(const ChainEnd& end) {
      reader.chains_.back().policy = end.policy;
      reader.chains_.back().counters = end.counters;
    }
  };

  // Writes everything but the entries.
  Result<Snapshot> finish(const ReadOptions& options, bool registered) {
    ImageWriter image(layout_, memory_);
    image.with_sets(options.sets);
    const std::size_t end = registered ? blob_ + info_.size : sizeof(ImageHeader);
    if (!image.begin({end, chains_.size(), rules_.size()})) {
      return read_error(layout_, table_, ENOMEM);
    }
    Jumps jumps(layout_, chains_);
    for (const Chain& chain : chains_) {
      image.begin_chain(chain);
      for (std::uint32_t i = 0; i < chain.count; i++) {
        const std::size_t at = rules_[chain.first + i];
        if (const char* why = jumps.name_target(blob(), at); why != nullptr) return broken(why);
        image.add_rule(blob_ + at);
      }
    }
    // References are counted only now.
    for (const Chain& chain : chains_) image.add_record(chain);
    auto header = image.finish(table_);
    if (!header) return header.error();
    header->entries = info_.num_entries;
    header->registered = registered ? 1 : 0;
    header->not_writable = jumps.not_writable();
    std::memcpy(memory_.data(), &*header, sizeof *header);

    Snapshot snapshot;
    snapshot.memory_ = std::move(memory_);
    snapshot.layout_ = &layout_;
    return snapshot;
  }

  const Layout& layout_;
  const std::string& table_;
  Memory memory_;
  std::size_t request_ = 0;  // offset of the request for the entries in memory_
  std::size_t blob_ = 0;     // offset of the kernel's entries in memory_
  ipt_getinfo info_{};
  std::vector<Chain> chains_;
  std::vector<std::uint32_t> rules_;  // blob offsets, in blob order
};

Result<Snapshot> read_table(const Layout& layout, const std::string& table,
                            const ReadOptions& options) {
  if (table.empty() || table.size() >= kChainNameSize || table.find('\0') != std::string::npos) {
    return read_error(layout, table, EINVAL, "not a table's name");
  }
  SnapshotReader reader(layout, table);
  if (!options.create) {
    auto names = registered_tables(layout);
    if (!names) {
      // Only root may read the list, but a process with the capability may read the table. So the
      // table is asked for by its name, and made if it is not there.
      if (names.error().code != EACCES) return names.error();
      return reader.read(options);
    }
    if (std::find(names->begin(), names->end(), table) == names->end()) {
      return reader.read_unregistered();
    }
  }
  return reader.read(options);
}

Result<Snapshot> parse_table(const Layout& layout, const std::string& table,
                             const ipt_getinfo& info, std::span<const std::uint8_t> blob) {
  return SnapshotReader(layout, table).take(info, blob);
}

}  // namespace nf::xt
