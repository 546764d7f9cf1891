// The system libraries as typed function tables, loaded at run time, so that the addon can be
// imported even if one is missing. Process-global state (with its reason): the tables are loaded
// once for the whole process, in statics that are never destroyed, because a library can be loaded
// only once anyway.
#pragma once

#include <string>
#include <vector>

#include "core/result.h"

namespace nf {

// A shared library, kept loaded for the life of the process.
class Library {
 public:
  // Tries the names in order. The first name is the one that errors and documents use.
  static Library load(const std::vector<const char*>& sonames);

  bool loaded() const { return handle_ != nullptr; }
  const std::string& soname() const { return soname_; }
  // The file that was found, or the loader's reason why none was.
  const std::string& detail() const { return detail_; }
  void* symbol(const char* name) const;

 private:
  void* handle_ = nullptr;
  std::string soname_;
  std::string detail_;
};

// What support() reports about a library.
struct LibraryState {
  std::string soname;
  bool found = false;
  std::string path;                  // when found
  std::string error;                 // when not
  std::vector<std::string> missing;  // symbols that an older release lacks
};

// The state before any symbol is asked for.
LibraryState state_of(const Library& library);

// Fills one entry of a table typed by decltype of the real header.
template <typename Function>
void bind(const Library& library, const char* name, Function*& slot,
          std::vector<std::string>& missing) {
  slot = reinterpret_cast<Function*>(library.symbol(name));
  if (slot == nullptr) missing.emplace_back(name);
}

}  // namespace nf
