// Conversions.
#include "napi/values.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

namespace nf::js {
namespace {

std::atomic<std::size_t> held_bytes{0};

// The memory of an ArrayBuffer. It is freed when the garbage collector finds the buffer unused.
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

// Forces the copy that engines without external memory need, so that it can be tested.
bool external_memory_forbidden() {
  static const bool forbidden = std::getenv("CONNTRACK_NO_EXTERNAL_MEMORY") != nullptr;
  return forbidden;
}

template <typename T>
Napi::Value to_typed_array(Napi::Env env, napi_typedarray_type type, std::span<const T> values) {
  void* data = nullptr;
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  if (napi_create_arraybuffer(env, values.size_bytes(), &data, &buffer) != napi_ok) return {};
  if (!values.empty()) std::memcpy(data, values.data(), values.size_bytes());
  if (napi_create_typedarray(env, type, values.size(), buffer, 0, &array) != napi_ok) return {};
  return {env, array};
}

}  // namespace

Napi::Value to_number(Napi::Env env, std::uint64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

Napi::Value to_array_buffer(Napi::Env env, Memory memory, std::size_t size) {
  if (size == 0) return env.Undefined();
  auto held = std::make_shared<Memory>(std::move(memory));
  napi_value buffer = nullptr;
  if (!external_memory_forbidden()) {
    auto* box = new Held(held);
    const napi_status status =
        napi_create_external_arraybuffer(env, held->data(), size, release, box, &buffer);
    if (status == napi_ok) return {env, buffer};
    // After some failures (too large a buffer) Node calls the finalizer, at once or later. `held`
    // keeps the memory for the copy. The box is still ours only if Node tried nothing.
    if (status == napi_no_external_buffers_allowed || status == napi_pending_exception) delete box;
    if (status != napi_no_external_buffers_allowed) return {};
  }
  void* data = nullptr;
  if (napi_create_arraybuffer(env, size, &data, &buffer) != napi_ok || data == nullptr) return {};
  std::memcpy(data, held->data(), size);
  return {env, buffer};
}

Napi::Value to_int32_array(Napi::Env env, std::span<const std::int32_t> values) {
  return to_typed_array(env, napi_int32_array, values);
}
Napi::Value to_uint32_array(Napi::Env env, std::span<const std::uint32_t> values) {
  return to_typed_array(env, napi_uint32_array, values);
}
Napi::Value to_uint8_array(Napi::Env env, std::span<const std::uint8_t> values) {
  return to_typed_array(env, napi_uint8_array, values);
}

std::size_t bytes_held_by_buffers() { return held_bytes; }

void ask_for_collection(Napi::Env env) {
  // V8 begins to mark when external memory passes a limit, which starts at 64 MiB.
  constexpr std::int64_t kPressure = std::int64_t{64} << 20;
  std::int64_t now = 0;
  napi_adjust_external_memory(env, kPressure, &now);
  napi_adjust_external_memory(env, -kPressure, &now);
}

Napi::Array to_strings(Napi::Env env, const std::vector<std::string>& strings) {
  Napi::Array result = Napi::Array::New(env, strings.size());
  for (std::uint32_t i = 0; i < strings.size(); i++) result[i] = strings[i];
  return result;
}

}  // namespace nf::js
