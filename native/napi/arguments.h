// Reads what JavaScript passed. src/native/binding.ts says what that is and TypeScript checks it,
// so a value of another kind is a mistake of this package. It gives a TypeError, never a crash: the
// exception is pending when these functions return some default. The conversions of node-addon-api
// would end the process on an empty value.
#pragma once

#include <napi.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace nf::js {

// Whether an argument had another kind than was read, or the environment is ending. The caller must
// return at once then.
bool bad_arguments(Napi::Env env);

// Does nothing if an exception is pending already: in node-addon-api a second one ends the process.
void throw_type_error(Napi::Env env, const char* text);
void throw_range_error(Napi::Env env, const char* text);
void throw_error(Napi::Env env, const char* text);

// A number, cut to the type as ECMAScript does.
std::uint32_t u32_of(const Napi::Value& value);
std::int64_t i64_of(const Napi::Value& value);
double double_of(const Napi::Value& value);
// Any value: its truth.
bool flag_of(const Napi::Value& value);
std::string text_of(const Napi::Value& value);
std::vector<Napi::Value> items_of(const Napi::Value& array);
std::vector<std::string> texts_of(const Napi::Value& array);
// A property of an object. Undefined if the value is no object.
Napi::Value field_of(const Napi::Value& object, const char* name);

// Views into a Uint8Array and a Uint32Array; valid during the call.
std::span<const std::uint8_t> bytes_of(const Napi::Value& value);
std::span<std::uint8_t> writable_bytes_of(const Napi::Value& value);
std::span<const std::uint32_t> words_of(const Napi::Value& value);

}  // namespace nf::js
