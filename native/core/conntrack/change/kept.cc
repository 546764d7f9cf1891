// What a request asks for, and how much of it a flow has.
#include "core/conntrack/change/kept.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <algorithm>

#include "core/conntrack/request/packed_fields.h"

namespace nf::ct {
namespace {

bool any(std::span<const std::uint8_t> bytes) {
  return std::ranges::any_of(bytes, [](std::uint8_t byte) { return byte != 0; });
}

// INT_MAX jiffies at 1000 Hz, in seconds: every kernel can hold these (__nf_ct_set_timeout).
constexpr std::uint32_t kLongestAnywhere = 2147483;
// So many seconds may pass until a flow that was just written is read.
constexpr std::uint32_t kReadLater = 60;

}  // namespace

Asked asked_of(std::span<const std::uint8_t> fields) {
  Asked asked;
  std::uint8_t protocol = 0;
  bool state = false;
  bool flags = false;
  bool scale = false;
  std::uint32_t timeout = 0;
  FieldCursor cursor(fields);
  for (PackedField field; cursor.next(field);) {
    const std::uint8_t first = field.value.empty() ? 0 : field.value[0];
    switch (field.field) {
      case Field::protocol:
        protocol = first;
        break;
      case Field::origSrcPort:
        asked.ports = true;
        break;
      case Field::timeout:
        if (field.value.size() == sizeof timeout) timeout = field.number<std::uint32_t>();
        break;
      case Field::state:
        state = true;
        break;
      case Field::tcpFlagsOrig:
        flags = true;
        asked.flags[0] = first & kWindowScale;
        break;
      case Field::tcpFlagsReply:
        asked.flags[1] = first & kWindowScale;
        break;
      case Field::tcpWscaleOrig:
      case Field::tcpWscaleReply:
        scale = scale || first != 0;
        break;
      case Field::dccpRole:
      case Field::dccpHandshake:
        asked.dccp = true;
        break;
      case Field::helperInfo:
        asked.helper_info = true;
        break;
      case Field::labels:
        asked.labels = any(field.value);
        break;
      case Field::seqAdjOrig:
        asked.seq_adj[0] = true;
        break;
      case Field::seqAdjReply:
        asked.seq_adj[1] = true;
        break;
      case Field::synproxy:
        asked.synproxy = any(field.value);
        break;
      default:
        break;
    }
  }
  if (timeout > kLongestAnywhere) asked.timeout = timeout;
  // Every kernel that tracks connections has a tracker for these two.
  if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) asked.ports = false;
  if (protocol == IPPROTO_DCCP && state) asked.dccp = true;
  asked.scaled = flags && scale && (asked.flags[0] & asked.flags[1]) == 0;
  return asked;
}

Missing missing_of(const Asked& asked, const Row* read) {
  if (read == nullptr) {
    return {EBADMSG, "written, but the answer that shows what was kept is malformed"};
  }
  const Row& row = *read;
  if (asked.labels && !row.have(has::labels)) {
    return {ENOSPC, "labels: no rule in the namespace makes room for them"};
  }
  if (asked.timeout != 0 && row.have(has::timeout) && row.timeout < asked.timeout - kReadLater) {
    return {EOPNOTSUPP, "timeout: this kernel cannot hold that many seconds"};
  }
  if (asked.ports && !row.have(has::origPorts)) {
    return {EOPNOTSUPP, "ports: this kernel does not track the protocol"};
  }
  if (asked.dccp && !row.have(has::dccp)) {
    return {EOPNOTSUPP, "dccp: this kernel does not track the protocol"};
  }
  if (asked.helper_info && !row.have(has::helperInfo)) {
    return {EOPNOTSUPP, "helperInfo: the helper takes none"};
  }
  if ((asked.seq_adj[0] && !row.have(has::origSeqAdj)) ||
      (asked.seq_adj[1] && !row.have(has::replySeqAdj))) {
    return {EOPNOTSUPP, "seqAdj: the flow was made without room for it"};
  }
  if (asked.synproxy && !row.have(has::synproxy)) {
    return {EOPNOTSUPP, "synproxy: the flow was made without room for it"};
  }
  return {};
}

}  // namespace nf::ct
