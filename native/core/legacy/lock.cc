// Taking the xtables lock.
#include "core/legacy/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include "core/files.h"
#include "core/operation.h"

namespace nf::xt {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// iptables holds the lock for a few milliseconds, a restore of a large table for a few hundred.
constexpr milliseconds kFirstPause{1};
constexpr milliseconds kLongestPause{25};

Error trouble(int code, const std::string& detail) {
  return fail(code, operation::kLock, detail, ErrorKind::kLock);
}

// Whether the path still names the locked file. If a program has removed it, other programs lock
// another file now.
bool still_there(int fd, const std::string& path) {
  struct stat locked {};
  struct stat named {};
  if (::fstat(fd, &locked) != 0 || ::stat(path.c_str(), &named) != 0) return false;
  return locked.st_ino == named.st_ino && locked.st_dev == named.st_dev;
}

// Null if iptables could open this file and wait for it too. Otherwise what it is.
const char* not_a_file(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return nullptr;
    case S_IFIFO:
      return "a FIFO";
    case S_IFSOCK:
      return "a socket";
    case S_IFDIR:
      return "a directory";
    case S_IFCHR:
    case S_IFBLK:
      return "a device";
    default:
      return "no file";
  }
}

// Opens the file as iptables does (xshared.c, xtables_lock), but never passes it to a child
// process, and never waits: a FIFO without a writer would hold the thread in open() without end.
Result<Fd> open_lock_file(const std::string& path) {
  Fd fd(::open(path.c_str(), O_CREAT | O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600));
  const int code = errno;
  struct stat file {};
  const bool known = (fd.valid() ? ::fstat(fd.get(), &file) : ::stat(path.c_str(), &file)) == 0;
  const char* kind = known ? not_a_file(file.st_mode) : nullptr;
  if (kind != nullptr) {
    return trouble(fd.valid() ? EINVAL : code,
                   path + " is " + kind + "; the lock must be a regular file");
  }
  if (!fd.valid()) return trouble(code, path);
  return fd;
}

/** The text before the first `end`, or all of it. It is taken away from `rest`, and so is the
 * `end`. */
std::string_view take_until(std::string_view& rest, char end) {
  const std::string_view taken = rest.substr(0, rest.find(end));
  rest.remove_prefix(std::min(taken.size() + 1, rest.size()));
  return taken;
}

}  // namespace

std::string lock_holders(int fd) {
  struct stat file {};
  if (::fstat(fd, &file) != 0) return {};
  char wanted[64];
  std::snprintf(wanted, sizeof wanted, "%02x:%02x:%lu", major(file.st_dev), minor(file.st_dev),
                static_cast<unsigned long>(file.st_ino));
  auto locks = read_file("/proc/locks", operation::kLock);
  if (!locks) return {};
  // "12: FLOCK  ADVISORY  WRITE 4711 00:1a:2345 0 EOF"; a waiter has "->" before the kind.
  std::string holders;
  std::string_view lines = *locks;
  while (!lines.empty()) {
    std::string_view line = take_until(lines, '\n');
    std::array<std::string_view, 6> fields;  // number, kind, mode, access, pid, place
    for (auto& field : fields) {
      line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
      field = take_until(line, ' ');
    }
    const std::string_view kind = fields[1];
    const std::string pid(fields[4]);
    const std::string_view place = fields[5];
    if (kind != "FLOCK" || place != wanted) continue;
    if (!holders.empty()) holders += ", ";
    holders += "pid " + pid;
    auto name = read_file("/proc/" + pid + "/comm", operation::kLock);
    if (!name) continue;
    while (!name->empty() && name->back() == '\n') name->pop_back();
    holders += " (" + *name + ")";
  }
  return holders;
}

Result<Fd> take_lock(const std::string& path, std::optional<milliseconds> timeout,
                     const Cancel& cancel) {
  const Clock::time_point deadline = timeout ? Clock::now() + *timeout : Clock::time_point::max();
  milliseconds pause = kFirstPause;
  for (bool replaced = false;; replaced = true) {
    // A program may replace the file again and again. The wait ends anyway.
    if (replaced && timeout && Clock::now() >= deadline) {
      return trouble(ETIMEDOUT, path + " is replaced again and again");
    }
    if (cancel.raised()) return fail(ECANCELED, operation::kLock, path, ErrorKind::kCancelled);
    auto opened = open_lock_file(path);
    if (!opened) return opened;
    Fd fd = std::move(*opened);
    for (;;) {
      if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
        if (still_there(fd.get(), path)) return fd;
        break;
      }
      if (errno == EINTR) continue;
      if (errno != EWOULDBLOCK) return trouble(errno, path);
      if (cancel.raised()) return fail(ECANCELED, operation::kLock, path, ErrorKind::kCancelled);
      milliseconds wait = pause;
      if (timeout) {
        const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
        if (left <= milliseconds{0}) {
          std::string what = path;
          if (const std::string holders = lock_holders(fd.get()); !holders.empty()) {
            what.append(" is held by ").append(holders);
          }
          return trouble(ETIMEDOUT, what);
        }
        wait = std::min(wait, left);
      }
      pollfd event{cancel.fd(), POLLIN, 0};
      // Without an eventfd (no descriptors left) this is a plain pause.
      ::poll(&event, cancel.fd() < 0 ? 0 : 1, static_cast<int>(wait.count()));
      pause = std::min(pause * 2, kLongestPause);
    }
  }
}

}  // namespace nf::xt
