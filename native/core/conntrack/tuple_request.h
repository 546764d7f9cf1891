// The requests that name a flow by a tuple: GET and DELETE, built here and not by
// libnetfilter_conntrack, whose query builder turns a tuple that fails to build into a flush.
#pragma once

#include <cstdint>

#include "core/conntrack/columns.h"
#include "core/conntrack/schema.h"
#include "core/netlink/message.h"
#include "core/result.h"

namespace nf::ct {

// kUpdate only begins an update: the caller adds what changes.
enum class TupleVerb : std::uint8_t { kGet, kGetAndZero, kDelete, kUpdate };

// EINVAL when the tuple is not whole: nothing is appended then.
Result<void> append_tuple_request(TupleVerb verb, const PackedTuple& tuple, std::uint16_t flags,
                                  std::uint32_t sequence, MessageBuilder& message);

// The original tuple, zone and id of a row.
PackedTuple tuple_of(const Columns& columns, std::size_t row);

}  // namespace nf::ct
