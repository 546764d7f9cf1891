// Asking for extensions.
#include "core/xtables/revision.h"

#include <errno.h>
#include <sys/socket.h>

#include <cstring>

namespace nf::xt {

Result<RevisionProbe> RevisionProbe::open(const Family& family) {
  RevisionProbe probe(family);
  probe.fd_ = Fd(::socket(family.family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe.fd_.valid()) {
    return fail(errno, std::string(family.tool) + " extension probe", {}, ErrorKind::kXtables);
  }
  return probe;
}

Result<bool> RevisionProbe::has(const RevisionQuery& query) const {
  xt_get_revision request{};
  if (query.name.empty() || query.name.size() >= sizeof request.name) return false;
  std::memcpy(request.name, query.name.data(), query.name.size());
  request.revision = query.revision;
  socklen_t size = sizeof request;
  const int option = query.target ? family_->revision_target : family_->revision_match;
  if (::getsockopt(fd_.get(), family_->level, option, &request, &size) >= 0) return true;
  // x_tables.c, xt_find_revision: with EPROTONOSUPPORT the kernel has the name but not the
  // revision, with ENOENT neither.
  if (errno == EPROTONOSUPPORT || errno == ENOENT) return false;
  return fail(errno, std::string(family_->tool) + " extension probe", query.name,
              ErrorKind::kXtables);
}

}  // namespace nf::xt
