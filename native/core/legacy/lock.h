// The xtables lock. iptables-legacy takes it in every run, so that two writers do not undo each
// other's work: the kernel itself only compares the number of entries. It is a file of the mount
// namespace, not of the network namespace.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "core/cancel.h"
#include "core/fd.h"
#include "core/result.h"

namespace nf::xt {

// Waits until it has the lock, `timeout` has passed (none: no limit; zero: one try) or `cancel` is
// raised (kind kCancelled). A path that names no regular file is EINVAL. The lock lasts until the
// descriptor is closed, and excludes other descriptors of this process too. Errors are of kind
// kLock. ETIMEDOUT names the holders of the lock.
Result<Fd> take_lock(const std::string& path, std::optional<std::chrono::milliseconds> timeout,
                     const Cancel& cancel);

// "pid 1234 (iptables-restore), …", from /proc/locks. Empty if nobody can tell.
std::string lock_holders(int fd);

}  // namespace nf::xt
