// Reading a table into one buffer.
#include "core/legacy/snapshot.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>

#include "core/fd.h"
#include "core/files.h"
#include "core/legacy/distinct.h"
#include "core/xtables/sets.h"

namespace nf::xt {
namespace {

// A table that changes its size between the two socket options is asked for again.
constexpr int kAttempts = 16;
// From here on, the two megabytes that huge pages may waste are little.
constexpr std::uint32_t kLargeTable = 4U << 20;

Error fault(const Layout& layout, const std::string& table, int code, std::string detail = {}) {
  return fail(code, std::string(layout.tool) + " read " + table, std::move(detail),
              ErrorKind::kXtables);
}

// The hooks of the kernel's own tables, for what a table would hold if it were registered.
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
constexpr const char* kHookNames[NF_INET_NUMHOOKS] = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT",
                                                      "POSTROUTING"};

constexpr std::size_t align8(std::size_t size) { return (size + 7) & ~std::size_t{7}; }

void set_name(char (&out)[kChainNameSize], std::string_view name) {
  std::memset(out, 0, sizeof out);
  std::memcpy(out, name.data(), std::min(name.size(), sizeof out - 1));
}

}  // namespace

std::string_view chain_name(const char (&name)[kChainNameSize]) {
  return {name, ::strnlen(name, kChainNameSize)};
}

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
    if (blob.size() != info.size) return fault(layout_, table_, EINVAL, "not what the kernel sent");
    if (!plausible()) return broken("more entries than the table has room for");
    if (!make_room()) return fault(layout_, table_, ENOMEM);
    if (!blob.empty()) std::memcpy(this->blob(), blob.data(), blob.size());
    ReadOptions options;
    options.sets = false;
    return parse(options);
  }

  Result<Snapshot> parse(const ReadOptions& options) {
    if (auto walked = walk(); !walked) return walked.error();
    sort_chains();
    for (std::size_t i = 1; i < chains_.size(); i++) {
      if (chains_[i].name() == chains_[i - 1].name()) {
        // What older tools made of two names that share their first 29 bytes.
        return broken("two chains have the same name");
      }
    }
    return finish(options, true);
  }

  Result<Snapshot> read_unregistered() {
    const auto* known = std::find_if(std::begin(kKnownTables), std::end(kKnownTables),
                                     [&](const KnownTable& one) { return one.name == table_; });
    if (known == std::end(kKnownTables)) {
      return fault(layout_, table_, ENOENT, "no such table is registered");
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
  struct Chain {
    char label[kChainNameSize] = {};  // a copy: the blob moves when the buffer grows
    std::uint32_t hook = 0;
    std::uint32_t policy = kPolicyNone;
    std::size_t start = 0;  // blob offset where a jump to it leads
    std::uint32_t first = 0;
    std::uint32_t count = 0;  // with the closing rule, until that is taken off
    std::uint32_t references = 0;
    Counters counters;

    std::string_view name() const { return chain_name(label); }
  };

  Error broken(const char* what) const { return fault(layout_, table_, EBADMSG, what); }

  std::uint8_t* blob() const { return memory_.data() + blob_; }

  bool plausible() const { return info_.num_entries <= info_.size / layout_.entry_size; }

  // Room for the blob, behind that for the header, the rule offsets and the request.
  bool make_room() {
    request_ = align8(sizeof(SnapshotHeader) + std::size_t{info_.num_entries} * 4);
    blob_ = request_ + offsetof(ipt_get_entries, entrytable);
    if (!memory_.resize(blob_ + info_.size)) return false;
    // Half of what a large table's pages cost is to bring them in one by one. A wish, no need.
    if (info_.size >= kLargeTable) ::madvise(memory_.data(), memory_.size(), MADV_HUGEPAGE);
    return true;
  }

  // Brings the blob into memory.
  Result<void> fetch() {
    // Any socket of the family takes the options (nf_sockopt.c); a datagram one spares CAP_NET_RAW.
    const Fd fd(::socket(layout_.family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return fault(layout_, table_, errno);
    for (int attempt = 0; attempt < kAttempts; attempt++) {
      std::memset(&info_, 0, sizeof info_);
      std::memcpy(info_.name, table_.data(), table_.size());
      socklen_t size = sizeof info_;
      if (::getsockopt(fd.get(), layout_.level, layout_.get_info, &info_, &size) != 0) {
        return fault(layout_, table_, errno);
      }
      if (!plausible()) return broken("more entries than the table has room for");
      if (!make_room()) return fault(layout_, table_, ENOMEM);
      auto* request = reinterpret_cast<ipt_get_entries*>(memory_.data() + request_);
      std::memset(request, 0, offsetof(ipt_get_entries, entrytable));
      std::memcpy(request->name, table_.data(), table_.size());
      request->size = info_.size;
      size = static_cast<socklen_t>(offsetof(ipt_get_entries, entrytable) + info_.size);
      if (::getsockopt(fd.get(), layout_.level, layout_.get_entries, request, &size) == 0) {
        return {};
      }
      if (errno != EAGAIN) return fault(layout_, table_, errno);
    }
    return fault(layout_, table_, EAGAIN, "the table changes all the time");
  }

  // Splits the blob into chains and rules.
  Result<void> walk() {
    rules_.reserve(info_.num_entries);
    std::uint32_t entries = 0;
    bool ended = false;
    for (std::size_t at = 0; at < info_.size; entries++) {
      if (ended) return broken("there are entries behind the end of the table");
      EntryView view;
      if (const char* why = view_entry(layout_, blob() + at, info_.size - at, view);
          why != nullptr) {
        return broken(why);
      }
      clear_name_tails(layout_, blob() + at, view);
      if (view.target_name == XT_ERROR_TARGET) {
        if (view.target_size < kErrorSize) return broken("a chain head has a wrong size");
        if (auto closed = close_chain(); !closed) return closed;
        if (at + view.size == info_.size) {
          ended = true;
        } else {
          const auto* name = reinterpret_cast<const char*>(blob() + at + view.target + kHeader);
          const std::size_t size = ::strnlen(name, XT_FUNCTION_MAXNAMELEN);
          if (size == XT_FUNCTION_MAXNAMELEN) return broken("a chain's name does not end");
          Chain chain;
          set_name(chain.label, std::string_view(name, size));
          chain.start = at + view.size;
          open_chain(chain);
        }
      } else {
        for (std::uint32_t hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
          if ((info_.valid_hooks & (1U << hook)) == 0 || info_.hook_entry[hook] != at) continue;
          if (auto closed = close_chain(); !closed) return closed;
          Chain chain;
          set_name(chain.label, kHookNames[hook]);
          chain.hook = hook + 1;
          chain.start = at;
          open_chain(chain);
        }
        if (!open_) return broken("a rule lies outside every chain");
        rules_.push_back(static_cast<std::uint32_t>(at));
        chains_.back().count++;
      }
      at += view.size;
    }
    if (!ended) return broken("the table does not end");
    // A dump that lost rules must never be taken for the table: writing it back would delete them.
    if (entries != info_.num_entries) return broken("the kernel counts other entries than it sent");
    std::uint32_t hooks = 0;
    for (const Chain& chain : chains_) {
      if (chain.hook != 0) hooks |= 1U << (chain.hook - 1);
    }
    if (hooks != info_.valid_hooks) return broken("a hook has no chain of its own");
    return {};
  }

  void open_chain(Chain chain) {
    chain.first = static_cast<std::uint32_t>(rules_.size());
    chains_.push_back(chain);
    open_ = true;
  }

  // The last entry of a chain is no rule: a policy, or the return of a chain of the user.
  Result<void> close_chain() {
    if (!open_) return {};
    open_ = false;
    Chain& chain = chains_.back();
    if (chain.count == 0) return broken("a chain has no closing rule");
    const std::size_t at = rules_.back();
    rules_.pop_back();
    chain.count--;
    const std::uint8_t* entry = blob() + at;
    EntryView view;
    if (const char* why = view_entry(layout_, entry, info_.size - at, view); why != nullptr) {
      return broken(why);
    }
    if (!view.target_name.empty() || view.target_size != kStandardSize ||
        view.target != layout_.entry_size) {
      return broken("a chain ends in a rule that is no policy");
    }
    const auto verdict = static_cast<std::int32_t>(load32(entry + view.target + kHeader));
    if (chain.hook == 0) {
      if (verdict != XT_RETURN) return broken("a chain does not end with RETURN");
      return {};
    }
    if (info_.underflow[chain.hook - 1] != at) return broken("a policy is not where it should be");
    if (verdict == -NF_ACCEPT - 1) {
      chain.policy = kPolicyAccept;
    } else if (verdict == -NF_DROP - 1) {
      chain.policy = kPolicyDrop;
    } else {
      return broken("a policy is neither ACCEPT nor DROP");
    }
    chain.counters = load_counters(entry + layout_.counters);
    return {};
  }

  // Where jumps lead, sorted by offset (blob order); chains_ in the order that libiptc gives them,
  // which is also that of iptables-save.
  void sort_chains() {
    std::stable_sort(chains_.begin(), chains_.end(), [](const Chain& a, const Chain& b) {
      if ((a.hook == 0) != (b.hook == 0)) return a.hook != 0;
      return a.hook != 0 ? a.hook < b.hook : a.name() < b.name();
    });
    starts_.resize(chains_.size());
    for (std::uint32_t i = 0; i < chains_.size(); i++) starts_[i] = i;
    std::sort(starts_.begin(), starts_.end(), [this](std::uint32_t a, std::uint32_t b) {
      return chains_[a].start < chains_[b].start;
    });
  }

  // Puts the target of the rule at `at` into portable form, where it is a standard target, and
  // counts references. Null, or what is wrong.
  const char* name_target(std::size_t at) {
    std::uint8_t* target = blob() + at + load16(blob() + at + layout_.target_offset);
    if (target[2] != '\0') {
      if (has_chain_called(target)) {
        // libiptc would take the target for a jump as soon as it writes the rule elsewhere.
        not_writable_ = kNamesake;
      }
      return nullptr;
    }
    if (load16(target) != kStandardSize) return "a verdict has a wrong size";
    const auto verdict = static_cast<std::int32_t>(load32(target + kHeader));
    std::string_view name = "";
    if (verdict == -NF_ACCEPT - 1) {
      name = "ACCEPT";
    } else if (verdict == -NF_DROP - 1) {
      name = "DROP";
    } else if (verdict == -NF_QUEUE - 1) {
      name = "QUEUE";
    } else if (verdict == XT_RETURN) {
      name = "RETURN";
    } else if (verdict < 0) {
      return "a rule has an unknown verdict";
    } else if (static_cast<std::size_t>(verdict) !=
               at + load16(blob() + at + layout_.next_offset)) {
      Chain* chain = chain_at(static_cast<std::size_t>(verdict));
      if (chain == nullptr) return "a rule jumps into the middle of a chain";
      // libiptc would compile a jump behind the built-in chain's first bytes.
      if (chain->hook != 0) not_writable_ = kBuiltinJump;
      chain->references++;
      name = chain->name();
    }
    std::memset(target + 2, 0, kNameSize);
    std::memcpy(target + 2, name.data(), std::min(name.size(), kNameSize - 1));
    store32(target + kHeader, 0);
    return nullptr;
  }

  // Whether a chain has the name of this extension. Asked for every rule, of few different names.
  bool has_chain_called(const std::uint8_t* target) {
    const auto* text = reinterpret_cast<const char*>(target + 2);
    const std::string_view name(text, ::strnlen(text, kNameSize));
    const auto known = std::find_if(extensions_.begin(), extensions_.end(), [&](const auto& one) {
      return std::string_view(one.first) == name;
    });
    if (known != extensions_.end()) return known->second;
    const bool clash = std::any_of(chains_.begin(), chains_.end(),
                                   [&](const Chain& chain) { return chain.name() == name; });
    extensions_.emplace_back(std::string(name), clash);
    return clash;
  }

  Chain* chain_at(std::size_t offset) {
    const auto found = std::lower_bound(
        starts_.begin(), starts_.end(), offset,
        [this](std::uint32_t chain, std::size_t wanted) { return chains_[chain].start < wanted; });
    if (found == starts_.end() || chains_[*found].start != offset) return nullptr;
    return &chains_[*found];
  }

  // Writes the header, the offsets, the chain records, the parts and the sets.
  Result<Snapshot> finish(const ReadOptions& options, bool registered) {
    const std::size_t chains = align8(registered ? blob_ + info_.size : sizeof(SnapshotHeader));
    const std::size_t parts = chains + chains_.size() * sizeof(ChainRecord);
    const std::size_t sets = parts + rules_.size() * sizeof(RuleParts);
    if (!memory_.resize(sets)) return fault(layout_, table_, ENOMEM);

    Fingerprint hash;
    hash.add(static_cast<std::uint64_t>(layout_.family));
    std::vector<std::uint16_t> indexes;
    std::uint32_t next = 0;
    for (const Chain& chain : chains_) {
      hash.add(chain.label, sizeof chain.label);
      hash.add((std::uint64_t{chain.policy} << 32) | chain.count);
      for (std::uint32_t i = 0; i < chain.count; i++, next++) {
        const std::size_t at = rules_[chain.first + i];
        if (const char* why = name_target(at); why != nullptr) return broken(why);
        const RuleParts numbers = number_parts(at, hash, options.sets ? &indexes : nullptr);
        std::memcpy(memory_.data() + parts + next * sizeof numbers, &numbers, sizeof numbers);
        store32(memory_.data() + sizeof(SnapshotHeader) + std::size_t{next} * 4,
                static_cast<std::uint32_t>(blob_ + at));
      }
    }
    // References are counted only now.
    std::uint32_t first = 0;
    for (std::size_t i = 0; i < chains_.size(); i++) {
      const Chain& chain = chains_[i];
      ChainRecord record{};
      set_name(record.name, chain.name());
      record.hook = chain.hook;
      record.policy = chain.policy;
      record.first = first;
      record.count = chain.count;
      record.references = chain.references;
      record.counters = chain.counters;
      std::memcpy(memory_.data() + chains + i * sizeof record, &record, sizeof record);
      first += chain.count;
    }
    auto records = name_sets(std::move(indexes));
    if (!records) return records.error();
    const std::size_t size = sets + records->size() * sizeof(SetRecord);
    if (size > UINT32_MAX || !memory_.resize(size)) return fault(layout_, table_, ENOMEM);
    if (!records->empty()) {
      std::memcpy(memory_.data() + sets, records->data(), records->size() * sizeof(SetRecord));
    }

    SnapshotHeader header{};
    header.magic = kSnapshotMagic;
    header.family = static_cast<std::uint32_t>(layout_.family);
    header.chain_count = static_cast<std::uint32_t>(chains_.size());
    header.rule_count = next;
    header.chains = static_cast<std::uint32_t>(chains);
    header.rules = sizeof(SnapshotHeader);
    header.entries = info_.num_entries;
    header.registered = registered ? 1 : 0;
    header.fingerprint = hash.digest();
    header.sets = static_cast<std::uint32_t>(sets);
    header.set_count = static_cast<std::uint32_t>(records->size());
    header.size = static_cast<std::uint32_t>(size);
    set_name(header.name, table_);
    header.parts = static_cast<std::uint32_t>(parts);
    header.match_lists = static_cast<std::uint32_t>(match_lists_.size());
    header.targets = static_cast<std::uint32_t>(targets_.size());
    header.not_writable = not_writable_;
    std::memcpy(memory_.data(), &header, sizeof header);

    Snapshot snapshot;
    snapshot.memory_ = std::move(memory_);
    snapshot.layout_ = &layout_;
    return snapshot;
  }

  // Adds the rule at `at` to the hash; what its parts hold is looked at when they are new.
  RuleParts number_parts(std::size_t at, Fingerprint& hash, std::vector<std::uint16_t>* sets) {
    const std::uint8_t* entry = blob() + at;
    const std::size_t target = load16(entry + layout_.target_offset);
    const std::size_t size = load16(entry + layout_.next_offset);
    const std::uint32_t is_goto = entry[layout_.flags] & layout_.goto_flag;
    const auto matches =
        match_lists_.number(blob(), at + layout_.entry_size, target - layout_.entry_size, 0);
    const auto end = targets_.number(blob(), at + target, size - target, is_goto);
    if (matches.fresh) {
      const EntryView view = view_of(layout_, entry);
      match_digests_.push_back(hash_matches(layout_, entry, view));
      if (sets != nullptr) {
        for_each_match(layout_, entry, view,
                       [&](const Part& part) { collect_sets(entry, part, *sets); });
      }
    }
    if (end.fresh) {
      const EntryView view = view_of(layout_, entry);
      target_digests_.push_back(hash_target(entry, view));
      if (sets != nullptr) collect_sets(entry, target_of(view), *sets);
    }
    // As hash_entry() does.
    hash.add(entry, layout_.comefrom);
    hash.add(match_digests_[matches.id]);
    hash.add(target_digests_[end.id]);
    return {matches.id, end.id};
  }

  Result<std::vector<SetRecord>> name_sets(std::vector<std::uint16_t> indexes) {
    std::vector<SetRecord> records;
    if (indexes.empty()) return records;
    std::sort(indexes.begin(), indexes.end());
    indexes.erase(std::unique(indexes.begin(), indexes.end()), indexes.end());
    auto lookup = SetLookup::open();
    if (!lookup) return lookup.error();
    for (const std::uint16_t index : indexes) {
      auto name = lookup->by_index(index);
      if (!name) return name.error();
      // A rule holds a reference to its set, so the name is missing only if the rule just went.
      if (name->empty()) continue;
      SetRecord record{};
      record.index = index;
      name->copy(record.name, sizeof record.name - 1);
      records.push_back(record);
    }
    return records;
  }

  const Layout& layout_;
  const std::string& table_;
  Memory memory_;
  std::size_t request_ = 0;  // offset of the request for the entries in memory_
  std::size_t blob_ = 0;     // offset of the kernel's entries in memory_
  ipt_getinfo info_{};
  std::vector<Chain> chains_;
  std::vector<std::uint32_t> starts_;
  std::vector<std::uint32_t> rules_;                      // blob offsets, in blob order
  std::vector<std::pair<std::string, bool>> extensions_;  // targets seen, and has_chain_called
  Distinct match_lists_;
  Distinct targets_;
  std::vector<Digest> match_digests_;  // by the numbers of match_lists_
  std::vector<Digest> target_digests_;
  bool open_ = false;
  Writable not_writable_ = kWritable;
};

Result<Snapshot> read_table(const Layout& layout, const std::string& table,
                            const ReadOptions& options) {
  if (table.empty() || table.size() >= kChainNameSize || table.find('\0') != std::string::npos) {
    return fault(layout, table, EINVAL, "not a table's name");
  }
  SnapshotReader reader(layout, table);
  if (!options.create) {
    auto names = registered_tables(layout);
    if (!names) {
      // The list is open to root alone, the table to a process with the capability: asked for by
      // name, it is read, and made where it was not there.
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

Result<std::vector<std::string>> registered_tables(const Layout& layout) {
  std::vector<std::string> names;
  // `thread-self`: after setns() only this thread is in the namespace.
  const std::string path = std::string("/proc/thread-self/net/") + layout.names_file;
  const std::string operation = std::string(layout.tool) + " tables";
  auto file = read_file(path, operation.c_str());
  if (!file) {
    if (file.error().code == ENOENT) return names;
    file.error().kind = ErrorKind::kXtables;
    return file.error();
  }
  const std::string& text = *file;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string name = text.substr(at, end - at);
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(std::move(name));
    }
    at = end + 1;
  }
  return names;
}

}  // namespace nf::xt
