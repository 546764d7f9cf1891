// Native objects as opaque JavaScript values. They have a type tag, so that a value of another kind
// is never taken for one of these. The garbage collector frees them at the latest. The finalizer
// may run after the environment's teardown: destroying a T must not touch the Environment.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>

#include "napi/arguments.h"

namespace nf::js {

// The only list of kinds: two kinds with the same tag would be taken for each other.
enum class Kind : std::uint64_t {
  kHandle = 1,
  kCancel,
  kDumpStream,
  kEventStream,
  kXtablesLock,
  kNftChanges
};

inline napi_type_tag tag_of(Kind kind) {
  return {0x6e667f1c4a3b4d01, 0x9c1e0a6b5d2f8e00 | static_cast<std::uint64_t>(kind)};
}

// Empty if it cannot be made: an exception is pending, or the environment is ending.
template <typename T>
Napi::Value wrap(Napi::Env env, std::shared_ptr<T> shared, Kind kind) {
  auto box = std::make_unique<std::shared_ptr<T>>(std::move(shared));
  napi_value value = nullptr;
  const auto finalize = [](napi_env, void* data, void*) {
    delete static_cast<std::shared_ptr<T>*>(data);
  };
  if (napi_create_external(env, box.get(), finalize, nullptr, &value) != napi_ok) return {};
  static_cast<void>(box.release());  // the finalizer owns it now
  const napi_type_tag tag = tag_of(kind);
  if (napi_type_tag_object(env, value, &tag) != napi_ok) return {};
  return {env, value};
}

// Null (and an exception pending) when the value is of another kind.
template <typename T>
std::shared_ptr<T> unwrap(const Napi::Value& value, Kind kind, const char* what) {
  const napi_type_tag tag = tag_of(kind);
  bool matches = false;
  if (value.IsExternal()) {
    napi_check_object_type_tag(value.Env(), value, &tag, &matches);
  }
  if (!matches) {
    throw_type_error(value.Env(), what);
    return nullptr;
  }
  return *value.As<Napi::External<std::shared_ptr<T>>>().Data();
}

}  // namespace nf::js
