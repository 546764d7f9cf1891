// Loading of system libraries by name.
#include "core/library.h"

#include <dlfcn.h>
#include <link.h>

namespace nf {

Library Library::load(const std::vector<const char*>& sonames) {
  Library library;
  library.soname_ = sonames.front();
  for (const char* name : sonames) {
    library.handle_ = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library.handle_ != nullptr) break;
    // dlerror() is per thread in glibc and musl.
    const char* why = ::dlerror();
    if (!library.detail_.empty()) library.detail_ += "; ";
    library.detail_ += why != nullptr ? why : name;
  }
  if (library.handle_ != nullptr) {
    const struct link_map* map = nullptr;
    library.detail_.clear();
    if (::dlinfo(library.handle_, RTLD_DI_LINKMAP, static_cast<void*>(&map)) == 0 &&
        map != nullptr) {
      library.detail_ = map->l_name;
    }
  }
  return library;
}

void* Library::symbol(const char* name) const {
  return handle_ == nullptr ? nullptr : ::dlsym(handle_, name);
}

LibraryState state_of(const Library& library) {
  LibraryState state;
  state.soname = library.soname();
  state.found = library.loaded();
  (state.found ? state.path : state.error) = library.detail();
  return state;
}

}  // namespace nf
