// create, update, delete, and both by filter; flush.
#include "core/conntrack/change/bulk.h"
#include "core/conntrack/change/change.h"
#include "core/conntrack/change/change_many.h"
#include "core/conntrack/change/write.h"
#include "core/operation.h"
#include "napi/batch.h"
#include "napi/conntrack.h"
#include "napi/conntrack_handle.h"
#include "napi/dump_request.h"
#include "napi/exports.h"

namespace nf::js {
namespace {

Napi::Value to_outcome(Napi::Env env, ct::WriteOutcome& outcome) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("codes", to_int32_array(env, outcome.codes));
  Napi::Object texts = Napi::Object::New(env);
  for (const auto& [index, text] : outcome.texts) texts.Set(index, text);
  result.Set("texts", texts);
  return result;
}

// A copy of packed tuples, for the thread that does the work.
std::shared_ptr<std::vector<ct::PackedTuple>> tuples_of(const Napi::Value& value) {
  const auto bytes = bytes_of(value);
  auto tuples =
      std::make_shared<std::vector<ct::PackedTuple>>(bytes.size() / sizeof(ct::PackedTuple));
  if (!tuples->empty()) {
    std::memcpy(tuples->data(), bytes.data(), tuples->size() * sizeof(ct::PackedTuple));
  }
  return tuples;
}

// ctWrite(handle, WriteVerb, packed: Uint8Array) → { codes, texts }
Napi::Value write(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto cancel = std::make_shared<Cancel>();
  const bool creates = u32_of(info[1]) == static_cast<std::uint32_t>(ct::WriteVerb::kCreate);
  const auto verb = creates ? ct::WriteVerb::kCreate : ct::WriteVerb::kUpdate;
  const auto bytes = bytes_of(info[2]);
  if (bad_arguments(env)) return env.Undefined();
  auto packed = std::make_shared<std::vector<std::uint8_t>>(bytes.begin(), bytes.end());
  return promise<ct::WriteOutcome>(
      env, {verb == ct::WriteVerb::kCreate ? operation::kCreate : operation::kUpdate}, cancel,
      [handle, cancel, verb, packed] {
        const char* operation =
            verb == ct::WriteVerb::kCreate ? operation::kCreate : operation::kUpdate;
        return with_command_socket(*handle, operation, [&](Socket& socket) {
          return ct::write_flows(socket, cancel.get(), verb, *packed);
        });
      },
      to_outcome);
}

// ctUpdate(handle, tuple: Uint8Array, fields: Uint8Array) → boolean
Napi::Value update(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto cancel = std::make_shared<Cancel>();
  const auto tuple_bytes = bytes_of(info[1]);
  const auto bytes = bytes_of(info[2]);
  if (bad_arguments(env)) return env.Undefined();
  ct::PackedTuple tuple{};
  if (tuple_bytes.size() != sizeof tuple) {
    throw_range_error(env, "update: bad tuple");
    return env.Undefined();
  }
  std::memcpy(&tuple, tuple_bytes.data(), sizeof tuple);
  auto fields = std::make_shared<std::vector<std::uint8_t>>(bytes.begin(), bytes.end());
  return promise<bool>(
      env, {operation::kUpdate}, cancel,
      [handle, cancel, tuple, fields] {
        return with_command_socket(*handle, operation::kUpdate, [&](Socket& socket) {
          return ct::change_flow(socket, cancel.get(), tuple, *fields);
        });
      },
      [](Napi::Env js, bool& changed) { return Napi::Boolean::New(js, changed); });
}

// ctDelete(handle, tuples: Uint8Array) → { codes, texts }
Napi::Value remove(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto cancel = std::make_shared<Cancel>();
  auto tuples = tuples_of(info[1]);
  if (bad_arguments(env)) return env.Undefined();
  return promise<ct::WriteOutcome>(
      env, {operation::kDelete}, cancel,
      [handle, cancel, tuples] {
        return with_command_socket(*handle, operation::kDelete, [&](Socket& socket) {
          return ct::delete_flows(socket, cancel.get(), *tuples);
        });
      },
      to_outcome);
}

// ctUpdateMany(handle, tuples: Uint8Array, fields: Uint8Array) → { codes, texts }
Napi::Value update_many(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto cancel = std::make_shared<Cancel>();
  auto tuples = tuples_of(info[1]);
  const auto bytes = bytes_of(info[2]);
  if (bad_arguments(env)) return env.Undefined();
  auto fields = std::make_shared<std::vector<std::uint8_t>>(bytes.begin(), bytes.end());
  return promise<ct::WriteOutcome>(
      env, {operation::kUpdate}, cancel,
      [handle, cancel, tuples, fields] {
        return with_command_socket(*handle, operation::kUpdate, [&](Socket& socket) {
          return ct::change_flows(socket, cancel.get(), *tuples, *fields);
        });
      },
      to_outcome);
}

struct BulkResult {
  ct::BulkStats stats;
  ct::Columns deleted;
};

Napi::Object to_bulk(Napi::Env env, const ct::BulkStats& stats) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("stats", to_stats(env, stats.dump));
  result.Set("done", static_cast<double>(stats.done));
  result.Set("refused", static_cast<double>(stats.refused));
  result.Set("cancelled", stats.cancelled);
  if (stats.refused > 0) result.Set("refusal", to_failure(env, stats.first_refusal));
  return result;
}

// Two sockets of the handle's namespace: a dump never shares its socket with commands.
template <typename Work>
auto with_bulk_sockets(Handle& handle, const char* operation, Work work)
    -> decltype(work(std::declval<ct::BulkSockets>())) {
  auto dump = handle.open_socket(operation);
  if (!dump) return dump.error();
  auto command = handle.open_socket(operation);
  if (!command) return command.error();
  return work(ct::BulkSockets{*dump, *command});
}

// ctDeleteWhere(handle, cancel, filter, returning) → { done, stats, batch? }
Napi::Value delete_where(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto cancel = cancel_of(info[1]);
  auto filter = filter_of(info[2]);
  if (cancel == nullptr || filter == nullptr) return env.Undefined();
  const bool returning = flag_of(info[3]);
  return promise<BulkResult>(
      env, {operation::kDelete}, cancel,
      [handle, cancel, filter, returning]() -> Result<BulkResult> {
        return with_bulk_sockets(
            *handle, operation::kDelete, [&](ct::BulkSockets sockets) -> Result<BulkResult> {
              BulkResult result;
              auto done = ct::delete_where(sockets, *filter, *cancel,
                                           returning ? &result.deleted : nullptr);
              if (!done) return done.error();
              result.stats = std::move(*done);
              return result;
            });
      },
      [returning](Napi::Env js, BulkResult& done) {
        Napi::Object result = to_bulk(js, done.stats);
        if (returning) result.Set("batch", to_batch(js, done.deleted));
        return result;
      });
}

// ctUpdateWhere(handle, cancel, filter, fields: Uint8Array) → { done, refused, refusal?,
// stats }
Napi::Value update_where(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto cancel = cancel_of(info[1]);
  auto filter = filter_of(info[2]);
  if (cancel == nullptr || filter == nullptr) return env.Undefined();
  const auto bytes = bytes_of(info[3]);
  if (bad_arguments(env)) return env.Undefined();
  auto fields = std::make_shared<std::vector<std::uint8_t>>(bytes.begin(), bytes.end());
  return promise<ct::BulkStats>(
      env, {operation::kUpdate}, cancel,
      [handle, cancel, filter, fields] {
        return with_bulk_sockets(*handle, operation::kUpdate, [&](ct::BulkSockets sockets) {
          return ct::update_where(sockets, *filter, *cancel, *fields);
        });
      },
      [](Napi::Env js, ct::BulkStats& done) { return to_bulk(js, done); });
}

// ctFlush(handle, cancel, filter | null) → { done, … }
Napi::Value flush(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto cancel = cancel_of(info[1]);
  const bool whole = info[2].IsNull();
  auto filter = whole ? nullptr : filter_of(info[2]);
  if (cancel == nullptr || (!whole && filter == nullptr)) return env.Undefined();
  return promise<ct::BulkStats>(
      env, {operation::kFlush}, cancel,
      [handle, cancel, filter]() -> Result<ct::BulkStats> {
        return with_bulk_sockets(
            *handle, operation::kFlush, [&](ct::BulkSockets sockets) -> Result<ct::BulkStats> {
              if (filter == nullptr) {
                auto done = ct::flush_all(sockets.command, *cancel);
                if (!done) return done.error();
                return ct::BulkStats{};
              }
              // A filter without criteria is a mistake of the caller: refused.
              if (filter->empty()) return fail(22, operation::kFlush, "empty filter");
              auto flushed = ct::flush_in_kernel(sockets.command, *filter, *cancel);
              if (!flushed) return flushed.error();
              if (*flushed) return ct::BulkStats{};
              return ct::delete_where(sockets, *filter, *cancel, nullptr);
            });
      },
      [](Napi::Env js, ct::BulkStats& done) { return to_bulk(js, done); });
}

}  // namespace

void export_write(Napi::Object exports) {
  export_function<write>(exports, "ctWrite", operation::kWrite);
  export_function<remove>(exports, "ctDelete", operation::kDelete);
  export_function<delete_where>(exports, "ctDeleteWhere", operation::kDelete);
  export_function<update_where>(exports, "ctUpdateWhere", operation::kUpdate);
  export_function<flush>(exports, "ctFlush", operation::kFlush);
  export_function<update>(exports, "ctUpdate", operation::kUpdate);
  export_function<update_many>(exports, "ctUpdateMany", operation::kUpdate);
}

}  // namespace nf::js
