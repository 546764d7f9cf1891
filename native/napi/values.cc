// Conversions.
#include "napi/values.h"

#include <cstdlib>

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

void unmap(napi_env, void*, void* hint) { delete static_cast<Mapping*>(hint); }

Napi::Value number(Napi::Env env, std::uint64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

// Forces the copy that engines without external memory need, so that it can be tested.
bool external_memory_forbidden() {
  static const bool forbidden = std::getenv("CONNTRACK_NO_EXTERNAL_MEMORY") != nullptr;  // NOLINT
  return forbidden;
}

}  // namespace

Napi::Value to_failure(Napi::Env env, const Error& error) {
  Napi::Object failure = Napi::Object::New(env);
  failure.Set("errno", error.code);
  failure.Set("operation", error.operation);
  failure.Set("kind", kind_name(error.kind));
  if (!error.detail.empty()) failure.Set("detail", error.detail);
  return failure;
}

void throw_failure(Napi::Env env, const Error& error) { napi_throw(env, to_failure(env, error)); }

Napi::Value to_array_buffer(Napi::Env env, Mapping mapping, std::size_t size) {
  if (size == 0) return env.Undefined();
  if (!external_memory_forbidden()) {
    auto* held = new Mapping(std::move(mapping));
    napi_value buffer = nullptr;
    const napi_status status = napi_create_external_arraybuffer(
        env, held->data(), size, reinterpret_cast<napi_finalize>(unmap), held, &buffer);
    if (status == napi_ok) return {env, buffer};
    mapping = std::move(*held);
    delete held;
  }
  Napi::ArrayBuffer copy = Napi::ArrayBuffer::New(env, size);
  if (copy.IsEmpty() || copy.Data() == nullptr) return env.Undefined();
  std::memcpy(copy.Data(), mapping.data(), size);
  return copy;
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

std::span<const std::uint8_t> bytes_of(const Napi::Value& value) {
  if (!value.IsTypedArray()) return {};
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

std::span<const std::uint32_t> words_of(const Napi::Value& value) {
  if (!value.IsTypedArray()) return {};
  const auto array = value.As<Napi::Uint32Array>();
  return {array.Data(), array.ElementLength()};
}

}  // namespace nf::js
