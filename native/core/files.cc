// Reading and writing small files.
#include "core/files.h"

#include <errno.h>
#include <fcntl.h>

#include "core/fd.h"

namespace nf {

Result<std::string> read_file(const std::string& path, const char* operation) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return fail(errno, operation, path);
  std::string text;
  char block[4096];
  for (;;) {
    const ssize_t got = ::read(fd.get(), block, sizeof block);
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(errno, operation, path);
    text.append(block, static_cast<std::size_t>(got));
  }
}

Result<void> write_file(const std::string& path, const std::string& text, const char* operation) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return fail(errno, operation, path);
  // A sysctl takes its value in one write.
  const ssize_t written = ::write(fd.get(), text.data(), text.size());
  if (written < 0) return fail(errno, operation, path);
  if (static_cast<std::size_t>(written) != text.size()) return fail(EIO, operation, path);
  return {};
}

}  // namespace nf
