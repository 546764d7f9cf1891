// iptables: reading and committing tables, the xtables lock, sets, extensions, where the rules
// live. Everything runs on a pooled thread that first enters the handle's network namespace.
#include "napi/xtables.h"

#include <cstring>

#include "core/legacy/commit.h"
#include "core/legacy/lock.h"
#include "core/legacy/look.h"
#include "core/legacy/registered.h"
#include "core/legacy/snapshot.h"
#include "core/nftables/compat.h"
#include "core/nftables/detect.h"
#include "core/nftables/snapshot.h"
#include "core/nftables/transaction.h"
#include "core/operation.h"
#include "core/xtables/revision.h"
#include "core/xtables/sets.h"
#include "napi/conntrack_handle.h"
#include "napi/exports.h"
#include "napi/external.h"
#include "napi/values.h"

namespace nf::js {
namespace {

// A wait longer than a year is cut to a year: its sum with the clock must not overflow.
constexpr std::int64_t kLongestWait = std::int64_t{366} * 24 * 3600 * 1000;

// Null (and an exception pending) when the number is no family.
const xt::Layout* layout_argument(const Napi::Value& value) {
  const std::uint32_t family = u32_of(value);
  const xt::Layout* layout = xt::layout_of(static_cast<int>(std::min(family, 255U)));
  if (layout == nullptr) throw_type_error(value.Env(), "not a family");
  return bad_arguments(value.Env()) ? nullptr : layout;
}

// Runs work that gives a Result<T> in the namespace of the handle, as a promise.
template <typename T, typename Work, typename Convert>
Napi::Value in_namespace(const Napi::CallbackInfo& info, const char* operation, Work work,
                         Convert convert, std::shared_ptr<Cancel> cancel = nullptr) {
  auto handle = handle_of(info);
  if (handle == nullptr) return info.Env().Undefined();
  return promise<T>(
      info.Env(), {operation, ErrorKind::kXtables}, std::move(cancel),
      [handle, operation, work = std::move(work)]() -> Result<T> {
        if (auto entered = handle->netns().enter(operation); !entered) return entered.error();
        return work();
      },
      convert);
}

// xtTables(handle, family) → string[]
Napi::Value tables(const Napi::CallbackInfo& info) {
  const xt::Layout* layout = layout_argument(info[1]);
  if (layout == nullptr) return info.Env().Undefined();
  return in_namespace<std::vector<std::string>>(
      info, operation::kTables, [layout] { return xt::registered_tables(*layout); },
      [](Napi::Env js, std::vector<std::string>& names) { return to_strings(js, names); });
}

// xtRead(handle, family, table) → ArrayBuffer
Napi::Value read(const Napi::CallbackInfo& info) {
  const xt::Layout* layout = layout_argument(info[1]);
  if (layout == nullptr) return info.Env().Undefined();
  const std::string table = text_of(info[2]);
  if (bad_arguments(info.Env())) return info.Env().Undefined();
  return in_namespace<xt::Snapshot>(
      info, operation::kRead, [layout, table] { return xt::read_table(*layout, table, {}); },
      [](Napi::Env js, xt::Snapshot& snapshot) {
        const std::size_t size = snapshot.size();
        return to_array_buffer(js, snapshot.take(), size);
      });
}

// xtCommit(handle, plan: Uint8Array, base: Uint8Array) → { outcome }
Napi::Value commit(const Napi::CallbackInfo& info) {
  // A copy, because the caller may change its array meanwhile.
  const auto bytes = bytes_of(info[1]);
  if (bad_arguments(info.Env())) return info.Env().Undefined();
  auto parsed = xt::Plan::parse({bytes.begin(), bytes.end()});
  if (!parsed) {
    throw_failure(info.Env(), parsed.error());
    return info.Env().Undefined();
  }
  // Copied too, because somebody with a view of it may write to it.
  const auto base = bytes_of(info[2]);
  if (bad_arguments(info.Env())) return info.Env().Undefined();
  auto seen = std::make_shared<xt::SeenTable>();
  // If there is no memory for it, the table is read again.
  if (!base.empty() && seen->memory.resize(base.size())) {
    std::memcpy(seen->memory.data(), base.data(), base.size());
    seen->size = base.size();
  }
  auto plan = std::make_shared<xt::Plan>(std::move(*parsed));
  return in_namespace<xt::CommitOutcome>(
      info, operation::kCommit, [plan, seen] { return xt::commit_plan(*plan, std::move(*seen)); },
      [](Napi::Env js, xt::CommitOutcome& outcome) {
        Napi::Object result = Napi::Object::New(js);
        result.Set("outcome", static_cast<std::uint32_t>(outcome.kind));
        return result;
      });
}

// The lock as JavaScript holds it, until it unlocks or the value is collected.
struct HeldLock {
  Fd fd;
};

// xtLock(cancel, path, timeout ms | -1) → lock
Napi::Value lock(const Napi::CallbackInfo& info) {
  auto cancel = cancel_of(info[0]);
  if (cancel == nullptr) return info.Env().Undefined();
  const std::string path = text_of(info[1]);
  const std::int64_t wait = i64_of(info[2]);
  if (bad_arguments(info.Env())) return info.Env().Undefined();
  std::optional<std::chrono::milliseconds> timeout;
  if (wait >= 0) timeout = std::chrono::milliseconds(std::min(wait, kLongestWait));
  return promise<std::shared_ptr<HeldLock>>(
      info.Env(), {operation::kLock, ErrorKind::kLock}, cancel,
      [cancel, path, timeout]() -> Result<std::shared_ptr<HeldLock>> {
        auto taken = xt::take_lock(path, timeout, *cancel);
        if (!taken) return taken.error();
        return std::make_shared<HeldLock>(HeldLock{std::move(*taken)});
      },
      [](Napi::Env js, std::shared_ptr<HeldLock>& held) {
        return wrap(js, std::move(held), Kind::kXtablesLock);
      });
}

// xtUnlock(lock)
Napi::Value unlock(const Napi::CallbackInfo& info) {
  if (auto held = unwrap<HeldLock>(info[0], Kind::kXtablesLock, "not an xtables lock"))
    held->fd.reset();
  return info.Env().Undefined();
}

// xtSets(handle, names) → ({ index, family } | null)[]
Napi::Value sets(const Napi::CallbackInfo& info) {
  std::vector<std::string> names = texts_of(info[1]);
  if (bad_arguments(info.Env())) return info.Env().Undefined();
  using Found = std::vector<xt::SetId>;
  return in_namespace<Found>(
      info, operation::kSets,
      [names]() -> Result<Found> {
        Found found;
        auto lookup = xt::SetLookup::open();
        if (!lookup) return lookup.error();
        for (const auto& name : names) {
          auto id = lookup->by_name(name);
          if (!id) return id.error();
          found.push_back(*id);
        }
        return found;
      },
      [](Napi::Env js, Found& found) {
        Napi::Array result = Napi::Array::New(js, found.size());
        for (std::uint32_t i = 0; i < found.size(); i++) {
          if (!found[i].found()) {
            result[i] = js.Null();
            continue;
          }
          Napi::Object id = Napi::Object::New(js);
          id.Set("index", static_cast<std::uint32_t>(found[i].index));
          id.Set("family", static_cast<std::uint32_t>(found[i].family));
          result[i] = id;
        }
        return result;
      });
}

// Asks `has(layout, queries)` about { name, revision, target }[] → boolean[].
using Queries = std::vector<xt::RevisionQuery>;
Napi::Value revisions(const Napi::CallbackInfo& info,
                      Result<std::vector<bool>> (*has)(const xt::Family&, const Queries&)) {
  const xt::Layout* layout = layout_argument(info[1]);
  if (layout == nullptr) return info.Env().Undefined();
  Queries queries;
  for (const auto& query : items_of(info[2])) {
    queries.push_back({text_of(field_of(query, "name")),
                       static_cast<std::uint8_t>(u32_of(field_of(query, "revision"))),
                       flag_of(field_of(query, "target"))});
  }
  if (bad_arguments(info.Env())) return info.Env().Undefined();
  using Found = std::vector<bool>;
  return in_namespace<Found>(
      info, operation::kProbe, [layout, queries, has] { return has(*layout, queries); },
      [](Napi::Env js, Found& found) {
        Napi::Array result = Napi::Array::New(js, found.size());
        for (std::uint32_t i = 0; i < found.size(); i++) result[i] = static_cast<bool>(found[i]);
        return result;
      });
}

// xtRevisions(handle, family, { name, revision, target }[]) → boolean[]
Napi::Value xt_revisions(const Napi::CallbackInfo& info) {
  return revisions(info, xt::has_extensions);
}

// nftRevisions: the same for rules of nf_tables
Napi::Value nft_revisions(const Napi::CallbackInfo& info) {
  return revisions(info, nft::has_extensions);
}

// xtLook(handle, cancel, family) → { table, rules, chains, ownChains, drops }[]
Napi::Value look(const Napi::CallbackInfo& info) {
  const xt::Layout* layout = layout_argument(info[2]);
  if (layout == nullptr) return info.Env().Undefined();
  auto cancel = cancel_of(info[1]);
  if (cancel == nullptr) return info.Env().Undefined();
  using Looks = std::vector<xt::TableLook>;
  return in_namespace<Looks>(
      info, operation::kLook,
      [layout, cancel] { return xt::look_at_tables(*layout, cancel.get()); },
      [](Napi::Env js, Looks& looks) {
        Napi::Array result = Napi::Array::New(js, looks.size());
        for (std::uint32_t i = 0; i < looks.size(); i++) {
          Napi::Object one = Napi::Object::New(js);
          one.Set("table", looks[i].name);
          one.Set("rules", looks[i].rules);
          one.Set("chains", looks[i].chains);
          one.Set("ownChains", looks[i].own_chains);
          one.Set("drops", looks[i].drops);
          result[i] = one;
        }
        return result;
      },
      cancel);
}

// nftLook(handle, cancel, family) → { available, tables, chains }
Napi::Value nft_look(const Napi::CallbackInfo& info) {
  const xt::Layout* layout = layout_argument(info[2]);
  if (layout == nullptr) return info.Env().Undefined();
  auto cancel = cancel_of(info[1]);
  if (cancel == nullptr) return info.Env().Undefined();
  // Netfilter has the same numbers for the two families.
  const auto family = static_cast<std::uint8_t>(layout->family);
  return in_namespace<nft::Look>(
      info, operation::kNftLook,
      [family, cancel] { return nft::look_at_nft(family, cancel.get()); },
      [](Napi::Env js, nft::Look& found) {
        Napi::Object result = Napi::Object::New(js);
        result.Set("available", found.available);
        result.Set("tables", to_strings(js, found.tables));
        Napi::Array chains = Napi::Array::New(js, found.chains.size());
        for (std::uint32_t i = 0; i < found.chains.size(); i++) {
          const nft::BaseChainLook& chain = found.chains[i];
          Napi::Object one = Napi::Object::New(js);
          one.Set("table", chain.table);
          one.Set("name", chain.name);
          one.Set("iptables", chain.iptables);
          one.Set("drops", chain.drops);
          one.Set("rules", chain.rules);
          chains[i] = one;
        }
        result.Set("chains", chains);
        return result;
      },
      cancel);
}

// nftTables(handle, cancel, family) → string[]
Napi::Value nft_tables(const Napi::CallbackInfo& info) {
  const xt::Layout* layout = layout_argument(info[2]);
  if (layout == nullptr) return info.Env().Undefined();
  auto cancel = cancel_of(info[1]);
  if (cancel == nullptr) return info.Env().Undefined();
  return in_namespace<std::vector<std::string>>(
      info, operation::kTables,
      [layout, cancel] { return nft::existing_tables(*layout, cancel.get()); },
      [](Napi::Env js, std::vector<std::string>& names) { return to_strings(js, names); }, cancel);
}

// undefined | { chains: string[], few: number }; undefined: all rules
std::optional<nft::RulesWanted> wanted_of(const Napi::Value& value) {
  if (value.IsUndefined()) return std::nullopt;
  nft::RulesWanted wanted;
  for (std::string& name : texts_of(field_of(value, "chains"))) {
    wanted.chains.insert(std::move(name));
  }
  wanted.few = u32_of(field_of(value, "few"));
  return wanted;
}

// nftRead(handle, cancel, family, table, wanted) → ArrayBuffer
Napi::Value nft_read(const Napi::CallbackInfo& info) {
  const xt::Layout* layout = layout_argument(info[2]);
  if (layout == nullptr) return info.Env().Undefined();
  auto cancel = cancel_of(info[1]);
  if (cancel == nullptr) return info.Env().Undefined();
  const std::string table = text_of(info[3]);
  auto wanted = wanted_of(info[4]);
  if (bad_arguments(info.Env())) return info.Env().Undefined();
  return in_namespace<nft::NftImage>(
      info, operation::kRead,
      [layout, table, cancel, wanted = std::move(wanted)] {
        return nft::read_table(*layout, table, cancel.get(), wanted);
      },
      [](Napi::Env js, nft::NftImage& image) {
        return to_array_buffer(js, std::move(image.memory), image.size);
      },
      cancel);
}

// The outcome of a transaction → { outcome, script, step, errno, text }; step −1: the whole.
Napi::Value to_transaction(Napi::Env js, nft::TransactionOutcome& outcome) {
  Napi::Object result = Napi::Object::New(js);
  result.Set("outcome", static_cast<std::uint32_t>(outcome.end));
  const bool whole = outcome.step == nft::TransactionOutcome::kNoStep;
  result.Set("script", outcome.script);
  result.Set("step", whole ? -1 : static_cast<std::int32_t>(outcome.step));
  result.Set("errno", outcome.code);
  result.Set("text", outcome.text);
  return result;
}

// nftCommit(handle, scripts: Uint8Array[], commit: boolean) → { outcome, script, step, errno, text
// }
Napi::Value nft_commit(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto purpose = flag_of(info[2]) ? nft::Purpose::kCommit : nft::Purpose::kRehearse;
  auto scripts = std::make_shared<std::vector<nft::Script>>();
  for (const Napi::Value& value : items_of(info[1])) {
    // A copy, because the caller may change its array meanwhile.
    const auto bytes = bytes_of(value);
    if (bad_arguments(env)) return env.Undefined();
    auto script = nft::Script::parse({bytes.begin(), bytes.end()});
    if (!script) {
      throw_failure(env, script.error());
      return env.Undefined();
    }
    scripts->push_back(std::move(*script));
  }
  if (bad_arguments(env)) return env.Undefined();
  return in_namespace<nft::TransactionOutcome>(
      info, operation::kCommit, [scripts, purpose] { return nft::run_scripts(*scripts, purpose); },
      to_transaction);
}

}  // namespace

void export_xtables(Napi::Object exports) {
  export_function<tables, ErrorKind::kXtables>(exports, "xtTables", operation::kTables);
  export_function<read, ErrorKind::kXtables>(exports, "xtRead", operation::kRead);
  export_function<commit, ErrorKind::kXtables>(exports, "xtCommit", operation::kCommit);
  export_function<lock, ErrorKind::kLock>(exports, "xtLock", operation::kLock);
  export_function<unlock, ErrorKind::kLock>(exports, "xtUnlock", operation::kLock);
  export_function<sets, ErrorKind::kXtables>(exports, "xtSets", operation::kSets);
  export_function<xt_revisions, ErrorKind::kXtables>(exports, "xtRevisions", operation::kProbe);
  export_function<nft_revisions, ErrorKind::kXtables>(exports, "nftRevisions", operation::kProbe);
  export_function<look, ErrorKind::kXtables>(exports, "xtLook", operation::kLook);
  export_function<nft_look, ErrorKind::kXtables>(exports, "nftLook", operation::kNftLook);
  export_function<nft_tables, ErrorKind::kXtables>(exports, "nftTables", operation::kTables);
  export_function<nft_commit, ErrorKind::kXtables>(exports, "nftCommit", operation::kCommit);
  export_function<nft_read, ErrorKind::kXtables>(exports, "nftRead", operation::kRead);
}

}  // namespace nf::js
