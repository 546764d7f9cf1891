// The requests that name a flow by a tuple: GET, DELETE and the begin of an update. They are built
// here and not by libnetfilter_conntrack: its query builder turns a tuple that fails to build into
// a flush.
#pragma once

#include <cstdint>
#include <span>

#include "core/conntrack/row.h"
#include "core/conntrack/schema/packed_tuple.h"
#include "core/netlink/message.h"
#include "core/result.h"

namespace nf::ct {

// kUpdate only begins an update: the caller adds what changes.
enum class TupleVerb : std::uint8_t { kGet, kGetAndZero, kUpdate };

// EINVAL if the tuple is not whole: nothing is appended then.
Result<void> append_tuple_request(TupleVerb verb, const PackedTuple& tuple, std::uint32_t sequence,
                                  MessageBuilder& message);

// The only maker of requests that delete a flow. A request has the tuple, the zone and, if it is
// known, the id, which the kernel compares. A DELETE without a tuple would be a flush
// (ctnetlink_del_conntrack), so a request either has a whole tuple or is not made. `flags`:
// NLM_F_ECHO.
Result<void> append_delete(const PackedTuple& tuple, std::uint16_t flags, std::uint32_t sequence,
                           MessageBuilder& message);

// The original tuple, zone and id of a row.
PackedTuple pack_tuple(const Row& row);

// The same for the row of a batch: with its start too. `own`: the batch is of the table that is
// asked. Elsewhere its id and its start mean nothing, and are left out.
PackedTuple pack_tuple(const Row& row, bool own);

// The same for packed fields (schema/fields.h), which have no id: their original tuple, or their
// reply tuple if there is no other.
PackedTuple pack_tuple(std::span<const std::uint8_t> fields);

// Whether a flow with this tuple is the one that is meant, as far as id and start tell.
bool is_meant(const PackedTuple& tuple, const Row& row);

}  // namespace nf::ct
