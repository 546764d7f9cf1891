// The exports for the connection-tracking table.
#pragma once

#include <napi.h>

namespace nf::js {

void export_handle(Napi::Object exports);
void export_read(Napi::Object exports);
void export_dump_stream(Napi::Object exports);
void export_get_sync(Napi::Object exports);
void export_rows(Napi::Object exports);
void export_write(Napi::Object exports);
void export_event_stream(Napi::Object exports);
void export_expect(Napi::Object exports);

inline void export_conntrack(Napi::Object exports) {
  export_handle(exports);
  export_read(exports);
  export_dump_stream(exports);
  export_get_sync(exports);
  export_rows(exports);
  export_write(exports);
  export_event_stream(exports);
  export_expect(exports);
}

}  // namespace nf::js
