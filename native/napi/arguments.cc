// Reads arguments by raw calls, and checks the status of each call.
#include "napi/arguments.h"

namespace nf::js {
namespace {

void expected(const Napi::Value& value, const char* what) { throw_type_error(value.Env(), what); }

void* typed_array(const Napi::Value& value, napi_typedarray_type wanted, std::size_t& length) {
  bool is = false;
  napi_typedarray_type type{};
  void* data = nullptr;
  length = 0;
  if (napi_is_typedarray(value.Env(), value, &is) != napi_ok || !is ||
      napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr) !=
          napi_ok ||
      type != wanted) {
    length = 0;
    expected(value,
             wanted == napi_uint8_array ? "expected a Uint8Array" : "expected a Uint32Array");
    return nullptr;
  }
  if (data == nullptr) length = 0;  // detached
  return data;
}

}  // namespace

bool bad_arguments(Napi::Env env) {
  bool pending = false;
  return napi_is_exception_pending(env, &pending) != napi_ok || pending;
}

void throw_type_error(Napi::Env env, const char* text) {
  if (!bad_arguments(env)) napi_throw_type_error(env, nullptr, text);
}
void throw_range_error(Napi::Env env, const char* text) {
  if (!bad_arguments(env)) napi_throw_range_error(env, nullptr, text);
}
void throw_error(Napi::Env env, const char* text) {
  if (!bad_arguments(env)) napi_throw_error(env, nullptr, text);
}

std::uint32_t u32_of(const Napi::Value& value) {
  std::uint32_t number = 0;
  if (napi_get_value_uint32(value.Env(), value, &number) != napi_ok) {
    expected(value, "expected a number");
  }
  return number;
}

std::int64_t i64_of(const Napi::Value& value) {
  std::int64_t number = 0;
  if (napi_get_value_int64(value.Env(), value, &number) != napi_ok) {
    expected(value, "expected a number");
  }
  return number;
}

double double_of(const Napi::Value& value) {
  double number = 0;
  if (napi_get_value_double(value.Env(), value, &number) != napi_ok) {
    expected(value, "expected a number");
  }
  return number;
}

bool flag_of(const Napi::Value& value) {
  bool flag = false;
  napi_value as_boolean = nullptr;
  if (napi_coerce_to_bool(value.Env(), value, &as_boolean) != napi_ok ||
      napi_get_value_bool(value.Env(), as_boolean, &flag) != napi_ok) {
    expected(value, "expected a boolean");
  }
  return flag;
}

std::string text_of(const Napi::Value& value) {
  std::size_t length = 0;
  if (napi_get_value_string_utf8(value.Env(), value, nullptr, 0, &length) != napi_ok) {
    expected(value, "expected a string");
    return {};
  }
  std::string text(length, '\0');
  // The terminator goes where std::string keeps its own.
  if (napi_get_value_string_utf8(value.Env(), value, text.data(), length + 1, &length) != napi_ok) {
    return {};
  }
  return text;
}

std::vector<Napi::Value> items_of(const Napi::Value& array) {
  std::vector<Napi::Value> items;
  std::uint32_t length = 0;
  if (napi_get_array_length(array.Env(), array, &length) != napi_ok) {
    expected(array, "expected an array");
  }
  for (std::uint32_t i = 0; i < length; i++) {
    napi_value item = nullptr;
    if (napi_get_element(array.Env(), array, i, &item) != napi_ok) break;
    items.emplace_back(array.Env(), item);
  }
  return items;
}

std::vector<std::string> texts_of(const Napi::Value& array) {
  std::vector<std::string> texts;
  for (const auto& item : items_of(array)) texts.push_back(text_of(item));
  return texts;
}

Napi::Value field_of(const Napi::Value& object, const char* name) {
  napi_valuetype type{};
  napi_value field = nullptr;
  if (napi_typeof(object.Env(), object, &type) != napi_ok || type != napi_object ||
      napi_get_named_property(object.Env(), object, name, &field) != napi_ok) {
    expected(object, "expected an object");
    return object.Env().Undefined();
  }
  return {object.Env(), field};
}

std::span<const std::uint8_t> bytes_of(const Napi::Value& value) {
  return writable_bytes_of(value);
}

std::span<std::uint8_t> writable_bytes_of(const Napi::Value& value) {
  std::size_t length = 0;
  auto* data = static_cast<std::uint8_t*>(typed_array(value, napi_uint8_array, length));
  return {data, length};
}

std::span<const std::uint32_t> words_of(const Napi::Value& value) {
  std::size_t length = 0;
  const auto* data = static_cast<std::uint32_t*>(typed_array(value, napi_uint32_array, length));
  return {data, length};
}

}  // namespace nf::js
