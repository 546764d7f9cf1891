// The addon's entry: what it exports, by feature.
#include <napi.h>

#include "napi/arguments.h"
#include "napi/conntrack.h"
#include "napi/environment.h"
#include "napi/system.h"
#include "napi/xtables.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  try {
    if (!nf::js::Environment::install(env)) return exports;
    nf::js::export_conntrack(exports);
    nf::js::export_system(exports);
    nf::js::export_xtables(exports);
    nf::js::export_nft_changes(exports);
  } catch (...) {
    nf::js::throw_error(env, "no memory to load the addon");
  }
  return exports;
}

}  // namespace

NODE_API_MODULE(conntrack, init)
