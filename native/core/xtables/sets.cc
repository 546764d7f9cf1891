// IP sets by name and by index.
#include "core/xtables/sets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <sys/socket.h>

#include <cstring>

#include "core/fd.h"
#include "core/operation.h"

namespace nf::xt {
namespace {

Error refused() {
  // ENOPROTOOPT: nobody answers to the option, so the module is not there.
  return fail(errno, operation::kSets, errno == ENOPROTOOPT ? "the kernel has no ip_set" : "",
              ErrorKind::kXtables);
}

}  // namespace

Result<SetLookup> SetLookup::open() {
  SetLookup lookup;
  // The kernel registers the option for IPv4 sockets only (ip_set_core.c, so_set); it serves both
  // families and needs CAP_NET_ADMIN, not CAP_NET_RAW.
  lookup.fd_ = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!lookup.fd_.valid()) return refused();
  ip_set_req_version version{};
  version.op = IP_SET_OP_VERSION;
  socklen_t size = sizeof version;
  if (::getsockopt(lookup.fd_.get(), IPPROTO_IP, SO_IP_SET, &version, &size) != 0) return refused();
  lookup.version_ = version.version;
  return lookup;
}

Result<void> SetLookup::ask(void* request, std::size_t size) const {
  auto length = static_cast<socklen_t>(size);
  if (::getsockopt(fd_.get(), IPPROTO_IP, SO_IP_SET, request, &length) != 0) return refused();
  return {};
}

Result<SetId> SetLookup::by_name(const std::string& name) const {
  SetId id;
  if (name.empty() || name.size() >= IPSET_MAXNAMELEN) return id;
  ip_set_req_get_set_family request{};
  request.op = IP_SET_OP_GET_FNAME;
  request.version = version_;
  std::memcpy(request.set.name, name.data(), name.size());
  if (auto asked = ask(&request, sizeof request); !asked) return asked.error();
  id.index = request.set.index;
  if (id.index != IPSET_INVALID_ID) id.family = static_cast<std::uint8_t>(request.family);
  return id;
}

Result<std::string> SetLookup::by_index(std::uint16_t index) const {
  ip_set_req_get_set request{};
  request.op = IP_SET_OP_GET_BYINDEX;
  request.version = version_;
  request.set.index = index;
  if (auto asked = ask(&request, sizeof request); !asked) return asked.error();
  return std::string(request.set.name, ::strnlen(request.set.name, IPSET_MAXNAMELEN));
}

}  // namespace nf::xt
