// Native objects as opaque JavaScript values: type-tagged, so that a value of another kind is never
// taken for one of these, and freed by the garbage collector at the latest. The finalizer may run
// after the environment's teardown: destroying a T must not touch the Environment.
#pragma once

#include <napi.h>

#include <memory>

namespace nf::js {

// Empty, and an exception pending or the environment ending, when it cannot be made.
template <typename T>
Napi::Value wrap(Napi::Env env, std::shared_ptr<T> shared, const napi_type_tag& tag) {
  auto box = std::make_unique<std::shared_ptr<T>>(std::move(shared));
  napi_value value = nullptr;
  const auto finalize = [](napi_env, void* data, void*) {
    delete static_cast<std::shared_ptr<T>*>(data);
  };
  if (napi_create_external(env, box.get(), finalize, nullptr, &value) != napi_ok) return {};
  static_cast<void>(box.release());  // the finalizer's
  if (napi_type_tag_object(env, value, &tag) != napi_ok) return {};
  return {env, value};
}

// The place of the pointer inside; null (and an exception pending) for a value of another kind.
template <typename T>
std::shared_ptr<T>* unwrap_slot(const Napi::Value& value, const napi_type_tag& tag,
                                const char* what) {
  bool matches = false;
  if (value.IsExternal()) {
    napi_check_object_type_tag(value.Env(), value, &tag, &matches);
  }
  if (!matches) {
    Napi::TypeError::New(value.Env(), what).ThrowAsJavaScriptException();
    return nullptr;
  }
  return value.As<Napi::External<std::shared_ptr<T>>>().Data();
}

// Null (and an exception pending) when the value is of another kind; null also when it was let go.
template <typename T>
std::shared_ptr<T> unwrap(const Napi::Value& value, const napi_type_tag& tag, const char* what) {
  auto* slot = unwrap_slot<T>(value, tag, what);
  return slot == nullptr ? nullptr : *slot;
}

}  // namespace nf::js
