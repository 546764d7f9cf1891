// What the kernel accepts without an error and may not keep (nf_conntrack_netlink.c):
//  - labels, if no rule made room for them before the flow was made
//  - data for a helper that takes none
//  - the state and the ports of a protocol that has no tracker (DCCP since 6.17)
//  - sequence adjustment and synproxy values of a flow that was made without room for them
//  - window scales, if one side's flags say that it has none
//  - seconds that are more than INT_MAX jiffies (21 million at 100 Hz, 2 million at 1000 Hz)
// A request that writes one of these reads the flow afterwards.
#pragma once

#include <cstdint>
#include <span>

#include "core/conntrack/row.h"

namespace nf::ct {

struct Asked {
  bool ports = false;
  bool labels = false;
  bool helper_info = false;
  bool dccp = false;
  bool seq_adj[2] = {};
  bool synproxy = false;
  std::uint32_t timeout = 0;  // if some kernel could not hold it
  // The kernel takes a TCP scale only if both sides have IP_CT_TCP_FLAG_WINDOW_SCALE. If these two
  // flags must be put back afterwards, `flags` has what was asked for.
  bool scaled = false;
  std::uint8_t flags[2] = {};

  bool to_read() const {
    return ports || labels || helper_info || dccp || seq_adj[0] || seq_adj[1] || synproxy ||
           timeout != 0;
  }
};

// Reads packed fields (schema/fields.h).
Asked asked_of(std::span<const std::uint8_t> fields);

// The first of these that a flow does not have, as an errno and a text. Code 0: it has them all.
// `row` is nullptr if the answer cannot be read: then nobody knows.
struct Missing {
  int code = 0;
  const char* text = "";
};
Missing missing_of(const Asked& asked, const Row* row);

// IP_CT_TCP_FLAG_WINDOW_SCALE (linux/netfilter/nf_conntrack_tcp.h).
inline constexpr std::uint8_t kWindowScale = 1;

}  // namespace nf::ct
