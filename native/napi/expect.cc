// Expectations: list, get, create, delete, flush. Their events are an event stream.
#include "core/conntrack/expect/expect.h"
#include "core/operation.h"
#include "napi/conntrack.h"
#include "napi/conntrack_handle.h"
#include "napi/exports.h"
#include "napi/values.h"

namespace nf::js {
namespace {

// A struct that JavaScript packed; false with an exception pending when it has another size.
template <typename T>
bool read_struct(const Napi::Value& value, T& out) {
  const auto bytes = bytes_of(value);
  if (bytes.size() != sizeof out) {
    throw_range_error(value.Env(), "packed value: bad size");
    return false;
  }
  std::memcpy(&out, bytes.data(), sizeof out);
  return true;
}

Napi::Value to_messages(Napi::Env env, GrowBuffer& messages) {
  const std::size_t size = messages.size();
  return to_array_buffer(env, messages.take(), size);
}

// ctExpectList(handle, master: Uint8Array | null) → ArrayBuffer | undefined
Napi::Value list_expectations(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  std::optional<ct::PackedTuple> master;
  if (!info[1].IsNull() && !read_struct(info[1], master.emplace())) return env.Undefined();
  auto cancel = std::make_shared<Cancel>();
  return promise<GrowBuffer>(
      env, {operation::kExpectList}, cancel,
      [handle, cancel, master]() -> Result<GrowBuffer> {
        return with_command_socket(
            *handle, operation::kExpectList, [&](Socket& socket) -> Result<GrowBuffer> {
              GrowBuffer found;
              auto done = ct::list_expectations(socket, cancel.get(), master, found);
              if (!done) return done.error();
              return found;
            });
      },
      to_messages);
}

// ctExpectGet(handle, tuple: Uint8Array) → ArrayBuffer | undefined
Napi::Value get_expectation(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  ct::PackedTuple tuple;
  if (handle == nullptr || !read_struct(info[1], tuple)) return env.Undefined();
  auto cancel = std::make_shared<Cancel>();
  return promise<GrowBuffer>(
      env, {operation::kExpectGet}, cancel,
      [handle, cancel, tuple]() -> Result<GrowBuffer> {
        return with_command_socket(
            *handle, operation::kExpectGet, [&](Socket& socket) -> Result<GrowBuffer> {
              GrowBuffer found;
              auto done = ct::find_expectation(socket, cancel.get(), tuple, found);
              if (!done) return done.error();
              return found;
            });
      },
      to_messages);
}

// ctExpectCreate(handle, expectation: Uint8Array) → undefined
Napi::Value create_expectation(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  ct::PackedExpectation expectation;
  if (handle == nullptr || !read_struct(info[1], expectation)) return env.Undefined();
  expectation.helper[sizeof expectation.helper - 1] = '\0';
  expectation.function[sizeof expectation.function - 1] = '\0';
  auto cancel = std::make_shared<Cancel>();
  return promise<bool>(
      env, {operation::kExpectCreate}, cancel,
      [handle, cancel, expectation]() -> Result<bool> {
        return with_command_socket(
            *handle, operation::kExpectCreate, [&](Socket& socket) -> Result<bool> {
              auto done = ct::create_expectation(socket, cancel.get(), expectation);
              if (!done) return done.error();
              return true;
            });
      },
      [](Napi::Env js, bool&) { return js.Undefined(); });
}

// ctExpectDelete(handle, tuple: Uint8Array) → boolean
Napi::Value remove_expectation(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  ct::PackedTuple tuple;
  if (handle == nullptr || !read_struct(info[1], tuple)) return env.Undefined();
  auto cancel = std::make_shared<Cancel>();
  return promise<bool>(
      env, {operation::kExpectDelete}, cancel,
      [handle, cancel, tuple] {
        return with_command_socket(*handle, operation::kExpectDelete, [&](Socket& socket) {
          return ct::delete_expectation(socket, cancel.get(), tuple);
        });
      },
      [](Napi::Env js, bool& deleted) { return Napi::Boolean::New(js, deleted); });
}

// ctExpectFlush(handle, helper: string | null) → undefined
Napi::Value flush_expectations(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  // Only null means all of them, so that a mistake cannot empty the list.
  const std::string helper = info[1].IsNull() ? std::string() : text_of(info[1]);
  if (bad_arguments(env)) return env.Undefined();
  auto cancel = std::make_shared<Cancel>();
  return promise<bool>(
      env, {operation::kExpectFlush}, cancel,
      [handle, cancel, helper]() -> Result<bool> {
        return with_command_socket(
            *handle, operation::kExpectFlush, [&](Socket& socket) -> Result<bool> {
              auto done = ct::flush_expectations(socket, cancel.get(), helper);
              if (!done) return done.error();
              return true;
            });
      },
      [](Napi::Env js, bool&) { return js.Undefined(); });
}

}  // namespace

void export_expect(Napi::Object exports) {
  export_function<list_expectations>(exports, "ctExpectList", operation::kExpectList);
  export_function<get_expectation>(exports, "ctExpectGet", operation::kExpectGet);
  export_function<create_expectation>(exports, "ctExpectCreate", operation::kExpectCreate);
  export_function<remove_expectation>(exports, "ctExpectDelete", operation::kExpectDelete);
  export_function<flush_expectations>(exports, "ctExpectFlush", operation::kExpectFlush);
}

}  // namespace nf::js
