// getSync: one lookup on the JS thread. The row is written straight into memory that JavaScript
// owns, so that a lookup makes no object in native code.
#include "core/conntrack/dump/lookup.h"
#include "core/conntrack/lookup_row.h"
#include "core/operation.h"
#include "napi/conntrack.h"
#include "napi/conntrack_handle.h"
#include "napi/exports.h"

namespace nf::js {
namespace {

// ctGetSync(handle, tuple: Uint8Array, arena: Uint8Array, capacity, row, extra: Uint8Array)
//   → bytes of rare attributes written to `extra`, or -1: no such flow.
// The arena holds `capacity` rows as a batch does, then 4 * 16 bytes of addresses per row.
Napi::Value get_sync(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  const auto tuple_bytes = bytes_of(info[1]);
  const auto arena = writable_bytes_of(info[2]);
  const std::size_t capacity = u32_of(info[3]);
  const std::size_t at = u32_of(info[4]);
  const auto extra = writable_bytes_of(info[5]);
  if (bad_arguments(env)) return env.Undefined();
  if (tuple_bytes.size() != sizeof(ct::PackedTuple) || at >= capacity ||
      arena.size() < capacity * ct::kLookupRowBytes) {
    throw_range_error(env, "getSync: bad arena");
    return env.Undefined();
  }
  if (!handle->sync.valid()) {
    if (auto opened = handle->open_sync(operation::kGet); !opened) {
      throw_failure(env, opened.error());
      return env.Undefined();
    }
  }
  if (handle->sync_buffer == nullptr) {
    handle->sync_buffer = std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveLength);
  }
  ct::PackedTuple tuple;
  std::memcpy(&tuple, tuple_bytes.data(), sizeof tuple);
  ct::Row row;
  auto found = ct::look_up_one(handle->sync, tuple, handle->sync_request,
                               {handle->sync_buffer.get(), kReceiveLength}, row);
  if (!found) {
    handle->sync = Socket();  // an answer that is still to come must not reach the next lookup
    throw_failure(env, found.error());
    return env.Undefined();
  }
  if (!*found) return Napi::Number::New(env, -1);
  const auto written = ct::store_lookup(row, arena.data(), capacity, at, extra);
  return Napi::Number::New(env, static_cast<double>(written));
}

}  // namespace

void export_get_sync(Napi::Object exports) {
  export_function<get_sync>(exports, "ctGetSync", operation::kGet);
}

}  // namespace nf::js
