// The exports for the connection-tracking table.
#pragma once

#include <napi.h>

namespace nf::js {

void export_handle(Napi::Env env, Napi::Object exports);
void export_read(Napi::Env env, Napi::Object exports);
void export_dump_stream(Napi::Env env, Napi::Object exports);
void export_get_sync(Napi::Env env, Napi::Object exports);
void export_write(Napi::Env env, Napi::Object exports);
void export_event_stream(Napi::Env env, Napi::Object exports);
void export_expect(Napi::Env env, Napi::Object exports);

inline void export_conntrack(Napi::Env env, Napi::Object exports) {
  export_handle(env, exports);
  export_read(env, exports);
  export_dump_stream(env, exports);
  export_get_sync(env, exports);
  export_write(env, exports);
  export_event_stream(env, exports);
  export_expect(env, exports);
}

}  // namespace nf::js
