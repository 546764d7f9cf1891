// The addon's entry: what it exports, by feature.
#include <napi.h>

#include "napi/conntrack.h"
#include "napi/environment.h"
#include "napi/system.h"
#include "napi/xtables.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  if (!nf::js::Environment::install(env)) return exports;
  nf::js::export_conntrack(env, exports);
  nf::js::export_system(env, exports);
  nf::js::export_xtables(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(conntrack, init)
