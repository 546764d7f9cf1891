// Fuzzes the packed fields of a flow to write, through libnetfilter_conntrack's builder. Bad fields
// are an error, and never end the process. What is built names its tuples: a request without one
// would mean the whole table.
#include "core/conntrack/request/flow_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::uint8_t> fields(data, size);
  for (const auto verb : {nf::ct::WriteVerb::kCreate, nf::ct::WriteVerb::kUpdate}) {
    nf::MessageBuilder builder;
    const auto result = nf::ct::append_flow(verb, fields, 0, 1, builder);
    if (!result.ok()) {
      if (builder.size() != 0) __builtin_trap();
      continue;
    }
    nf::AttributeCursor cursor(builder.data() + NLMSG_HDRLEN + 4,
                               builder.size() - NLMSG_HDRLEN - 4);
    bool tuple = false;
    for (nf::Attribute a; cursor.next(a);)
      tuple = tuple || ((a.type == 1 || a.type == 2) && a.size > 0);
    if (!cursor.intact() || !tuple) __builtin_trap();
  }
  static_cast<void>(nf::ct::change_attributes(fields, 2, 6));
  static_cast<void>(nf::ct::change_attributes(fields, 10, 132));
  return 0;
}
