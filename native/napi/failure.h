// Errors of the core as values: data, of which TypeScript makes the typed error.
#pragma once

#include <napi.h>

#include "core/result.h"

namespace nf::js {

// { errno, operation, kind?, detail? }: what src/errors.ts makes an error of.
Napi::Value to_failure(Napi::Env env, const Error& error);
// Throws such a description; TypeScript turns it into the typed error.
void throw_failure(Napi::Env env, const Error& error);

}  // namespace nf::js
