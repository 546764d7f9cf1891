// Tests of reading rules of nf_tables: what the matches of an entry say, in the forms that
// iptables-nft 1.8.7 to 1.8.11 writes.
#include <string>
#include <vector>

#include "test/nft_reading.h"

namespace nf::test {
namespace {

using nft::Reading;
using xt::kIpv4;
using xt::kIpv6;

}  // namespace

TEST(nft_read_ports) {
  for (const std::uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP}) {
    const auto start = RuleMaker().protocol(protocol);
    const auto ports = [&](const RuleMaker& rule, std::uint16_t a, std::uint16_t b, std::uint16_t c,
                           std::uint16_t d, std::uint8_t inverted = 0) {
      return says(kIpv4, rule, with_protocol(protocol), {read_ports(protocol, [&](xt_tcp& tcp) {
                    tcp.spts[0] = a;
                    tcp.spts[1] = b;
                    tcp.dpts[0] = c;
                    tcp.dpts[1] = d;
                    tcp.invflags = inverted;
                  })});
    };
    const auto source = [&] { return RuleMaker(start).transport(0, 2); };
    const auto destination = [&] { return RuleMaker(start).transport(2, 2); };
    CHECK(ports(source().equal({0, 80}), 80, 80, 0, 65535));
    CHECK(ports(source().unequal({1, 0}), 256, 256, 0, 65535, XT_TCP_INV_SRCPT));
    CHECK(ports(destination().equal({0, 0}), 0, 65535, 0, 0));
    CHECK(ports(destination().unequal({0, 80}), 0, 65535, 80, 80, XT_TCP_INV_DSTPT));
    CHECK(ports(destination().compare(NFT_CMP_LTE, {0, 9}), 0, 65535, 0, 9));
    CHECK(ports(destination().compare(NFT_CMP_GT, {0, 9}), 0, 65535, 0, 9, XT_TCP_INV_DSTPT));
    CHECK(ports(destination().compare(NFT_CMP_LT, {0, 9}), 0, 65535, 0, 8));
    CHECK(ports(destination().compare(NFT_CMP_GTE, {0, 9}), 0, 65535, 9, 65535));
    CHECK(foreign(destination().compare(NFT_CMP_LT, {0, 0})));
    CHECK(foreign(destination().compare(NFT_CMP_GTE, {0, 0})));
    CHECK(foreign(destination().compare(6, {0, 9})));
    CHECK(ports(destination().range(NFT_RANGE_EQ, {0, 5}, {1, 0}), 0, 65535, 5, 256));
    CHECK(ports(source().range(NFT_RANGE_NEQ, {0, 5}, {1, 0}), 5, 256, 0, 65535, XT_TCP_INV_SRCPT));
    CHECK(foreign(source().range(2, {0, 5}, {1, 0})));
    CHECK(foreign(source().range(NFT_RANGE_EQ, {0, 5, 0}, {1, 0, 0})));
    CHECK(foreign(source().mask({0xff, 0}).range(NFT_RANGE_EQ, {0, 5}, {1, 0})));
    CHECK(foreign(RuleMaker(start).transport(4, 2).range(NFT_RANGE_EQ, {0, 5}, {1, 0})));
    CHECK(foreign(RuleMaker(start).transport(0, 4).range(NFT_RANGE_EQ, {0, 5}, {1, 0})));
    CHECK(foreign(RuleMaker(start).network(0, 2).range(NFT_RANGE_EQ, {0, 5}, {1, 0})));
    CHECK(foreign(source().mask({0xff, 0}).equal({1, 0})));
    CHECK(foreign(source().counter()));
    // Both at once, and one after the other.
    CHECK(ports(RuleMaker(start).transport(0, 4).equal({0, 7, 0, 8}), 7, 7, 8, 8));
    CHECK(ports(source().equal({0, 7}).transport(2, 2).equal({0, 8}), 7, 7, 8, 8));
    CHECK(foreign(RuleMaker(start).transport(0, 4).compare(NFT_CMP_LT, {0, 7, 0, 8})));
    CHECK(foreign(RuleMaker(start).transport(2, 4).equal({0, 7, 0, 8})));
    CHECK(foreign(RuleMaker(start).transport(0, 3).equal({0, 7, 0})));
    CHECK(foreign(RuleMaker(start).transport(4, 2).equal({0, 7})));
    // A packet of which one port is another passes the rule, and not the entry: the safe side.
    RuleMaker negated = RuleMaker(start).transport(0, 4).unequal({0, 7, 0, 8});
    const ReadBack pair = read_made(kIpv4, negated.counter());
    CHECK(pair.reading == Reading::kInexact);
    CHECK(pair.entry == wanted_entry(kIpv4, with_protocol(protocol),
                                     {read_ports(protocol,
                                                 [](xt_tcp& tcp) {
                                                   tcp.spts[0] = tcp.spts[1] = 7;
                                                   tcp.dpts[0] = tcp.dpts[1] = 8;
                                                   tcp.invflags =
                                                       XT_TCP_INV_SRCPT | XT_TCP_INV_DSTPT;
                                                 })},
                                     standard("")));
    // A second condition on the same port is another match.
    const auto twice = source().compare(NFT_CMP_GTE, {0, 5}).transport(0, 2);
    CHECK(says(kIpv4, RuleMaker(twice).compare(NFT_CMP_LTE, {0, 9}), with_protocol(protocol),
               {read_ports(protocol, [](xt_tcp& tcp) { tcp.spts[0] = 5; }),
                read_ports(protocol, [](xt_tcp& tcp) { tcp.spts[1] = 9; })}));
  }
  // What comes behind a limit stays behind it: the limit counts what reaches it.
  const auto around = tcp_rule().transport(0, 2).equal({0, 7}).limit(1, 1, 5).transport(2, 2);
  CHECK(says(kIpv4, RuleMaker(around).equal({0, 8}), with_protocol(IPPROTO_TCP),
             {read_ports(IPPROTO_TCP, [](xt_tcp& tcp) { tcp.spts[0] = tcp.spts[1] = 7; }),
              read_limit(XT_LIMIT_SCALE, 5),
              read_ports(IPPROTO_TCP, [](xt_tcp& tcp) { tcp.dpts[0] = tcp.dpts[1] = 8; })}));
  // Without the protocol, or with a negated one, the ports are those of anything.
  CHECK(foreign(RuleMaker().transport(2, 2).equal({0, 80})));
  CHECK(foreign(RuleMaker().transport(2, 2).equal({0, 80}).protocol(IPPROTO_TCP)));
  const auto other = RuleMaker().meta(NFT_META_L4PROTO).unequal({IPPROTO_TCP});
  CHECK(foreign(RuleMaker(other).transport(2, 2).equal({0, 80})));
  CHECK(foreign(RuleMaker().protocol(IPPROTO_SCTP).transport(2, 2).equal({0, 80})));
}

TEST(nft_read_flags) {
  const auto flags = [](std::uint8_t mask, std::uint8_t set, std::uint8_t inverted) {
    return std::vector<RulePart>{read_ports(IPPROTO_TCP, [=](xt_tcp& tcp) {
      tcp.flg_mask = mask;
      tcp.flg_cmp = set;
      tcp.invflags = inverted;
    })};
  };
  const Change tcp = with_protocol(IPPROTO_TCP);
  const auto load = tcp_rule().transport(13, 1);
  CHECK(says(kIpv4, RuleMaker(load).mask({0x17}).equal({2}), tcp, flags(0x17, 2, 0)));
  CHECK(says(kIpv4, RuleMaker(load).mask({0x17}).unequal({2}), tcp,
             flags(0x17, 2, XT_TCP_INV_FLAGS)));
  CHECK(says(kIpv6, RuleMaker(load).equal({2}), tcp, flags(0xff, 2, 0)));
  CHECK(foreign(RuleMaker(load).mask({0x17}).compare(NFT_CMP_GT, {2})));
  CHECK(foreign(tcp_rule().transport(12, 2).mask({0, 0x17}).equal({0, 2})));
  CHECK(foreign(RuleMaker(load).mask({0x17, 0}).equal({2})));
  CHECK(foreign(RuleMaker().protocol(IPPROTO_UDP).transport(13, 1).mask({7}).equal({2})));
  // All fields of one -m tcp, in iptables-nft's order; in another order it is two.
  const auto all = RuleMaker(load).mask({0x17}).equal({2}).transport(0, 2).equal({0, 7});
  CHECK(says(kIpv4, RuleMaker(all).transport(2, 2).equal({0, 8}), tcp,
             {read_ports(IPPROTO_TCP, [](xt_tcp& one) {
               one.flg_mask = 0x17;
               one.flg_cmp = 2;
               one.spts[0] = one.spts[1] = 7;
               one.dpts[0] = one.dpts[1] = 8;
             })}));
  const auto late = tcp_rule().transport(2, 2).equal({0, 8}).transport(13, 1).mask({0x17});
  CHECK(says(kIpv4, RuleMaker(late).equal({2}), tcp,
             {read_ports(IPPROTO_TCP, [](xt_tcp& one) { one.dpts[0] = one.dpts[1] = 8; }),
              flags(0x17, 2, 0)[0]}));
}

TEST(nft_read_icmp) {
  const auto part = [](const char* name, const NftBytes& bytes) {
    RulePart one{name, 0, bytes};
    one.payload.resize(8);
    return std::vector<RulePart>{one};
  };
  const auto ping = RuleMaker().protocol(IPPROTO_ICMP).transport(0, 1);
  const Change icmp = with_protocol(IPPROTO_ICMP);
  CHECK(says(kIpv4, RuleMaker(ping).equal({8}), icmp, part("icmp", {8, 0, 0xff, 0})));
  CHECK(says(kIpv4, RuleMaker(ping).unequal({8}), icmp, part("icmp", {8, 0, 0xff, 1})));
  const auto code = RuleMaker().protocol(IPPROTO_ICMP).transport(0, 2);
  CHECK(says(kIpv4, RuleMaker(code).equal({3, 4}), icmp, part("icmp", {3, 4, 4, 0})));
  const Change icmp6 = with_protocol(IPPROTO_ICMPV6);
  const auto ping6 = RuleMaker().protocol(IPPROTO_ICMPV6).transport(0, 1);
  CHECK(says(kIpv6, RuleMaker(ping6).equal({0xff}), icmp6, part("icmp6", {0xff, 0, 0xff, 0})));
  // The type for all of ipt_icmp.
  CHECK(foreign(RuleMaker(ping).equal({0xff})));
  CHECK(foreign(RuleMaker(ping).compare(NFT_CMP_GT, {8})));
  CHECK(foreign(RuleMaker(ping).mask({8}).equal({8})));
  CHECK(foreign(RuleMaker().protocol(IPPROTO_ICMP).transport(1, 1).equal({8})));
  CHECK(foreign(RuleMaker().protocol(IPPROTO_ICMP).transport(0, 4).equal({8, 0, 0, 0})));
  CHECK(foreign(kIpv6, RuleMaker(ping).equal({8})));
  CHECK(foreign(kIpv4, RuleMaker(ping6).equal({8})));
}

TEST(nft_read_meta_matches) {
  const auto mark = RuleMaker().meta(NFT_META_MARK);
  CHECK(says(kIpv4, RuleMaker(mark).equal({3, 0, 0, 0}), {}, {read_mark(3, 0xffffffff, 0)}));
  CHECK(says(kIpv6, RuleMaker(mark).mask({7, 0, 0, 0}).unequal({3, 0, 0, 0}), {},
             {read_mark(3, 7, 1)}));
  CHECK(foreign(RuleMaker(mark).mask({7, 0, 0, 0}, {1}).equal({3, 0, 0, 0})));
  CHECK(foreign(RuleMaker(mark).mask({7, 0}).equal({3, 0, 0, 0})));
  CHECK(foreign(RuleMaker(mark).equal({3, 0})));
  CHECK(foreign(RuleMaker(mark).compare(NFT_CMP_LT, {3, 0, 0, 0})));
  CHECK(foreign(RuleMaker(mark).counter()));
  const auto type = RuleMaker().meta(NFT_META_PKTTYPE);
  xt_pkttype_info info{};
  info.pkttype = 2;
  CHECK(says(kIpv4, RuleMaker(type).equal({2}), {}, {part_of("pkttype", 0, info)}));
  info.invert = 1;
  CHECK(says(kIpv4, RuleMaker(type).unequal({2}), {}, {part_of("pkttype", 0, info)}));
  CHECK(foreign(RuleMaker(type).equal({2, 0})));
  CHECK(foreign(RuleMaker(type).mask({2}).equal({2})));
}

TEST(nft_read_limits) {
  CHECK(says(kIpv4, RuleMaker().limit(1, 1, 5), {}, {read_limit(XT_LIMIT_SCALE, 5)}));
  CHECK(says(kIpv4, RuleMaker().limit(7, 60, 9), {}, {read_limit(85714, 9)}));
  CHECK(says(kIpv4, RuleMaker().limit(10000, 1, 9), {}, {read_limit(1, 9)}));
  CHECK(says(kIpv4, RuleMaker().limit(2, 604800, 1), {}, {read_limit(3024000000, 1)}));
  CHECK(foreign(RuleMaker().limit(1, 604800, 1)));
  // What no iptables could have written: the entry lets fewer packets pass than the rule.
  const auto inexact = [](std::uint64_t rate, std::uint64_t unit, std::uint32_t average) {
    RuleMaker rule;
    const ReadBack back = read_made(kIpv4, rule.limit(rate, unit, 5).counter());
    return back.reading == Reading::kInexact && back.note.starts_with("a limit of ") &&
           back.entry == wanted_entry(kIpv4, {}, {read_limit(average, 5)}, standard(""));
  };
  CHECK(inexact(9999, 1, 2));
  CHECK(inexact(6000, 1, 2));
  CHECK(inexact(20000, 1, 1));
  CHECK(inexact(std::uint64_t{1} << 60, 3600, 1));
  CHECK(foreign(RuleMaker().limit(0, 1, 5)));
  CHECK(foreign(RuleMaker().limit(1, 0, 5)));
  CHECK(foreign(RuleMaker().limit(1, 604801, 5)));
  CHECK(foreign(RuleMaker().limit(1, std::uint64_t{1} << 63, 5)));
  CHECK(foreign(RuleMaker().limit(1, 1, 5, NFT_LIMIT_PKT_BYTES)));
  CHECK(foreign(RuleMaker().limit(1, 1, 5, NFT_LIMIT_PKTS, NFT_LIMIT_F_INV)));
  // The limit counts what reaches it. In an entry the head comes before it.
  CHECK(foreign(RuleMaker().limit(1, 1, 5).network(12, 1).equal({10})));
  CHECK(foreign(RuleMaker().limit(1, 1, 5).meta(NFT_META_IIFNAME).counter()));
  CHECK(foreign(RuleMaker().limit(1, 1, 5).protocol(6)));
  CHECK(says(kIpv4, RuleMaker().limit(1, 1, 5).meta(NFT_META_MARK).equal({3, 0, 0, 0}), {},
             {read_limit(XT_LIMIT_SCALE, 5), read_mark(3, 0xffffffff, 0)}));
}

TEST(nft_read_extensions) {
  const NftBytes info(16, 5);
  CHECK(says(kIpv4, RuleMaker().match("multiport", 1, info), {}, {{"multiport", 1, info}}));
  CHECK(says(kIpv4, RuleMaker().match("x", 0, {}), {}, {{"x", 0, {}}}));
  const std::string longest(28, 'n');
  CHECK(says(kIpv6, RuleMaker().match(longest, 0xff, info), {}, {{longest, 0xff, info}}));
  for (const char* kind : {"match", "target"}) {
    CHECK(foreign(RuleMaker().extension(kind, longest + "n", 0, info)));
    CHECK(foreign(RuleMaker().extension(kind, "", 0, info)));
    CHECK(foreign(RuleMaker().extension(kind, "x", 256, info)));
    CHECK(foreign(RuleMaker().extension(kind, "x", 0, NftBytes(9))));
    CHECK(foreign(RuleMaker().add(kind)));
    CHECK(foreign(RuleMaker().add(kind, [](MessageBuilder& out) {
      out.string(NFTA_MATCH_NAME, "x");
      out.be32(NFTA_MATCH_REV, 0);
    })));
    CHECK(foreign(RuleMaker().add(kind, [](MessageBuilder& out) {
      out.string(NFTA_MATCH_NAME, "x");
      out.be32(NFTA_MATCH_REV, 0);
      out.bytes(NFTA_MATCH_INFO, nullptr, 0);
      out.be32(NFTA_MATCH_INFO + 1, 0);
    })));
  }
  // A match can have a state.
  CHECK(foreign(RuleMaker().match("statistic", 0, info).network(12, 1).equal({10})));
  CHECK(foreign(RuleMaker().match("statistic", 0, info).protocol(6)));
  CHECK(ends([&](RuleMaker& rule) { rule.target("MARK", 2, info); }, {"MARK", 2, info}));
  CHECK(ends([&](RuleMaker& rule) { rule.target("CHAIN", 0, info); }, {"CHAIN", 0, info}));
  // In an entry these would be a jump and a verdict.
  CHECK(foreign(RuleMaker().counter().target("CHAIN", 0, NftBytes(8))));
  CHECK(foreign(RuleMaker().counter().target("DROP", 0, NftBytes(8))));
  CHECK(ends([](RuleMaker& rule) { rule.target("CHAIN", 1, NftBytes(8)); },
             {"CHAIN", 1, NftBytes(8)}));
  // Larger than an entry can be.
  CHECK(foreign(RuleMaker().match("x", 0, NftBytes(65424)).counter()));
  RuleMaker many;
  for (int i = 0; i < 1023; i++) many.match("x", 0, NftBytes(32));
  CHECK(foreign(many.counter()));
}

}  // namespace nf::test
