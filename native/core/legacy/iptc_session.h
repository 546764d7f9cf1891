// A session with libiptc. It compares what libiptc reads with a snapshot, and then changes it into
// a plan. One template serves both libraries, which differ only in their names.
#pragma once

#include <errno.h>

#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/legacy/commit.h"
#include "core/legacy/contents.h"
#include "core/legacy/diff.h"
#include "core/legacy/iptc_library.h"
#include "core/legacy/plan.h"
#include "core/legacy/snapshot.h"
#include "core/xtables/entry.h"

namespace nf::xt {

// libiptc finds a rule by walking the list from the nearer end. With more steps per rule of the
// chain than this, it is far cheaper to write the whole chain again. With fewer, single edits are
// preferred even if they cost more: only a rule that stays keeps the packets that it counts
// meanwhile.
inline constexpr std::uint64_t kStepsPerRule = 400;

// An error of writing this table.
inline Error commit_error(const Layout& layout, const std::string& table, int code,
                          std::string detail = {}, ErrorKind kind = ErrorKind::kXtables) {
  return fail(code, std::string(layout.tool) + " commit " + table, std::move(detail), kind);
}

// A handle of libiptc, from init to free. The caller holds iptc_mutex().
template <typename Iptc>
class IptcSession {
 public:
  using Entry = typename Iptc::Entry;

  IptcSession(const Iptc& iptc, const Layout& layout, std::string table)
      : iptc_(iptc), layout_(layout), table_(std::move(table)) {}
  ~IptcSession() {
    if (handle_ != nullptr) iptc_.free(handle_);
  }
  IptcSession(const IptcSession&) = delete;
  IptcSession& operator=(const IptcSession&) = delete;

  Result<void> open() {
    // If errno is an old EAGAIN, init() starts over.
    errno = 0;
    handle_ = iptc_.init(table_.c_str());
    // If init() has no memory for a rule or a chain, it leaves that out and reports success.
    if (handle_ == nullptr || errno == ENOMEM) return commit_error(layout_, table_, errno);
    return {};
  }

  // Compares libiptc's view with the snapshot, rule by rule. Remembers the counters that it read.
  bool matches(const Snapshot& snapshot) {
    std::uint32_t chains = 0;
    for (const char* name = iptc_.first_chain(handle_); name != nullptr;
         name = iptc_.next_chain(handle_)) {
      chains++;
    }
    if (chains != snapshot.chain_count()) return false;
    counters_.clear();
    counters_.reserve(snapshot.rule_count());
    policy_counters_.clear();
    for (std::uint32_t i = 0; i < chains; i++) {
      const ChainRecord& chain = snapshot.chain(i);
      std::uint32_t count = 0;
      for (const Entry* entry = iptc_.first_rule(chain.name, handle_); entry != nullptr;
           entry = iptc_.next_rule(entry, handle_), count++) {
        if (count == chain.count) return false;
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(entry);
        if (!same_rule(bytes, iptc_.get_target(entry, handle_),
                       snapshot.rule(chain.first + count))) {
          return false;
        }
        counters_.push_back(load_counters(bytes + layout_.counters));
      }
      if (count != chain.count) return false;
      xt_counters counters{};
      if (chain.hook != 0) {
        const char* policy = iptc_.get_policy(chain.name, &counters, handle_);
        const char* wanted = chain.policy == kPolicyDrop ? "DROP" : "ACCEPT";
        if (policy == nullptr || std::strcmp(policy, wanted) != 0) return false;
      }
      policy_counters_.push_back({counters.pcnt, counters.bcnt});
    }
    return true;
  }

  // Changes the handle from the snapshot, which it matches, to the plan.
  Result<void> apply(const Snapshot& base, const Plan& plan, CommitOutcome& outcome) {
    std::unordered_map<std::string_view, std::uint32_t> have;
    for (std::uint32_t i = 0; i < base.chain_count(); i++) {
      have.emplace(chain_name(base.chain(i).name), i);
    }
    std::vector<bool> wanted(base.chain_count());
    for (std::uint32_t i = 0; i < plan.chain_count(); i++) {
      const PlanChain& chain = plan.chain(i);
      const auto found = have.find(chain_name(chain.name));
      if (found != have.end()) {
        wanted[found->second] = true;
        continue;
      }
      // All new chains come before any rule, because a rule may jump to each of them.
      outcome.operations++;
      if (iptc_.create_chain(chain.name, handle_) == 0) return failed("create", chain.name);
    }
    // All chains that go lose their rules before the first of them goes: they may refer to one
    // another.
    for (std::uint32_t i = 0; i < base.chain_count(); i++) {
      if (wanted[i] || base.chain(i).count == 0) continue;
      outcome.operations++;
      if (iptc_.flush_entries(base.chain(i).name, handle_) == 0) {
        return failed("flush", base.chain(i).name);
      }
    }
    for (std::uint32_t i = 0; i < plan.chain_count(); i++) {
      const PlanChain& chain = plan.chain(i);
      const auto found = have.find(chain_name(chain.name));
      const std::uint32_t first = found == have.end() ? 0 : base.chain(found->second).first;
      const std::uint32_t count = found == have.end() ? 0 : base.chain(found->second).count;
      if (auto done = apply_rules(base, plan, chain, first, count, outcome); !done) return done;
    }
    for (std::uint32_t i = 0; i < base.chain_count(); i++) {
      if (wanted[i]) continue;
      outcome.operations++;
      if (iptc_.delete_chain(base.chain(i).name, handle_) == 0) {
        return failed("delete", base.chain(i).name);
      }
    }
    outcome.operations += policy_changes(base, plan, have);
    if (outcome.operations == 0) return {};
    // Every commit of libiptc 1.8.9 sets the policy counters to what was counted since init. If
    // they are set to what init read, only that little is lost instead of all. (1.8.11 keeps both:
    // there this does no harm.)
    for (std::uint32_t i = 0; i < plan.chain_count(); i++) {
      const PlanChain& chain = plan.chain(i);
      if (chain.hook == 0) continue;
      const Counters keep = policy_counters_[have.find(chain_name(chain.name))->second];
      const Counters& set = chain.set_counters != 0 ? chain.counters : keep;
      xt_counters counters{};
      counters.pcnt = set.packets;
      counters.bcnt = set.bytes;
      char policy[kChainNameSize] = {};
      std::memcpy(policy, chain.policy == kPolicyDrop ? "DROP" : "ACCEPT",
                  chain.policy == kPolicyDrop ? 4 : 6);
      if (iptc_.set_policy(chain.name, policy, &counters, handle_) == 0) {
        return failed("set the policy of", chain.name);
      }
    }
    return {};
  }

  // What the handle holds, including the changes of apply().
  Contents contents() {
    Contents contents;
    std::vector<std::string> names;
    for (const char* name = iptc_.first_chain(handle_); name != nullptr;
         name = iptc_.next_chain(handle_)) {
      names.emplace_back(name);
    }
    for (const std::string& name : names) {
      char chain[kChainNameSize] = {};
      name.copy(chain, sizeof chain - 1);
      xt_counters counters{};
      const char* policy = iptc_.get_policy(chain, &counters, handle_);
      count_chain(contents, name,
                  policy == nullptr                  ? kPolicyNone
                  : std::strcmp(policy, "DROP") == 0 ? kPolicyDrop
                                                     : kPolicyAccept);
      for (const Entry* entry = iptc_.first_rule(chain, handle_); entry != nullptr;
           entry = iptc_.next_rule(entry, handle_)) {
        if (!portable(reinterpret_cast<const std::uint8_t*>(entry),
                      iptc_.get_target(entry, handle_))) {
          continue;
        }
        count_rule(contents, name, layout_, scratch_.data());
      }
    }
    return contents;
  }

  // 0, or the errno of the refusal.
  int commit() {
    errno = 0;
    if (iptc_.commit(handle_) != 0) return 0;
    return errno != 0 ? errno : EIO;
  }

 private:
  // Puts the portable form of an entry that libiptc keeps into scratch_.
  bool portable(const std::uint8_t* raw, const char* target_name) {
    const std::size_t size = load16(raw + layout_.next_offset);
    const std::size_t target = load16(raw + layout_.target_offset);
    if (target_name == nullptr || target + kHeader > size) return false;
    scratch_.assign(raw, raw + size);
    // Once the kernel or a commit has seen a jump, its verdict is an offset, and its name is empty.
    if (raw[target + 2] == 0 && size >= target + kStandardSize) {
      store32(&scratch_[target + kHeader], 0);
    }
    std::memset(&scratch_[target + 2], 0, kNameSize);
    std::memcpy(&scratch_[target + 2], target_name, ::strnlen(target_name, kNameSize - 1));
    EntryView view;
    if (view_entry(layout_, scratch_.data(), size, view) != nullptr) return false;
    clear_name_tails(layout_, scratch_.data(), view);
    return true;
  }

  // Compares libiptc's form of a rule with its portable form.
  bool same_rule(const std::uint8_t* raw, const char* target_name, const std::uint8_t* wanted) {
    if (load16(raw + layout_.next_offset) != load16(wanted + layout_.next_offset) ||
        load16(raw + layout_.target_offset) != load16(wanted + layout_.target_offset)) {
      return false;
    }
    // The usual case: no private state, nothing behind the names.
    const std::size_t size = load16(raw + layout_.next_offset);
    const std::size_t target = load16(raw + layout_.target_offset);
    const bool verdict = target_name != nullptr && raw[target + 2] == 0;
    const std::size_t plain = verdict ? target : size;
    if (std::memcmp(raw, wanted, layout_.comefrom) == 0 &&
        std::memcmp(raw + layout_.entry_size, wanted + layout_.entry_size,
                    plain - layout_.entry_size) == 0 &&
        (!verdict || (size == target + kStandardSize &&
                      std::strncmp(reinterpret_cast<const char*>(wanted + target + 2), target_name,
                                   kNameSize) == 0))) {
      return true;
    }
    return portable(raw, target_name) && same_content(layout_, scratch_.data(), wanted);
  }

  std::uint32_t policy_changes(
      const Snapshot& base, const Plan& plan,
      const std::unordered_map<std::string_view, std::uint32_t>& have) const {
    std::uint32_t changes = 0;
    for (std::uint32_t i = 0; i < plan.chain_count(); i++) {
      const PlanChain& chain = plan.chain(i);
      if (chain.hook == 0) continue;
      const ChainRecord& now = base.chain(have.find(chain_name(chain.name))->second);
      if (chain.policy != now.policy || chain.set_counters != 0) changes++;
    }
    return changes;
  }

  Result<void> apply_rules(const Snapshot& base, const Plan& plan, const PlanChain& chain,
                           std::uint32_t first, std::uint32_t count, CommitOutcome& outcome) {
    if (plan.keeps(chain, first, count)) return {};
    const std::vector<PlanRule> rules = plan.rules(chain);
    const ChainDiff diff = diff_chain(rules, first, count);
    if (diff.stay == 0 || diff.steps > kStepsPerRule * (rules.size() + count)) {
      return rebuild(base, chain, rules, count, diff.stay, outcome);
    }
    outcome.operations += static_cast<std::uint32_t>(diff.operations.size());
    for (const ChainOperation& operation : diff.operations) {
      int done = 0;
      const char* verb = "";
      switch (operation.kind) {
        case ChainOperation::kInsert:
          verb = "insert";
          done = iptc_.insert_entry(chain.name, entry(base, rules[operation.rule]), operation.at,
                                    handle_);
          break;
        case ChainOperation::kReplace:
          verb = "replace";
          done = iptc_.replace_entry(chain.name, entry(base, rules[operation.rule]), operation.at,
                                     handle_);
          break;
        case ChainOperation::kDelete:
          verb = "delete";
          done = iptc_.delete_num_entry(chain.name, operation.at, handle_);
          break;
        case ChainOperation::kZero:
          verb = "zero";
          // Counters are numbered from 1, unlike everything else.
          done = iptc_.zero_counter(chain.name, operation.at + 1, handle_);
          break;
      }
      if (done == 0) return failed_rule(verb, operation.at, chain.name);
    }
    if (diff.zero_all) {
      // Leaves inserted and replaced rules alone: their counters are set, not mapped.
      outcome.operations++;
      if (iptc_.zero_entries(chain.name, handle_) == 0) return failed("zero", chain.name);
    }
    return {};
  }

  Result<void> rebuild(const Snapshot& base, const PlanChain& chain,
                       const std::vector<PlanRule>& rules, std::uint32_t count, std::uint32_t stay,
                       CommitOutcome& outcome) {
    if (stay != 0) outcome.rebuilt++;
    if (count != 0) {
      outcome.operations++;
      if (iptc_.flush_entries(chain.name, handle_) == 0) return failed("flush", chain.name);
    }
    outcome.operations += static_cast<std::uint32_t>(rules.size());
    for (std::uint32_t i = 0; i < rules.size(); i++) {
      if (iptc_.append_entry(chain.name, entry(base, rules[i]), handle_) == 0) {
        return failed_rule("append", i, chain.name);
      }
    }
    return {};
  }

  // The bytes of a wanted rule with its counters filled in; valid until the next call.
  const Entry* entry(const Snapshot& base, const PlanRule& rule) {
    const std::uint8_t* bytes = rule.bytes != nullptr ? rule.bytes : base.rule(rule.base);
    const std::size_t size = load16(bytes + layout_.next_offset);
    scratch_.assign(bytes, bytes + size);
    if (rule.bytes == nullptr) {
      store_counters(&scratch_[layout_.counters], rule.zeroed ? Counters{} : counters_[rule.base]);
    } else if (rule.counters_of != kNone) {
      store_counters(&scratch_[layout_.counters], counters_[rule.counters_of]);
    }
    return reinterpret_cast<const Entry*>(scratch_.data());
  }

  Error failed(const char* verb, const char* chain) const {
    return commit_error(layout_, table_, errno, std::string(verb) + " chain " + chain);
  }
  Error failed_rule(const char* verb, std::uint32_t index, const char* chain) const {
    return commit_error(
        layout_, table_, errno,
        std::string(verb) + " rule " + std::to_string(index) + " of chain " + chain);
  }

  const Iptc& iptc_;
  const Layout& layout_;
  std::string table_;
  xtc_handle* handle_ = nullptr;
  std::vector<Counters> counters_;         // of the snapshot's rules, as init read them
  std::vector<Counters> policy_counters_;  // of the snapshot's chains
  std::vector<std::uint8_t> scratch_;
};

}  // namespace nf::xt
