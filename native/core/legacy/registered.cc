// The list of legacy tables.
#include "core/legacy/registered.h"

#include <errno.h>

#include <algorithm>

#include "core/files.h"

namespace nf::xt {

Result<std::vector<std::string>> registered_tables(const Layout& layout) {
  std::vector<std::string> names;
  // `thread-self`: after setns() only this thread is in the namespace.
  const std::string path = std::string("/proc/thread-self/net/") + layout.names_file;
  const std::string operation = std::string(layout.tool) + " tables";
  auto file = read_file(path, operation.c_str());
  if (!file) {
    if (file.error().code == ENOENT) return names;
    file.error().kind = ErrorKind::kXtables;
    return file.error();
  }
  const std::string& text = *file;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string name = text.substr(at, end - at);
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(std::move(name));
    }
    at = end + 1;
  }
  return names;
}

}  // namespace nf::xt
