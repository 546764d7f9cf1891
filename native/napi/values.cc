// Conversions.
#include "napi/values.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace nf::js {
namespace {

const char* kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kNetlink:
      return "netlink";
    case ErrorKind::kXtables:
      return "xtables";
    case ErrorKind::kLock:
      return "lock";
    case ErrorKind::kLibrary:
      return "library";
    case ErrorKind::kUnsupported:
      return "unsupported";
    case ErrorKind::kCancelled:
      return "cancelled";
  }
  return "netlink";
}

std::atomic<std::size_t> held_bytes{0};

// What an ArrayBuffer holds: gone when the garbage collector has found the buffer unused.
struct Held {
  explicit Held(std::shared_ptr<Memory> what) : memory(std::move(what)) {
    held_bytes += memory->size();
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() { held_bytes -= memory->size(); }
  std::shared_ptr<Memory> memory;
};

void release(napi_env, void*, void* hint) { delete static_cast<Held*>(hint); }

Napi::Value number(Napi::Env env, std::uint64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

// Forces the copy that engines without external memory need, so that it can be tested.
bool external_memory_forbidden() {
  static const bool forbidden = std::getenv("CONNTRACK_NO_EXTERNAL_MEMORY") != nullptr;
  return forbidden;
}

}  // namespace

Napi::Value to_failure(Napi::Env env, const Error& error) {
  Napi::Object failure = Napi::Object::New(env);
  failure.Set("errno", error.code);
  failure.Set("operation", error.operation_name());
  failure.Set("kind", kind_name(error.kind));
  // By raw calls: Set() makes a std::string of a Napi::String, which takes memory.
  napi_value detail = nullptr;
  if (!error.detail.empty() &&
      napi_create_string_utf8(env, error.detail.data(), error.detail.size(), &detail) == napi_ok) {
    napi_set_named_property(env, failure, "detail", detail);
  }
  return failure;
}

void throw_failure(Napi::Env env, const Error& error) { napi_throw(env, to_failure(env, error)); }

Napi::Value to_array_buffer(Napi::Env env, Memory memory, std::size_t size) {
  if (size == 0) return env.Undefined();
  auto held = std::make_shared<Memory>(std::move(memory));
  napi_value buffer = nullptr;
  if (!external_memory_forbidden()) {
    auto* box = new Held(held);
    const napi_status status =
        napi_create_external_arraybuffer(env, held->data(), size, release, box, &buffer);
    if (status == napi_ok) return {env, buffer};
    // Node calls the finalizer of some failures (too large a buffer), at once or later. `held`
    // keeps the memory for the copy; the box is ours only where nothing was tried.
    if (status == napi_no_external_buffers_allowed || status == napi_pending_exception) delete box;
    if (status != napi_no_external_buffers_allowed) return {};
  }
  void* data = nullptr;
  if (napi_create_arraybuffer(env, size, &data, &buffer) != napi_ok || data == nullptr) return {};
  std::memcpy(data, held->data(), size);
  return {env, buffer};
}

Napi::Value to_int32_array(Napi::Env env, std::span<const std::int32_t> values) {
  void* data = nullptr;
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  if (napi_create_arraybuffer(env, values.size_bytes(), &data, &buffer) != napi_ok) return {};
  if (!values.empty()) std::memcpy(data, values.data(), values.size_bytes());
  if (napi_create_typedarray(env, napi_int32_array, values.size(), buffer, 0, &array) != napi_ok) {
    return {};
  }
  return {env, array};
}

std::size_t bytes_held_by_buffers() { return held_bytes; }

void ask_for_collection(Napi::Env env) {
  // V8 begins to mark when external memory passes a limit, which starts at 64 MiB.
  constexpr std::int64_t kPressure = std::int64_t{64} << 20;
  std::int64_t now = 0;
  napi_adjust_external_memory(env, kPressure, &now);
  napi_adjust_external_memory(env, -kPressure, &now);
}

Napi::Object to_batch(Napi::Env env, ct::Columns& columns) {
  Napi::Object batch = Napi::Object::New(env);
  columns.compact();
  const std::size_t arena = columns.arena_bytes();
  const std::size_t addresses = columns.addresses().size();
  const std::size_t index = columns.extra_index().size();
  const std::size_t extra = columns.extra_bytes().size();
  batch.Set("rows", number(env, columns.size()));
  batch.Set("capacity", number(env, columns.capacity()));
  batch.Set("withoutCounters", number(env, columns.without_counters()));
  batch.Set("arena", to_array_buffer(env, columns.take_arena(), columns.size() == 0 ? 0 : arena));
  batch.Set("addresses", to_array_buffer(env, columns.addresses().take(), addresses));
  batch.Set("extraIndex", to_array_buffer(env, columns.extra_index().take(), index));
  batch.Set("extra", to_array_buffer(env, columns.extra_bytes().take(), extra));
  return batch;
}

Napi::Object to_stats(Napi::Env env, const ct::DumpStats& stats) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("messages", number(env, stats.messages));
  result.Set("undecodable", number(env, stats.undecodable));
  result.Set("rejected", number(env, stats.rejected));
  result.Set("duplicates", number(env, stats.duplicates));
  result.Set("kernelFilter", number(env, stats.kernel_filter));
  result.Set("sockets", number(env, stats.sockets));
  return result;
}

}  // namespace nf::js
