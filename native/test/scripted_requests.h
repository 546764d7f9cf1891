// Requests to a scripted table (scripted.h) that several tests send.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "core/conntrack/change/bulk.h"
#include "core/conntrack/change/write.h"
#include "core/conntrack/request/tuple_request.h"
#include "core/conntrack/schema/filter_words.h"
#include "test/scripted.h"

namespace nf::test {

using namespace nf::ct;

inline constexpr std::uint64_t kStart = 1'700'000'000'000'000'000;

inline PackedTuple tuple_of_flow(std::uint8_t last) {
  FlowMessage message;
  message.tuples(IPPROTO_TCP, endpoint4(last, 1000, 80));
  Columns columns(1);
  Row row;
  CHECK(parse(message.payload(), row) && columns.append(row));
  return pack_tuple(columns.read(0));
}

// As TypeScript packs a Flow that was read with timestamps on.
inline PackedTuple name_of(const FakeFlow& flow) {
  PackedTuple tuple = tuple_of_flow(flow.last);
  tuple.id = flow.id;
  tuple.flags |= kTupleHasId;
  if (flow.start != 0) {
    tuple.flags |= kTupleHasStart;
    std::memcpy(tuple.start, &flow.start, sizeof tuple.start);
  }
  return tuple;
}

struct Bulk {
  Result<BulkStats> result;
  std::size_t deleted = 0;
};
inline Bulk delete_marked(FakeTable& table, std::uint32_t mark, Columns* deleted) {
  Scripted dump(table);
  Scripted command(table);
  const Filter filter = filter_of(
      std::vector<std::uint32_t>{static_cast<std::uint32_t>(FilterOp::mark), mark, 0xffffffff});
  Bulk bulk{delete_where({dump.socket, command.socket}, filter, Cancel(), deleted)};
  CHECK(bulk.result.ok());
  if (deleted != nullptr) bulk.deleted = deleted->size();
  return bulk;
}

inline void put(Bytes& packed, Field field, std::uint32_t value, std::size_t size) {
  const std::uint16_t header[] = {static_cast<std::uint16_t>(size),
                                  static_cast<std::uint16_t>(field)};
  const std::size_t at = packed.size();
  packed.resize(at + sizeof header + 4);
  std::memcpy(&packed[at], header, sizeof header);
  std::memcpy(&packed[at + sizeof header], &value, size);
}

// Flows to make. They ask for more seconds than the flow in the table's answer has.
inline Bytes flows_with_a_long_timeout(std::initializer_list<std::uint8_t> lasts) {
  Bytes packed;
  for (const std::uint8_t last : lasts) {
    Bytes flow;
    put(flow, Field::family, AF_INET, 1);
    put(flow, Field::protocol, IPPROTO_TCP, 1);
    put(flow, Field::origSrc, htonl(0x0a000000U + last), 4);
    put(flow, Field::origDst, htonl(0x0a000001), 4);
    put(flow, Field::origSrcPort, 1000, 2);
    put(flow, Field::origDstPort, 80, 2);
    put(flow, Field::timeout, 3'000'000, 4);
    const auto size = static_cast<std::uint32_t>(flow.size());
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&size);
    packed.insert(packed.end(), bytes, bytes + sizeof size);
    packed.insert(packed.end(), flow.begin(), flow.end());
  }
  return packed;
}

struct Written {
  std::vector<int> codes;
  std::vector<std::optional<std::uint32_t>> ids;  // named by deletions
  std::vector<std::pair<std::uint32_t, std::string>> texts;
};
inline Written write(FakeTable& table, WriteVerb verb, std::initializer_list<std::uint8_t> lasts) {
  Scripted scripted(table);
  Bytes packed = flows_with_a_long_timeout(lasts);
  auto done = write_flows(scripted.socket, nullptr, verb, packed);
  CHECK(done.ok());
  if (!done.ok()) return {};
  return {std::move(done->codes), table.deleted_ids, std::move(done->texts)};
}

// The table makes what it is asked for, with the ids 7, 8, …
inline auto makes_flows(FakeTable& table) {
  return [&table](std::uint16_t verb, std::uint8_t last) {
    if (verb == IPCTNL_MSG_CT_NEW) {
      const auto id = static_cast<std::uint32_t>(table.flows.size() + 7);
      table.flows.push_back({last, id});
    }
    return 0;
  };
}

}  // namespace nf::test
