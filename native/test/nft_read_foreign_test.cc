// Tests of reading rules of nf_tables: every reason for which a rule is not read, and damaged
// rules.
#include <string>

#include "test/nft_reading.h"

namespace nf::test {
namespace {

using nft::Reading;
using xt::kIpv4;
using xt::kIpv6;

}  // namespace

TEST(nft_read_foreign) {
  for (const char* name : {"lookup", "ct", "dynset", "quota", "objref", "notrack", "reject", "masq",
                           "nat", "numgen", "connlimit", "vmap", "", "payloa", "payloadx"}) {
    CHECK(foreign(RuleMaker().add(name)));
    CHECK(foreign(tcp_rule().add(name).counter().verdict(NF_ACCEPT)));
    CHECK(foreign(RuleMaker().counter().add(name)));
    const ReadBack back = read_made(kIpv4, tcp_rule().add(name).counter(5, 6));
    CHECK_EQUAL(back.note, "meta cmp " + std::string(name) + " counter");
    CHECK_EQUAL(back.counters.packets, 5U);
    CHECK_EQUAL(back.counters.bytes, 6U);
  }
  // Its counters are told whatever makes it foreign, also the place of the counter.
  const auto counted = [](const RuleMaker& rule) {
    const ReadBack back = read_made(kIpv4, rule);
    return back.reading == Reading::kForeign ? back.counters.packets : 0;
  };
  CHECK_EQUAL(counted(RuleMaker().counter(5).add("ct")), 5U);
  CHECK_EQUAL(counted(RuleMaker().log(3).counter(5)), 5U);
  CHECK_EQUAL(counted(RuleMaker().network(12, 4).counter(5)), 5U);
  CHECK_EQUAL(counted(RuleMaker().counter(5).counter(6)), 5U);
  CHECK_EQUAL(counted(RuleMaker().verdict(NFT_JUMP, "nowhere").counter(5)), 5U);
  CHECK_EQUAL(counted(RuleMaker().counter(5).verdict(NFT_JUMP, "nowhere")), 5U);

  // A condition behind the counter lets through what was counted.
  CHECK(foreign(RuleMaker().counter().network(12, 1).equal({10})));
  CHECK(foreign(RuleMaker().counter().protocol(6)));
  CHECK(foreign(RuleMaker().counter().meta(NFT_META_IIFNAME)));
  CHECK(foreign(RuleMaker().counter().match("x", 0, {})));
  CHECK(foreign(RuleMaker().counter().limit(1, 1, 5)));
  CHECK(foreign(RuleMaker().network(12, 1).counter().equal({10})));
  // Another register than the one that was loaded.
  CHECK(foreign(RuleMaker().network(12, 1).compare(NFT_CMP_EQ, {10}, NFT_REG_2)));
  CHECK(foreign(RuleMaker().network(12, 4).mask(NftBytes(4), {}, NFT_REG_2, NFT_REG_1)));
  CHECK(foreign(RuleMaker().network(12, 4).mask(NftBytes(4), {}, NFT_REG_1, NFT_REG_2)));
  CHECK(foreign(RuleMaker().compare(NFT_CMP_EQ, {10})));
  CHECK(foreign(RuleMaker().compare(NFT_CMP_EQ, {10}, 0)));
  CHECK(foreign(RuleMaker().network(12, 1).equal({10}).equal({10})));
  CHECK(foreign(RuleMaker().mask({1}).network(12, 1).equal({10})));
  CHECK(foreign(RuleMaker().immediate({10}, NFT_REG_1).equal({10})));
  CHECK(foreign(RuleMaker().network(12, 4).load(NFT_PAYLOAD_NETWORK_HEADER, 16, 4, NFT_REG_2)));
  CHECK(foreign(RuleMaker().network(12, 1).equal({10}).network(16, 1)));
  // A shift, and another operation of bits than a mask.
  for (const int more : {6, 7}) {
    RuleMaker rule;
    rule.network(12, 4).add("bitwise", [=](MessageBuilder& out) {
      out.be32(NFTA_BITWISE_SREG, NFT_REG_1);
      out.be32(NFTA_BITWISE_DREG, NFT_REG_1);
      out.be32(NFTA_BITWISE_LEN, 4);
      put_value(out, NFTA_BITWISE_MASK, NftBytes(4, 0xff));
      put_value(out, NFTA_BITWISE_XOR, NftBytes(4));
      out.be32(static_cast<std::uint16_t>(more), 1);
    });
    CHECK(foreign(rule.equal({10, 0, 0, 1})));
  }
  // Payload that is written.
  CHECK(foreign(RuleMaker().immediate({1}).add("payload", [](MessageBuilder& out) {
    out.be32(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
    out.be32(NFTA_PAYLOAD_OFFSET, 8);
    out.be32(NFTA_PAYLOAD_LEN, 1);
    out.be32(NFTA_PAYLOAD_SREG, NFT_REG32_01);
  })));
  // An attribute that is not known, or has another size, in each kind of expression.
  for (const char* name : {"meta", "payload", "bitwise", "cmp", "range", "immediate", "counter",
                           "limit", "log", "match", "target"}) {
    CHECK(foreign(RuleMaker().add(name, [](MessageBuilder& out) { out.be32(99, 1); })));
    CHECK(foreign(RuleMaker().add(name, [](MessageBuilder& out) { out.u8(1, 1); })));
    CHECK(foreign(RuleMaker().add(name)));
  }
  // Bytes that are no list of expressions.
  CHECK(foreign(RuleMaker().counter().raw({0xff, 0, 1, 0})));
  CHECK(foreign(RuleMaker().counter().raw({8, 0, 1, 0, 9, 0, 1, 0})));
}

// An attribute that is not known changes what an expression means, in each kind of expression.
TEST(nft_read_unknown_attributes) {
  const auto with_more = [](const NftBytes& list, std::size_t which, bool more) {
    RuleMaker made;
    AttributeCursor cursor(list.data(), list.size());
    std::size_t index = 0;
    for (Attribute element; cursor.next(element); index++) {
      nft::Expression one;
      CHECK(nft::parse(element, one) && one.data);
      made.add(one.name, [&](MessageBuilder& out) {
        out.raw(NftBytes(one.data->data, one.data->data + one.data->size));
        if (more && index == which) out.be32(99, 1);
      });
    }
    return made;
  };
  RuleMaker start;
  start.meta(NFT_META_MARK).mask({7, 0, 0, 0}).equal({3, 0, 0, 0}).protocol(IPPROTO_TCP);
  start.transport(0, 2).range(NFT_RANGE_EQ, {0, 1}, {0, 2}).match("x", 0, NftBytes(8));
  start.limit(1, 1, 5).counter();
  for (const RuleMaker& rule : {RuleMaker(start).log(3), RuleMaker(start).verdict(NF_DROP),
                                RuleMaker(start).target("MARK", 2, NftBytes(8)),
                                RuleMaker(start).immediate({1}).set_meta(NFT_META_NFTRACE)}) {
    const NftBytes list = rule.list();
    CHECK(read_made(kIpv4, with_more(list, 0, false)).reading == Reading::kExact);
    for (std::size_t which = 0; which < 10; which++) {
      CHECK(foreign(with_more(list, which, true)));
    }
  }
}

// A rule that is cut anywhere is malformed, foreign, or a shorter list of whole expressions. The
// sanitizer sees every read out of bounds.
TEST(nft_read_damaged) {
  RuleMaker rule = tcp_rule();
  rule.meta(NFT_META_IIFNAME)
      .equal(kEth0)
      .network(12, 4)
      .mask(NftBytes(4, 0xf0))
      .equal({16, 0, 0, 0});
  rule.transport(0, 2)
      .range(NFT_RANGE_EQ, {0, 1}, {0, 2})
      .limit(1, 1, 5)
      .match("x", 0, NftBytes(8));
  rule.counter().log(3, "p");
  RuleMessage message;
  message.user_data = user_comment("said");
  const NftBytes whole = message(rule.list());
  CHECK(read_message(kIpv4, whole).reading == Reading::kExact);
  for (std::size_t size = 0; size < whole.size(); size++) {
    read_message(kIpv4, NftBytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
  }
  for (std::size_t at = 0; at < whole.size(); at++) {
    for (const std::uint8_t byte : NftBytes{0, 1, 0x7f, 0xff}) {
      NftBytes damaged = whole;
      damaged[at] = byte;
      read_message(kIpv6, damaged);
      read_message(kIpv4, damaged);
    }
  }
}

}  // namespace nf::test
