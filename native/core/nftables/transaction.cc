// From scripts to a transaction.
#include "core/nftables/transaction.h"

#include <errno.h>

#include <unordered_set>

#include "core/netlink/socket.h"
#include "core/nftables/batch.h"
#include "core/nftables/batch_messages.h"
#include "core/nftables/builtin.h"
#include "core/nftables/objects.h"
#include "core/nftables/write_raw.h"
#include "core/nftables/write_rule.h"
#include "core/operation.h"

namespace nf::nft {
namespace {

// "iptables commit nat, filter"
std::string operation_of(Scripts scripts) {
  std::string text;
  const xt::Layout* last = nullptr;
  for (const Script& script : scripts) {
    const bool same = last == &script.layout();
    if (last != nullptr) text += ", ";
    if (!same) text += std::string(script.layout().tool) + " commit ";
    text += script.table();
    last = &script.layout();
  }
  return text;
}

// Adds the messages of a script to a batch.
class Writer {
 public:
  Writer(const Script& script, Batch& batch)
      : script_(script), batch_(batch), table_(script.table()) {
    batch.set_family(static_cast<std::uint8_t>(script.layout().family));
    for (std::string& name : script.chains()) chains_.insert(std::move(name));
    is_chain_ = [this](std::string_view name) { return chains_.contains(std::string(name)); };
  }

  // Null, or why a step cannot be written; `failed` is its index then.
  const char* write(std::uint32_t& failed) {
    for (std::uint32_t i = 0; i < script_.header().count; i++) {
      if (const char* why = write(script_.step(i)); why != nullptr) {
        failed = i;
        return why;
      }
    }
    return nullptr;
  }

 private:
  // Each step is one message. So the index of a message is that of its step.
  const char* write(const ScriptStep& step) {
    const std::string_view chain = script_.text(step.chain);
    switch (static_cast<StepKind>(step.kind)) {
      case StepKind::kTable:
        create_table(batch_, table_);
        return nullptr;
      case StepKind::kBaseChain:
        return base_chain(step, chain);
      case StepKind::kChain:
        create_chain(batch_, table_, chain);
        return nullptr;
      case StepKind::kRename:
        rename_chain(batch_, table_, step.handle, script_.text(step.name));
        return nullptr;
      case StepKind::kPolicy:
        change_policy(batch_, table_, chain, policy_of(step), counters_of(step));
        return nullptr;
      case StepKind::kDeleteChain:
        delete_chain(batch_, table_, chain);
        return nullptr;
      case StepKind::kFlush:
        flush_chain(batch_, table_, chain);
        return nullptr;
      case StepKind::kDeleteRule:
        delete_rule(batch_, table_, chain, step.handle);
        return nullptr;
      case StepKind::kEntry:
      case StepKind::kExpressions:
        return rule(step, chain);
    }
    return "an unknown step";
  }

  const char* base_chain(const ScriptStep& step, std::string_view chain) {
    const BuiltinTable* table = builtin_table(table_);
    const BuiltinChain* builtin = table == nullptr ? nullptr : table->find(chain);
    if (builtin == nullptr) return "iptables has no such base chain";
    BaseChain base;
    base.type = builtin->type;
    base.hook = builtin->hook;
    base.priority = builtin->priority;
    base.policy = policy_of(step).value_or(NF_ACCEPT);
    base.counters = counters_of(step);
    create_base_chain(batch_, table_, chain, base);
    return nullptr;
  }

  const char* rule(const ScriptStep& step, std::string_view chain) {
    RulePlace place;
    place.handle = step.handle;
    switch (static_cast<StepPlace>(step.how)) {
      case StepPlace::kAppend:
        place.how = RulePlace::How::kAppend;
        break;
      case StepPlace::kBefore:
        place.how = RulePlace::How::kBefore;
        break;
      case StepPlace::kReplace:
        place.how = RulePlace::How::kReplace;
        break;
      case StepPlace::kPrepend:
        place.how = RulePlace::How::kPrepend;
        break;
      default:
        return "an unknown place";
    }
    const auto counters = counters_of(step);
    const std::uint8_t* content = script_.data(step.content);
    const bool entry = static_cast<StepKind>(step.kind) == StepKind::kEntry;
    return add_rule(batch_, table_, chain, place, [&](MessageBuilder& out) {
      if (entry) {
        return write_rule(script_.layout(), content, step.content.size,
                          counters.value_or(xt::Counters{}), is_chain_, out);
      }
      return write_raw({content, step.content.size},
                       {script_.data(step.user_data), step.user_data.size}, counters, out);
    });
  }

  static std::optional<std::uint32_t> policy_of(const ScriptStep& step) {
    if (step.policy == xt::kPolicyNone) return std::nullopt;
    return step.policy == xt::kPolicyDrop ? NF_DROP : NF_ACCEPT;
  }
  static std::optional<xt::Counters> counters_of(const ScriptStep& step) {
    if (step.has_counters == 0) return std::nullopt;
    return xt::Counters{step.packet_count, step.byte_count};
  }

  const Script& script_;
  Batch& batch_;
  const std::string table_;
  std::unordered_set<std::string> chains_;
  IsChain is_chain_;
};

// The steps of all scripts as messages. The outcome is a refusal if one cannot be written.
TransactionOutcome write_all(Scripts scripts, Batch& batch) {
  TransactionOutcome outcome;
  for (const Script& script : scripts) {
    std::uint32_t failed = 0;
    if (const char* why = Writer(script, batch).write(failed); why != nullptr) {
      outcome.end = TransactionEnd::kRefused;
      outcome.step = failed;
      outcome.code = EOPNOTSUPP;
      outcome.text = why;
      break;
    }
    outcome.script++;
  }
  return outcome;
}

// The script and the step that a message is of.
void locate(Scripts scripts, std::size_t message, TransactionOutcome& outcome) {
  for (outcome.script = 0; outcome.script < scripts.size(); outcome.script++) {
    const std::uint32_t count = scripts[outcome.script].header().count;
    if (message < count) {
      outcome.step = static_cast<std::uint32_t>(message);
      return;
    }
    message -= count;
  }
}

}  // namespace

Result<Script> Script::parse(std::vector<std::uint8_t> bytes) {
  const auto bad = [](const char* why) {
    return fail(EINVAL, operation::kCommit, why, ErrorKind::kXtables);
  };
  Script script;
  script.bytes_ = std::move(bytes);
  const std::size_t size = script.bytes_.size();
  if (size < sizeof(ScriptHeader)) return bad("cut short");
  const ScriptHeader& header = script.header();
  script.layout_ = xt::layout_of(static_cast<int>(header.family));
  if (header.magic != kScriptMagic || script.layout_ == nullptr) return bad("not a script");
  if (std::memchr(header.table, 0, sizeof header.table) == nullptr) return bad("a table's name");
  if (header.count > (size - sizeof header) / sizeof(ScriptStep)) return bad("cut short");
  const auto fits = [&](const Slice& slice) {
    return slice.at <= size && slice.size <= size - slice.at;
  };
  if (!fits(header.chains)) return bad("cut short");
  for (std::uint32_t i = 0; i < header.count; i++) {
    const ScriptStep& step = script.step(i);
    if (!fits(step.chain) || !fits(step.name) || !fits(step.content) || !fits(step.user_data)) {
      return bad("cut short");
    }
    constexpr std::size_t kLongestName = 256;
    if (step.chain.size > kLongestName || step.name.size > kLongestName) return bad("a long name");
  }
  return script;
}

std::string Script::table() const { return std::string(xt::chain_name(header().table)); }

std::vector<std::string> Script::chains() const {
  std::vector<std::string> names;
  const std::string_view all = text(header().chains);
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find('\0', at), all.size());
    names.emplace_back(all.substr(at, end - at));
    at = end + 1;
  }
  return names;
}

Result<TransactionOutcome> check_scripts(Scripts scripts) {
  Socket socket;
  Batch batch(socket, 0);
  return write_all(scripts, batch);
}

Result<TransactionOutcome> run_scripts(Scripts scripts, Purpose purpose) {
  const std::string operation = operation_of(scripts);
  const auto told = [&](const Error& error) {
    std::string detail = is_absent(error) ? "the kernel has no nf_tables" : error.detail;
    return fail(error.code, operation, std::move(detail), ErrorKind::kXtables);
  };
  if (scripts.empty()) return fail(EINVAL, operation::kCommit, "no script", ErrorKind::kXtables);
  const std::uint32_t generation = scripts.front().header().generation;
  for (const Script& script : scripts) {
    if (script.header().generation == generation) continue;
    return fail(EINVAL, operation, "tables of different generations", ErrorKind::kXtables);
  }
  auto socket = Socket::open(operation::kCommit);
  if (!socket) return told(socket.error());
  Batch batch(*socket, generation);
  TransactionOutcome outcome = write_all(scripts, batch);
  if (outcome.end != TransactionEnd::kCommitted) return outcome;
  auto done = purpose == Purpose::kCommit ? batch.commit(nullptr, operation::kCommit)
                                          : batch.rehearse(operation::kCommit);
  if (!done) return told(done.error());
  if (done->end == BatchEnd::kStale) outcome.end = TransactionEnd::kStale;
  if (done->end != BatchEnd::kRefused) return outcome;
  const BatchRefusal& first = done->first();
  outcome.end = TransactionEnd::kRefused;
  if (first.index != BatchRefusal::kWhole) locate(scripts, first.index, outcome);
  outcome.code = first.code;
  outcome.text = first.text;
  return outcome;
}

}  // namespace nf::nft
