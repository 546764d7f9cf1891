// Flows that several parts of a dump have are found. Those that only have the same id are not.
#include "core/conntrack/dump/doubles.h"

#include "test/check.h"
#include "test/messages.h"

namespace nf::ct {
namespace {

using test::endpoint4;
using test::FlowMessage;

Row flow(std::uint32_t number, std::uint32_t id, std::uint16_t zone = 0) {
  FlowMessage message;
  auto orig = endpoint4(static_cast<std::uint8_t>(number), static_cast<std::uint16_t>(number >> 8),
                        static_cast<std::uint16_t>(number >> 20));
  message.tuples(IPPROTO_UDP, orig);
  message.builder.be32(CTA_ID, id);
  if (zone != 0) message.builder.be16(CTA_ZONE, zone);
  const auto payload = message.payload();
  Row row{};
  CHECK(test::parse(payload, row));
  return row;
}

TEST(a_sieve_has_what_was_added) {
  IdSieve sieve(1000);
  for (std::uint32_t id = 0; id < 1000; id++) sieve.add(id * 7919);
  int extra = 0;
  for (std::uint32_t id = 0; id < 1000; id++) {
    CHECK(sieve.may_have(id * 7919));
    if (sieve.may_have(id * 7919 + 1)) extra++;
  }
  CHECK(extra < 200);
}

TEST(flows_of_two_parts_are_found_and_equal_ids_are_not_enough) {
  constexpr std::uint32_t kRows = 5000;
  std::vector<DumpPart> parts(3);
  std::vector<std::vector<std::uint32_t>> expected(3);
  for (auto& part : parts) part.ids = IdSieve(kRows);
  const auto add = [&](std::size_t part, const Row& row) {
    CHECK(parts[part].columns.append(row));
    if (part < 2) parts[part].ids.add(row.id);
  };
  for (std::uint32_t i = 0; i < kRows; i++) {
    add(0, flow(i, i * 2654435761U));
    if (i % 100 == 0) {  // the same flow
      expected[1].push_back(static_cast<std::uint32_t>(parts[1].columns.size()));
      add(1, flow(i, i * 2654435761U));
    } else if (i % 100 == 1) {  // another flow with its id
      add(1, flow(i + kRows, i * 2654435761U));
    } else if (i % 100 == 2) {  // the same tuple in another zone
      add(2, flow(i, i * 2654435761U, 9));
    } else if (i % 100 == 3) {  // a flow of no earlier part
      add(2, flow(i + 2 * kRows, i * 2654435761U + 1));
    }
    if (i % 250 == 0) {  // in all three, or in the first and the last
      expected[2].push_back(static_cast<std::uint32_t>(parts[2].columns.size()));
      add(2, flow(i, i * 2654435761U));
    }
  }
  const auto doubles = find_doubles(parts);
  CHECK_EQUAL(doubles.size(), 3U);
  CHECK(doubles[0].empty());
  CHECK(doubles[1] == expected[1]);
  CHECK(doubles[2] == expected[2]);
}

TEST(a_flow_of_the_second_and_third_part_alone_is_found) {
  std::vector<DumpPart> parts(3);
  for (auto& part : parts) part.ids = IdSieve(10);
  CHECK(parts[0].columns.append(flow(1, 1)));
  CHECK(parts[1].columns.append(flow(2, 2)));
  CHECK(parts[2].columns.append(flow(3, 3)));
  CHECK(parts[2].columns.append(flow(2, 2)));
  for (auto& part : parts) part.ids.add_all(part.columns);
  const auto doubles = find_doubles(parts);
  CHECK(doubles[1].empty());
  CHECK_EQUAL(doubles[2].size(), 1U);
  CHECK_EQUAL(doubles[2][0], 1U);
}

}  // namespace
}  // namespace nf::ct
