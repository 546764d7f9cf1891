// Opening and entering network namespaces.
#include "core/netns.h"
#include "core/operation.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/vfs.h>

namespace nf {
namespace {

constexpr const char* kSelf = "/proc/thread-self/ns/net";
constexpr long kNsfsMagic = 0x6e736673;  // NSFS_MAGIC, linux/magic.h

thread_local bool moved = false;

}  // namespace

Result<Netns> Netns::current() {
  Fd fd(::open(kSelf, O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return fail(errno, operation::kNamespaceOpen, kSelf);
  return Netns(std::move(fd));
}

Result<Netns> Netns::at(const std::string& path) {
  // O_NONBLOCK: a path that turns out to be a FIFO must not block the calling thread without end.
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return fail(errno, operation::kNamespaceOpen, path);
  // setns() on any other file would fail late, on the thread of the first operation.
  struct statfs info {};
  if (::fstatfs(fd.get(), &info) != 0) return fail(errno, operation::kNamespaceOpen, path);
  if (static_cast<long>(info.f_type) != kNsfsMagic) {
    return fail(EINVAL, operation::kNamespaceOpen, path + " is no namespace");
  }
  return Netns(std::move(fd));
}

bool Netns::holds_calling_thread() const {
  struct stat wanted {};
  struct stat here {};
  return fd_ != nullptr && ::fstat(fd_->get(), &wanted) == 0 && ::stat(kSelf, &here) == 0 &&
         wanted.st_ino == here.st_ino && wanted.st_dev == here.st_dev;
}

std::string Netns::key() const {
  struct stat info {};
  if (fd_ == nullptr || ::fstat(fd_->get(), &info) != 0) return {};
  return std::to_string(info.st_dev) + ':' + std::to_string(info.st_ino);
}

Result<void> Netns::enter(const char* operation) const {
  if (fd_ == nullptr) return fail(ECANCELED, operation, {}, ErrorKind::kCancelled);
  if (holds_calling_thread()) return {};
  if (::setns(fd_->get(), CLONE_NEWNET) != 0) {
    return fail(errno, std::string(operation) + ": enter network namespace");
  }
  moved = true;
  return {};
}

bool Netns::calling_thread_moved() { return moved; }

}  // namespace nf
