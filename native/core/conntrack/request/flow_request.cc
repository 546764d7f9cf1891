// Turns packed fields into requests: the tuples first, then the rest.
#include "core/conntrack/request/flow_request.h"

#include <linux/netfilter/nfnetlink_conntrack.h>

#include "core/conntrack/request/flow_tuples.h"
#include "core/conntrack/request/packed_fields.h"
#include "core/conntrack/request/plain_state.h"

namespace nf::ct {
Result<void> append_flow(WriteVerb verb, std::span<const std::uint8_t> fields, std::uint16_t flags,
                         std::uint32_t sequence, MessageBuilder& message) {
  auto tuples = read_tuples(fields);
  if (!tuples) return tuples.error();
  const std::size_t size = message.size();
  const std::size_t count = message.count();
  message.begin(
      NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW,
      static_cast<std::uint16_t>(NLM_F_REQUEST | flags |
                                 (verb == WriteVerb::kCreate ? NLM_F_CREATE | NLM_F_EXCL : 0)),
      sequence, tuples->family);
  append_tuples(*tuples, message);
  if (!append_plain_state(tuples->protocol, fields, message)) {
    auto built = append_library_state(tuples->family, tuples->protocol, fields, true, message);
    if (!built) {
      message.rewind(size, count);
      return built;
    }
  }
  message.end();
  return {};
}

Result<std::vector<std::uint8_t>> change_attributes(std::span<const std::uint8_t> fields,
                                                    std::uint8_t family, std::uint8_t protocol) {
  MessageBuilder result;
  auto built = append_library_state(family, protocol, fields, false, result);
  if (!built) return built.error();
  return std::vector<std::uint8_t>(result.data(), result.data() + result.size());
}

bool find_u32(std::span<const std::uint8_t> fields, Field wanted, std::uint32_t& out) {
  FieldCursor cursor(fields);
  for (PackedField field; cursor.next(field);) {
    if (field.field != wanted || field.value.size() != 4) continue;
    out = field.number<std::uint32_t>();
    return true;
  }
  return false;
}

}  // namespace nf::ct
