// The ids that network namespaces have in the namespace of the calling thread (`ip netns set`). The
// kernel marks messages of other namespaces with them. Events of a namespace without an id do not
// arrive.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"

namespace nf {

inline constexpr std::int32_t kNoNsid = -1;  // NETNSA_NSID_NOT_ASSIGNED
inline constexpr std::int32_t kNoFile = -2;  // it has gone, or may not be opened

struct NamespaceIds {
  std::uint64_t own = 0;  // inode of the calling thread's namespace
  std::vector<std::int32_t> ids;
};

// The ids of the namespaces that these files name (/run/netns/NAME, /proc/PID/ns/net). Needs no
// privilege beyond opening them. RTM_GETNSID: Linux 4.0.
Result<NamespaceIds> namespace_ids(const std::vector<std::string>& paths, const char* operation);

}  // namespace nf
