// Asking for extensions.
#include "core/xtables/revision.h"

#include <errno.h>
#include <sys/socket.h>

#include <cstring>

#include "core/fd.h"

namespace nf::xt {

namespace {

Error failed(const Family& family, std::string detail = {}) {
  return fail(errno, std::string(family.tool) + " extension probe", std::move(detail),
              ErrorKind::kXtables);
}

Result<bool> has(const Fd& fd, const Family& family, const RevisionQuery& query) {
  xt_get_revision request{};
  if (query.name.empty() || query.name.size() >= sizeof request.name) return false;
  std::memcpy(request.name, query.name.data(), query.name.size());
  request.revision = query.revision;
  socklen_t size = sizeof request;
  const int option = query.target ? family.revision_target : family.revision_match;
  if (::getsockopt(fd.get(), family.level, option, &request, &size) >= 0) return true;
  // x_tables.c, xt_find_revision: with EPROTONOSUPPORT the kernel has the name but not the
  // revision, with ENOENT neither.
  if (errno == EPROTONOSUPPORT || errno == ENOENT) return false;
  return failed(family, query.name);
}

}  // namespace

Result<std::vector<bool>> has_extensions(const Family& family,
                                         const std::vector<RevisionQuery>& queries) {
  const Fd fd(::socket(family.family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return failed(family);
  std::vector<bool> found;
  for (const RevisionQuery& query : queries) {
    auto one = has(fd, family, query);
    if (!one) return one.error();
    found.push_back(*one);
  }
  return found;
}

}  // namespace nf::xt
