// Native objects as opaque JavaScript values: type-tagged, so that a value of another kind is never
// taken for one of these, and freed by the garbage collector at the latest.
#pragma once

#include <napi.h>

#include <memory>

namespace nf::js {

template <typename T>
Napi::Value wrap(Napi::Env env, std::shared_ptr<T> shared, const napi_type_tag& tag) {
  auto value = Napi::External<std::shared_ptr<T>>::New(
      env, new std::shared_ptr<T>(std::move(shared)),
      [](Napi::BasicEnv, std::shared_ptr<T>* held) { delete held; });
  napi_type_tag_object(env, value, &tag);
  return value;
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
