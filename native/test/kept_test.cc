// What the kernel may drop without an error: which parts of a request have to be checked, and what
// a flow lacks. Kernels differ in what they drop, so each case is shown here without one.
#include "core/conntrack/change/kept.h"

#include <errno.h>
#include <netinet/in.h>

#include <string_view>
#include <vector>

#include "core/conntrack/row.h"
#include "core/conntrack/schema/fields.h"
#include "test/check.h"
#include "test/messages.h"

namespace nf::ct {
namespace {

using Bytes = std::vector<std::uint8_t>;

// One packed field: {size, field, payload, padding to 4}.
Bytes field(Field name, const Bytes& payload) {
  Bytes bytes(4 + ((payload.size() + 3) & ~std::size_t{3}));
  const std::uint16_t header[] = {static_cast<std::uint16_t>(payload.size()),
                                  static_cast<std::uint16_t>(name)};
  std::memcpy(bytes.data(), header, sizeof header);
  std::copy(payload.begin(), payload.end(), bytes.begin() + 4);
  return bytes;
}
Bytes joined(Bytes first, const Bytes& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}
Bytes u32(std::uint32_t value) {
  Bytes bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}
const Bytes kAdjust(12, 1);

struct Case {
  Bytes fields;
  std::uint64_t needs;  // presence bits: a flow without them lacks it
  int code;
  std::string_view names;  // what the text begins with
};

TEST(kept_each_part_is_asked_for_and_missed) {
  const Bytes gre = field(Field::protocol, {IPPROTO_GRE});
  const Bytes dccp = field(Field::protocol, {IPPROTO_DCCP});
  const Case cases[] = {
      {field(Field::labels, Bytes(16, 1)), has::labels, ENOSPC, "labels"},
      {joined(gre, field(Field::origSrcPort, {1, 0})), has::origPorts, EOPNOTSUPP, "ports"},
      {field(Field::dccpRole, {1}), has::dccp, EOPNOTSUPP, "dccp"},
      {field(Field::dccpHandshake, Bytes(8, 1)), has::dccp, EOPNOTSUPP, "dccp"},
      {joined(dccp, field(Field::state, {3})), has::dccp, EOPNOTSUPP, "dccp"},
      {field(Field::seqAdjOrig, kAdjust), has::origSeqAdj, EOPNOTSUPP, "seqAdj"},
      {field(Field::seqAdjReply, kAdjust), has::replySeqAdj, EOPNOTSUPP, "seqAdj"},
      {field(Field::synproxy, kAdjust), has::synproxy, EOPNOTSUPP, "synproxy"},
  };
  constexpr std::uint64_t all = has::labels | has::origPorts | has::dccp | has::origSeqAdj |
                                has::replySeqAdj | has::synproxy | has::timeout;
  for (const Case& one : cases) {
    const Asked asked = asked_of(one.fields);
    CHECK(asked.to_read());
    Row row{};
    row.presence = all;
    CHECK_EQUAL(missing_of(asked, &row).code, 0);
    row.presence = all & ~one.needs;
    const Missing missing = missing_of(asked, &row);
    CHECK_EQUAL(missing.code, one.code);
    CHECK(std::string_view(missing.text).starts_with(one.names));
    // Nothing else decides.
    row.presence = one.needs;
    CHECK_EQUAL(missing_of(asked, &row).code, 0);
  }
}

TEST(kept_what_every_kernel_holds_is_not_read_again) {
  const Bytes tcp = field(Field::protocol, {IPPROTO_TCP});
  const Bytes udp = field(Field::protocol, {IPPROTO_UDP});
  const Bytes port = field(Field::origSrcPort, {1, 0});
  CHECK(!asked_of(joined(tcp, port)).to_read());
  CHECK(!asked_of(joined(udp, port)).to_read());
  CHECK(!asked_of(joined(tcp, field(Field::state, {3}))).to_read());
  CHECK(!asked_of(field(Field::labels, Bytes(16))).to_read());
  CHECK(!asked_of(field(Field::synproxy, Bytes(12))).to_read());
  CHECK(!asked_of(field(Field::timeout, u32(2147483))).to_read());
}

TEST(kept_a_timeout_that_a_kernel_cut_is_missed) {
  const Asked asked = asked_of(field(Field::timeout, u32(3'000'000)));
  CHECK(asked.to_read());
  Row row{};
  row.presence = has::timeout;
  // Some seconds may have passed by then.
  row.timeout = 3'000'000 - 60;
  CHECK_EQUAL(missing_of(asked, &row).code, 0);
  row.timeout--;
  CHECK_EQUAL(missing_of(asked, &row).code, EOPNOTSUPP);
  // An offloaded flow reports none.
  row.presence = 0;
  CHECK_EQUAL(missing_of(asked, &row).code, 0);
}

TEST(kept_data_of_a_helper) {
  const Asked asked = asked_of(field(Field::helperInfo, {1, 2, 3, 4}));
  for (const bool with : {false, true}) {
    test::FlowMessage message;
    message.tuples(IPPROTO_TCP, test::endpoint4(2, 1000, 21));
    const auto nest = message.builder.open_nest(CTA_HELP);
    message.builder.string(CTA_HELP_NAME, "ftp");
    const std::uint8_t info[4] = {1, 2, 3, 4};
    if (with) message.builder.bytes(CTA_HELP_INFO, info, sizeof info);
    message.builder.close_nest(nest);
    const auto payload = message.payload();
    Row row{};
    CHECK(test::parse(payload, row));
    CHECK_EQUAL(missing_of(asked, &row).code, with ? 0 : EOPNOTSUPP);
  }
}

}  // namespace
}  // namespace nf::ct
