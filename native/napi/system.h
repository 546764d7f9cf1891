// The exports about the system: libraries, kernel, files of /proc in a handle's namespace.
#pragma once

#include <napi.h>

namespace nf::js {

void export_system(Napi::Object exports);

}  // namespace nf::js
