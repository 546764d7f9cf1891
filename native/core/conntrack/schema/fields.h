// The fields of a packed flow: those that can be written. TypeScript packs them by the numbers that
// scripts/gen-columns.mjs generates from here. packed_fields.h reads them.
#pragma once

#include <cstdint>

namespace nf::ct {

// FIELD(name): a field of a flow that can be written. A packed flow is a run of fields, each {u16
// payload size, u16 field, payload, padding to 4}; numbers host order, addresses as bytes.
#define NF_FIELDS(FIELD) \
  FIELD(family)          \
  FIELD(protocol)        \
  FIELD(origSrc)         \
  FIELD(origDst)         \
  FIELD(origSrcPort)     \
  FIELD(origDstPort)     \
  FIELD(replySrc)        \
  FIELD(replyDst)        \
  FIELD(replySrcPort)    \
  FIELD(replyDstPort)    \
  FIELD(icmpType)        \
  FIELD(icmpCode)        \
  FIELD(icmpId)          \
  FIELD(replyIcmpType)   \
  FIELD(replyIcmpCode)   \
  FIELD(replyIcmpId)     \
  FIELD(zone)            \
  FIELD(origZone)        \
  FIELD(replyZone)       \
  FIELD(timeout)         \
  FIELD(mark)            \
  FIELD(markMask)        \
  FIELD(status)          \
  FIELD(state)           \
  FIELD(tcpFlagsOrig)    \
  FIELD(tcpFlagsReply)   \
  FIELD(tcpMaskOrig)     \
  FIELD(tcpMaskReply)    \
  FIELD(tcpWscaleOrig)   \
  FIELD(tcpWscaleReply)  \
  FIELD(sctpVtagOrig)    \
  FIELD(sctpVtagReply)   \
  FIELD(dccpRole)        \
  FIELD(dccpHandshake)   \
  FIELD(helper)          \
  FIELD(helperInfo)      \
  FIELD(labels)          \
  FIELD(labelsMask)      \
  FIELD(seqAdjOrig)      \
  FIELD(seqAdjReply)     \
  FIELD(synproxy)        \
  FIELD(natSrc)          \
  FIELD(natSrcPort)      \
  FIELD(natDst)          \
  FIELD(natDstPort)      \
  FIELD(masterSrc)       \
  FIELD(masterDst)       \
  FIELD(masterSrcPort)   \
  FIELD(masterDstPort)   \
  FIELD(masterProtocol)  \
  FIELD(id)

enum class Field : std::uint16_t {
#define FIELD(name) name,
  NF_FIELDS(FIELD)
#undef FIELD
      count
};

}  // namespace nf::ct
