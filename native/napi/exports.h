// What JavaScript may call. No C++ exception leaves these functions (rule 8 of environment.h): it
// is thrown as any other failure.
#pragma once

#include <napi.h>

#include "core/guard.h"
#include "napi/arguments.h"
#include "napi/failure.h"

namespace nf::js {

using Exported = Napi::Value (*)(const Napi::CallbackInfo&);

template <Exported function, ErrorKind kind>
Napi::Value enter(const Napi::CallbackInfo& info) noexcept {
  try {
    return function(info);
  } catch (...) {
    if (!bad_arguments(info.Env())) {
      throw_failure(info.Env(), out_of_memory(static_cast<const char*>(info.Data()), kind));
    }
    return info.Env().Undefined();
  }
}

// `operation` names the failure if there is no memory for the call itself. Both are literals.
template <Exported function, ErrorKind kind = ErrorKind::kNetlink>
void export_function(Napi::Object exports, const char* name, const char* operation) {
  void* data = const_cast<char*>(operation);
  exports.Set(name, Napi::Function::New<enter<function, kind>>(exports.Env(), name, data));
}

}  // namespace nf::js
