// Memory and lists of the core as values of JavaScript.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/memory.h"

namespace nf::js {

// Exact up to 2^53.
Napi::Value to_number(Napi::Env env, std::uint64_t value);

// The memory becomes an ArrayBuffer without a copy (with one if the engine allows no external
// memory). Size 0 becomes undefined. Empty when the environment is ending.
Napi::Value to_array_buffer(Napi::Env env, Memory memory, std::size_t size);
// The memory of all buffers made by to_array_buffer and not yet collected, in this process.
std::size_t bytes_held_by_buffers();
// Tells V8 that it is time to look for buffers that are not used any more.
void ask_for_collection(Napi::Env env);

// Copies. Empty when the environment is ending.
Napi::Value to_int32_array(Napi::Env env, std::span<const std::int32_t> values);
Napi::Value to_uint32_array(Napi::Env env, std::span<const std::uint32_t> values);
Napi::Value to_uint8_array(Napi::Env env, std::span<const std::uint8_t> values);

Napi::Array to_strings(Napi::Env env, const std::vector<std::string>& strings);

}  // namespace nf::js
