// Describing and throwing errors.
#include "napi/failure.h"

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

}  // namespace

Napi::Value to_failure(Napi::Env env, const Error& error) {
  Napi::Object failure = Napi::Object::New(env);
  failure.Set("errno", error.code);
  failure.Set("operation", error.operation_name());
  failure.Set("kind", kind_name(error.kind));
  // Raw calls, because Set() makes a std::string of a Napi::String, which takes memory.
  napi_value detail = nullptr;
  if (!error.detail.empty() &&
      napi_create_string_utf8(env, error.detail.data(), error.detail.size(), &detail) == napi_ok) {
    napi_set_named_property(env, failure, "detail", detail);
  }
  return failure;
}

void throw_failure(Napi::Env env, const Error& error) { napi_throw(env, to_failure(env, error)); }

}  // namespace nf::js
