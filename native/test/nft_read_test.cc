// Tests of reading rules of nf_tables: the forms that iptables-nft 1.8.7 to 1.8.11 writes, and
// every reason for which a rule is not read, or not wholly. Also: what write_rule writes is read as
// it was.
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_limit.h>

#include <memory>
#include <string>
#include <vector>

#include "core/nftables/read_rule.h"
#include "core/nftables/write_rule.h"
#include "test/check.h"
#include "test/nft_messages.h"
#include "test/nft_rules.h"

namespace nf::test {
namespace {

using nft::Reading;
using xt::kIpv4;
using xt::kIpv6;
using xt::Layout;

struct ReadBack {
  Reading reading = Reading::kForeign;
  std::string note;
  RuleBytes entry;
  xt::Counters counters;
};

bool has_chain(std::string_view name) { return name == "CHAIN" || name == "RETURN"; }

// The attributes lie in a block of exactly their size, so that the sanitizer sees a read past it.
ReadBack read_message(const Layout& layout, const NftBytes& message) {
  const auto block = std::make_unique<std::uint8_t[]>(message.size());
  std::copy(message.begin(), message.end(), block.get());
  nft::Rule rule;
  ReadBack back;
  if (!nft::parse(AttributeCursor(block.get(), message.size()), rule)) return back;
  // Entries follow each other in one buffer.
  RuleBytes entries(8, 0xee);
  nft::RuleReading reading = nft::read_rule(layout, rule, has_chain, entries);
  back.reading = reading.reading;
  back.note = reading.note;
  CHECK_EQUAL(entries.size() % 8, 0U);
  CHECK(std::all_of(entries.begin(), entries.begin() + 8, [](auto byte) { return byte == 0xee; }));
  back.entry.assign(entries.begin() + 8, entries.end());
  xt::EntryView view;
  CHECK_EQUAL(xt::view_entry(layout, back.entry.data(), back.entry.size(), view), nullptr);
  CHECK_EQUAL(view.size, back.entry.size());
  back.counters = xt::load_counters(&back.entry[layout.counters]);
  if (back.reading == Reading::kExact) CHECK(back.note.empty());
  if (back.reading == Reading::kInexact) CHECK(!back.note.empty());
  return back;
}
ReadBack read_made(const Layout& layout, const RuleMaker& rule, const NftBytes& user_data = {}) {
  RuleMessage message;
  message.user_data = user_data;
  return read_message(layout, message(rule.list()));
}

using Change = std::function<void(RuleBytes&, const HeadAt&)>;

RuleBytes wanted_entry(const Layout& layout, const Change& head,
                       const std::vector<RulePart>& matches, const RulePart& target) {
  RuleBytes entry = rule_entry(layout, matches, target);
  if (head) head(entry, head_at(layout));
  xt::store_counters(&entry[layout.counters], {3, 4});
  return entry;
}

// Whether the rule is exactly this entry. The counter is added.
bool says(const Layout& layout, RuleMaker rule, const Change& head,
          const std::vector<RulePart>& matches = {}, const RulePart& target = standard("")) {
  const ReadBack back = read_made(layout, rule.counter());
  return back.reading == Reading::kExact &&
         back.entry == wanted_entry(layout, head, matches, target);
}
// The same for a rule that ends with a target.
bool ends(const std::function<void(RuleMaker&)>& end, const RulePart& target,
          const Change& head = {}) {
  RuleMaker rule;
  end(rule.counter());
  const ReadBack back = read_made(kIpv4, rule);
  return back.reading == Reading::kExact && back.entry == wanted_entry(kIpv4, head, {}, target);
}

// A rule that is not read: its entry says nothing but what was counted.
bool foreign(const Layout& layout, const RuleMaker& rule, const NftBytes& user_data = {}) {
  const ReadBack back = read_made(layout, rule, user_data);
  RuleBytes blank = rule_entry(layout, {}, standard(""));
  xt::store_counters(&blank[layout.counters], back.counters);
  return back.reading == Reading::kForeign && back.entry == blank;
}
bool foreign(const RuleMaker& rule) { return foreign(kIpv4, rule); }

Change put_bytes(std::size_t HeadAt::*field, const NftBytes& bytes, std::uint8_t inverted = 0) {
  return [=](RuleBytes& entry, const HeadAt& at) {
    std::copy(bytes.begin(), bytes.end(), entry.begin() + static_cast<std::ptrdiff_t>(at.*field));
    entry[at.inversions] |= inverted;
  };
}
Change both(const Change& one, const Change& two) {
  return [=](RuleBytes& entry, const HeadAt& at) {
    one(entry, at);
    two(entry, at);
  };
}
Change with_protocol(std::uint8_t number, std::uint8_t inverted = 0) {
  return [=](RuleBytes& entry, const HeadAt& at) {
    entry[at.protocol] = number;
    entry[at.inversions] |= inverted;
    if (entry.size() >= kIpv6.entry_size && at.address == 16) entry[at.flags] |= IP6T_F_PROTO;
  };
}

RulePart read_ports(std::uint8_t protocol, const std::function<void(xt_tcp&)>& fill) {
  xt_tcp tcp{};
  tcp.spts[1] = tcp.dpts[1] = 0xffff;
  fill(tcp);
  if (protocol == IPPROTO_TCP) return part_of("tcp", 0, tcp);
  xt_udp udp;
  std::memset(&udp, 0, sizeof udp);  // the padding too: entries are compared as bytes
  std::copy_n(tcp.spts, 2, udp.spts);
  std::copy_n(tcp.dpts, 2, udp.dpts);
  udp.invflags = tcp.invflags;
  return part_of("udp", 0, udp);
}
RulePart read_mark(std::uint32_t mark, std::uint32_t mask, std::uint8_t invert) {
  xt_mark_mtinfo1 info{};
  info.mark = mark;
  info.mask = mask;
  info.invert = invert;
  return part_of("mark", 1, info);
}
RulePart read_limit(std::uint32_t average, std::uint32_t burst) {
  xt_rateinfo info{};
  info.avg = average;
  info.burst = burst;
  return part_of("limit", 0, info);
}
RulePart said_comment(const std::string& text) {
  RulePart part{"comment", 0, RuleBytes(256)};
  std::copy(text.begin(), text.end(), part.payload.begin());
  return part;
}

RuleMaker tcp_rule() { return RuleMaker().protocol(IPPROTO_TCP); }
const NftBytes kEth0{'e', 't', 'h', '0', 0};

}  // namespace

TEST(nft_read_interfaces) {
  for (const Layout* layout : {&kIpv4, &kIpv6}) {
    const auto device = [&](const NftBytes& value, bool inverted, const std::string& name,
                            std::size_t mask) {
      const Change in = both(
          put_bytes(&HeadAt::in, NftBytes(name.begin(), name.end()), inverted ? IPT_INV_VIA_IN : 0),
          put_bytes(&HeadAt::in_mask, NftBytes(mask, 0xff)));
      return says(
          *layout,
          RuleMaker().meta(NFT_META_IIFNAME).compare(inverted ? NFT_CMP_NEQ : NFT_CMP_EQ, value),
          in);
    };
    CHECK(device(kEth0, false, "eth0", 5));
    CHECK(device(kEth0, true, "eth0", 5));
    CHECK(device({'e', 't', 'h'}, false, "eth+", 3));
    CHECK(device({'e', 't', 'h'}, true, "eth+", 3));
    NftBytes padded = kEth0;
    padded.resize(16);
    CHECK(device(padded, false, "eth0", 5));
    CHECK(
        device(bytes_of(std::string_view("abcdefghijklmno\0", 16)), false, "abcdefghijklmno", 16));
    CHECK(device(bytes_of("abcdefghijklmn"), false, "abcdefghijklmn+", 14));
    // A name that ends with a plus is a whole name here.
    CHECK(device({'a', '+', 0}, false, "a+", 3));
    // `! -i +`, as 1.8.8 and later have it. `-i +` is a load and nothing else.
    NftBytes nowhere = bytes_of(std::string_view("INVAL/D\0", 8));
    const Change none = put_bytes(&HeadAt::in, {'+'}, IPT_INV_VIA_IN);
    CHECK(says(*layout, RuleMaker().meta(NFT_META_IIFNAME).equal(nowhere), none));
    CHECK(device(nowhere, true, "INVAL/D", 8));
    nowhere.resize(16);
    CHECK(says(*layout, RuleMaker().meta(NFT_META_IIFNAME).equal(nowhere), none));
    CHECK(says(*layout, RuleMaker().meta(NFT_META_OIFNAME), put_bytes(&HeadAt::out, {'+'})));

    const auto refused = [&](const NftBytes& value, std::uint32_t operation = NFT_CMP_EQ) {
      return foreign(*layout, RuleMaker().meta(NFT_META_OIFNAME).compare(operation, value));
    };
    CHECK(refused({0}));
    CHECK(refused({'a', 0, 'b'}));
    CHECK(refused(bytes_of("abcdefghijklmno")));
    CHECK(refused(bytes_of("abcdefghijklmnop")));
    CHECK(refused(NftBytes(17, 'a')));
    CHECK(refused({}));
    CHECK(refused(kEth0, NFT_CMP_LT));
    CHECK(refused(kEth0, 6));
    CHECK(foreign(*layout, RuleMaker().meta(NFT_META_IIFNAME).mask(kEth0).equal(kEth0)));
    CHECK(foreign(*layout, RuleMaker().meta(NFT_META_IIFNAME).mask(kEth0).counter()));
    const auto two = RuleMaker().meta(NFT_META_IIFNAME).equal(kEth0).meta(NFT_META_IIFNAME);
    CHECK(foreign(*layout, RuleMaker(two).unequal({'e', 0})));
    CHECK(foreign(*layout, RuleMaker(two).counter()));
  }
  CHECK(foreign(RuleMaker().meta(NFT_META_IIF).equal({1, 0, 0, 0})));
  CHECK(foreign(RuleMaker().meta(NFT_META_IIF).counter()));
}

TEST(nft_read_protocols) {
  for (const Layout* layout : {&kIpv4, &kIpv6}) {
    const auto tcp = RuleMaker().meta(NFT_META_L4PROTO);
    CHECK(says(*layout, RuleMaker(tcp).equal({6}), with_protocol(6)));
    CHECK(says(*layout, RuleMaker(tcp).unequal({6}), with_protocol(6, XT_INV_PROTO)));
    CHECK(foreign(*layout, RuleMaker(tcp).equal({0})));
    CHECK(foreign(*layout, RuleMaker(tcp).equal({6, 0})));
    CHECK(foreign(*layout, RuleMaker(tcp).compare(NFT_CMP_GT, {6})));
    CHECK(foreign(*layout, RuleMaker(tcp).mask({7}).equal({6})));
    CHECK(foreign(*layout, RuleMaker(tcp).equal({6}).protocol(6)));
    CHECK(foreign(*layout, RuleMaker(tcp).unequal({6}).meta(NFT_META_L4PROTO).unequal({17})));
  }
  // A load alone is `-p all` of IPv6. In IPv4 it says nothing.
  const auto all = RuleMaker().meta(NFT_META_L4PROTO);
  CHECK(says(kIpv6, all, with_protocol(0)));
  CHECK(foreign(RuleMaker(all).counter()));
  // nft's `ip protocol`. In IPv6 the next header need not be the protocol.
  const auto header = RuleMaker().network(9, 1).equal({6});
  CHECK(says(kIpv4, header, with_protocol(6)));
  CHECK(says(kIpv4, RuleMaker().network(9, 1).unequal({6}), with_protocol(6, XT_INV_PROTO)));
  CHECK(foreign(RuleMaker().network(9, 1).compare(NFT_CMP_LT, {6})));
  CHECK(foreign(RuleMaker().network(9, 1).mask({7}).equal({6})));
  CHECK(foreign(RuleMaker().network(9, 2).equal({6, 0})));
  CHECK(foreign(kIpv6, RuleMaker().network(6, 1).equal({6})));
  CHECK(foreign(kIpv6, header));
}

TEST(nft_read_addresses) {
  const auto address = [](std::size_t HeadAt::*value, std::size_t HeadAt::*mask,
                          const NftBytes& bytes, const NftBytes& bits, std::uint8_t inverted = 0) {
    return both(put_bytes(value, bytes, inverted), put_bytes(mask, bits));
  };
  const auto source = [&](const NftBytes& bytes, const NftBytes& bits, std::uint8_t inverted = 0) {
    return address(&HeadAt::source, &HeadAt::source_mask, bytes, bits, inverted);
  };
  const NftBytes whole(4, 0xff);
  CHECK(says(kIpv4, RuleMaker().network(12, 4).equal({10, 0, 0, 1}), source({10, 0, 0, 1}, whole)));
  CHECK(says(kIpv4, RuleMaker().network(12, 1).equal({10}), source({10}, {0xff})));
  CHECK(says(kIpv4, RuleMaker().network(12, 3).unequal({10, 0, 1}),
             source({10, 0, 1}, {0xff, 0xff, 0xff}, IPT_INV_SRCIP)));
  CHECK(says(kIpv4, RuleMaker().network(16, 4).mask({0xff, 0xf0, 0, 0}).equal({10, 16, 0, 0}),
             address(&HeadAt::destination, &HeadAt::destination_mask, {10, 16}, {0xff, 0xf0})));
  CHECK(says(kIpv4, RuleMaker().network(12, 4).mask({0, 0, 0, 0}).unequal({0, 0, 0, 0}),
             source({}, {}, IPT_INV_SRCIP)));
  // ip_tables compares bits outside the mask, as nf_tables does.
  CHECK(says(kIpv4, RuleMaker().network(12, 4).mask({0xff, 0, 0, 0}).equal({10, 1, 0, 0}),
             source({10, 1}, {0xff})));
  CHECK(foreign(RuleMaker().network(12, 5).equal({10, 0, 0, 1, 0})));
  CHECK(foreign(RuleMaker().network(12, 8).equal(NftBytes(8, 1))));
  CHECK(foreign(RuleMaker().network(13, 1).equal({10})));
  CHECK(foreign(RuleMaker().network(12, 2).mask({0xff, 0xf0}).equal({10, 16})));
  CHECK(foreign(RuleMaker().network(12, 4).mask({0xff, 0xf0}).equal({10, 16, 0, 0})));
  CHECK(foreign(RuleMaker().network(12, 4).equal({10, 0})));
  CHECK(foreign(RuleMaker().network(12, 4).compare(NFT_CMP_LTE, {10, 0, 0, 1})));
  CHECK(foreign(RuleMaker().network(12, 4).mask(whole, {1}).equal({10, 0, 0, 1})));
  CHECK(foreign(RuleMaker().network(12, 4).mask(whole).mask(whole).equal({10, 0, 0, 1})));
  CHECK(foreign(RuleMaker().network(12, 1).equal({10}).network(12, 2).equal({10, 1})));
  CHECK(foreign(RuleMaker().load(NFT_PAYLOAD_LL_HEADER, 12, 4).equal({10, 0, 0, 1})));
  CHECK(foreign(RuleMaker().load(3, 12, 4).equal({10, 0, 0, 1})));
  CHECK(foreign(RuleMaker().network(12, 4).counter()));

  const NftBytes six(16, 0x20);
  CHECK(says(kIpv6, RuleMaker().network(8, 16).equal(six), source(six, NftBytes(16, 0xff))));
  CHECK(says(kIpv6, RuleMaker().network(24, 2).equal({0x20, 1}),
             address(&HeadAt::destination, &HeadAt::destination_mask, {0x20, 1}, {0xff, 0xff})));
  NftBytes mask(16);
  mask[0] = 0xf0;
  CHECK(says(kIpv6, RuleMaker().network(8, 16).mask(mask).equal(NftBytes(mask.size())),
             source({}, {0xf0})));
  // ip6_tables would not compare the bits outside the mask: the entry would match, the rule never.
  CHECK(foreign(kIpv6, RuleMaker().network(8, 16).mask(mask).equal(six)));
  CHECK(foreign(kIpv6, RuleMaker().network(8, 16).mask(mask).unequal(six)));
  CHECK(foreign(kIpv6, RuleMaker().network(12, 4).equal({10, 0, 0, 1})));
}

TEST(nft_read_fragments) {
  const auto later = RuleMaker().network(6, 2).mask({0x1f, 0xff});
  const auto flag = [](std::uint8_t inverted) {
    return [=](RuleBytes& entry, const HeadAt& at) {
      entry[at.flags] |= IPT_F_FRAG;
      entry[at.inversions] |= inverted;
    };
  };
  CHECK(says(kIpv4, RuleMaker(later).unequal({0, 0}), flag(0)));
  CHECK(says(kIpv4, RuleMaker(later).equal({0, 0}), flag(IPT_INV_FRAG)));
  CHECK(foreign(RuleMaker(later).equal({0, 1})));
  CHECK(foreign(RuleMaker(later).compare(NFT_CMP_GT, {0, 0})));
  CHECK(foreign(RuleMaker(later).unequal({0, 0}).network(6, 2).mask({0x1f, 0xff}).equal({0, 0})));
  CHECK(foreign(RuleMaker().network(6, 2).mask({0x3f, 0xff}).unequal({0, 0})));
  CHECK(foreign(RuleMaker().network(6, 2).mask({0x1f, 0xff, 0, 0}).unequal({0, 0})));
  CHECK(foreign(RuleMaker().network(6, 2).unequal({0, 0})));
  CHECK(foreign(kIpv6, RuleMaker(later).unequal({0, 0})));
}

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

TEST(nft_read_ends) {
  const auto verdict = [](int code, const char* chain = "") {
    return [=](RuleMaker& rule) { rule.verdict(code, chain); };
  };
  const Change goes = [](RuleBytes& entry, const HeadAt& at) { entry[at.flags] |= IPT_F_GOTO; };
  CHECK(ends(verdict(NF_ACCEPT), standard("ACCEPT")));
  CHECK(ends(verdict(NF_DROP), standard("DROP")));
  CHECK(ends(verdict(NFT_RETURN), standard("RETURN")));
  CHECK(ends(verdict(NFT_JUMP, "CHAIN"), standard("CHAIN")));
  CHECK(ends(verdict(NFT_GOTO, "CHAIN"), standard("CHAIN"), goes));
  CHECK(foreign(RuleMaker().verdict(NF_QUEUE)));
  CHECK(foreign(RuleMaker().verdict(NFT_CONTINUE)));
  CHECK(foreign(RuleMaker().verdict(NFT_BREAK)));
  CHECK(foreign(RuleMaker().verdict(NFT_JUMP)));
  CHECK(foreign(RuleMaker().verdict(NFT_JUMP, "nowhere")));
  // A chain with the name of a verdict: in an entry it would be the verdict.
  CHECK(foreign(RuleMaker().verdict(NFT_JUMP, "RETURN")));
  CHECK(foreign(RuleMaker().verdict(NF_ACCEPT, {}, NFT_REG_1)));
  CHECK(foreign(RuleMaker().verdict(NF_ACCEPT).verdict(NF_ACCEPT)));
  CHECK(foreign(RuleMaker().verdict(NF_ACCEPT).network(12, 1).equal({10})));
  const auto chain_number = [](MessageBuilder& out) {
    out.be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    put_nest(out, NFTA_IMMEDIATE_DATA, [](MessageBuilder& data) {
      put_nest(data, NFTA_DATA_VERDICT, [](MessageBuilder& nest) {
        nest.be32(NFTA_VERDICT_CODE, NF_ACCEPT);
        nest.be32(3, 1);
      });
    });
  };
  CHECK(foreign(RuleMaker().add("immediate", chain_number)));
  CHECK(foreign(RuleMaker().add("immediate")));

  const auto trace = [](RuleMaker& rule) { rule.immediate({1}).set_meta(NFT_META_NFTRACE); };
  CHECK(ends(trace, {"TRACE", 0, {}}));
  CHECK(foreign(RuleMaker().immediate({0}).set_meta(NFT_META_NFTRACE)));
  CHECK(foreign(RuleMaker().immediate({1, 0}).set_meta(NFT_META_NFTRACE)));
  CHECK(foreign(RuleMaker().immediate({1}).set_meta(NFT_META_MARK)));
  CHECK(foreign(RuleMaker().immediate({1}).set_meta(NFT_META_NFTRACE, NFT_REG_2)));
  CHECK(foreign(RuleMaker().set_meta(NFT_META_NFTRACE)));
  CHECK(foreign(RuleMaker().immediate({1}).counter()));
  CHECK(foreign(RuleMaker().immediate({1}).set_meta(NFT_META_NFTRACE).verdict(NF_DROP)));
  CHECK(foreign(RuleMaker().meta(NFT_META_MARK).set_meta(NFT_META_NFTRACE, NFT_REG_1)));
}

TEST(nft_read_log) {
  const auto nflog = [](const std::function<void(xt_nflog_info&)>& fill) {
    xt_nflog_info info{};
    fill(info);
    return part_of("NFLOG", 0, info);
  };
  const std::string prefix(63, 'p');
  CHECK(ends([](RuleMaker& rule) { rule.log(3); }, nflog([](auto& info) { info.group = 3; })));
  CHECK(ends(
      [&](RuleMaker& rule) {
        rule.log(0x1234, prefix, [](MessageBuilder& out) {
          out.be32(NFTA_LOG_SNAPLEN, 99);
          out.be16(NFTA_LOG_QTHRESHOLD, 7);
        });
      },
      nflog([&](auto& info) {
        info.group = 0x1234;
        info.len = 99;
        info.flags = XT_NFLOG_F_COPY_LEN;
        info.threshold = 7;
        prefix.copy(info.prefix, 63);
      })));
  const auto more = [](int type) {
    return RuleMaker().log(3, {}, [=](MessageBuilder& out) {
      out.bytes(static_cast<std::uint16_t>(type), "\0\0\0\1", 4);
    });
  };
  CHECK(foreign(more(NFTA_LOG_LEVEL)));
  CHECK(foreign(more(NFTA_LOG_FLAGS)));
  CHECK(foreign(more(NFTA_LOG_FLAGS + 1)));
  CHECK(foreign(more(NFTA_LOG_QTHRESHOLD)));
  CHECK(
      foreign(RuleMaker().log(3, {}, [](MessageBuilder& out) { out.be16(NFTA_LOG_SNAPLEN, 1); })));
  CHECK(foreign(
      RuleMaker().add("log", [](MessageBuilder& out) { out.string(NFTA_LOG_PREFIX, "x"); })));
  CHECK(foreign(RuleMaker().log(3).verdict(NF_DROP)));
  const ReadBack cut = read_made(kIpv4, RuleMaker().log(3, std::string(127, 'p')));
  CHECK(cut.reading == Reading::kInexact && cut.note.ends_with(std::string(127, 'p')));
}

TEST(nft_read_comments) {
  const auto with = [](const NftBytes& user_data, const std::vector<RulePart>& matches) {
    const ReadBack back = read_made(kIpv4, tcp_rule().counter().verdict(NF_DROP), user_data);
    return back.reading == Reading::kExact &&
           back.entry == wanted_entry(kIpv4, with_protocol(6), matches, standard("DROP"));
  };
  CHECK(with(user_comment("said"), {said_comment("said")}));
  CHECK(with(user_comment(std::string(254, 'c')), {said_comment(std::string(254, 'c'))}));
  NftBytes two{9, 2, 1, 1};
  const NftBytes comment = user_comment("b");
  two.insert(two.end(), comment.begin(), comment.end());
  CHECK(with(two, {said_comment("b")}));
  CHECK(says(kIpv4, RuleMaker().match("comment", 0, said_comment("m").payload), {},
             {said_comment("m")}));
  for (const NftBytes& bad : {NftBytes{0}, NftBytes{0, 2, 'a'}, NftBytes{0, 1, 'a'}, NftBytes{0, 0},
                              NftBytes{9, 1, 1, 0}}) {
    CHECK(foreign(kIpv4, RuleMaker().counter(), bad));
  }
}

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

namespace {

// Writes an entry and reads what was written.
void check_round(const Layout& layout, RuleBytes entry, bool same_bytes, const char* what) {
  xt::store_counters(&entry[layout.counters], {3, 4});
  MessageBuilder out;
  const char* why = nft::write_rule(layout, entry.data(), entry.size(), {3, 4}, has_chain, out);
  CHECK_EQUAL(why, nullptr);
  const ReadBack back = read_message(layout, bytes_of(out));
  if (back.reading != Reading::kExact || (back.entry == entry) != same_bytes) {
    report(__FILE__, __LINE__, std::string(what) + ": " + back.note);
  }
  // Packets that hit and miss each condition: each field as the entry names it, or one more.
  const HeadAt at = head_at(layout);
  for (unsigned differing = 0; differing < 512; differing++) {
    const auto other = [&](unsigned bit) {
      return static_cast<std::uint8_t>((differing >> bit) & 1U);
    };
    RulePacket packet;
    std::copy_n(&entry[at.in], 15, packet.in.begin());
    std::copy_n(&entry[at.out], 15, packet.out.begin());
    packet.in[2] = static_cast<std::uint8_t>(packet.in[2] + other(0));
    packet.out[2] = static_cast<std::uint8_t>(packet.out[2] + other(1));
    packet.protocol = static_cast<std::uint8_t>(entry[at.protocol] + other(2));
    std::copy_n(&entry[at.source], 2 * at.address, &packet.network[at.packet_source]);
    packet.network[at.packet_source] ^= other(3);
    packet.network[at.packet_source + at.address + 1] ^= other(4);
    if (layout.family == AF_INET) packet.set_fragment(other(5) != 0);
    packet.has_protocol = layout.family == AF_INET || other(5) == 0;
    packet.mark = 3U ^ other(6);
    packet.transport = {0, 7, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};
    packet.transport[1] ^= other(6);
    packet.transport[3] ^= other(7);
    packet.transport[13] ^= other(8);
    if (entry_passes(layout, entry, packet) == entry_passes(layout, back.entry, packet)) continue;
    report(__FILE__, __LINE__, std::string(what) + " means something else to a packet");
    break;
  }
}

}  // namespace

TEST(nft_written_rules_are_read) {
  const auto tcp_ports = [](std::uint16_t a, std::uint16_t b, std::uint8_t inverted,
                            std::uint8_t flags = 0) {
    return read_ports(IPPROTO_TCP, [=](xt_tcp& tcp) {
      tcp.spts[0] = a;
      tcp.spts[1] = b;
      tcp.dpts[0] = tcp.dpts[1] = 8;
      tcp.flg_mask = tcp.flg_cmp = flags;
      tcp.invflags = inverted;
    });
  };
  struct Case {
    const char* what;
    Change head;
    std::vector<RulePart> matches;
    RulePart target;
    bool same = true;
  };
  const Change tcp = with_protocol(IPPROTO_TCP);
  const auto device = [](const std::string& name, std::size_t mask, std::uint8_t inverted) {
    return both(put_bytes(&HeadAt::in, NftBytes(name.begin(), name.end()), inverted),
                put_bytes(&HeadAt::in_mask, NftBytes(mask, 0xff)));
  };
  const auto source = [](const NftBytes& value, const NftBytes& mask, std::uint8_t inverted) {
    return both(put_bytes(&HeadAt::source, value, inverted), put_bytes(&HeadAt::source_mask, mask));
  };
  xt_nflog_info log{};
  log.group = 4;
  const std::vector<Case> cases = {
      {"nothing", {}, {}, standard("")},
      {"verdict", {}, {}, standard("RETURN")},
      {"jump", {}, {}, standard("CHAIN")},
      {"goto",
       [](RuleBytes& entry, const HeadAt& at) {
         entry[at.flags] |= at.address == 16 ? IP6T_F_GOTO : IPT_F_GOTO;
       },
       {},
       standard("CHAIN")},
      {"interface", device("eth0", 5, 0), {}, standard("DROP")},
      {"not interface", device("eth0", 5, IPT_INV_VIA_IN), {}, standard("DROP")},
      {"begin of an interface", device("eth+", 3, 0), {}, standard("DROP")},
      {"any interface", device("+", 0, 0), {}, standard("DROP")},
      {"no interface", device("+", 0, IPT_INV_VIA_IN), {}, standard("DROP")},
      {"an interface without mask", device("eth0", 0, 0), {}, standard("DROP"), false},
      {"a longer interface mask", device("eth0", 16, 0), {}, standard("DROP"), false},
      {"a long begin", device("abcdefghijklmno+", 15, 0), {}, standard("DROP"), false},
      {"no protocol", with_protocol(17, XT_INV_PROTO), {}, standard("DROP")},
      {"address", source({10, 0, 0, 1}, {0xff, 0xff, 0xff, 0xff}, 0), {}, standard("DROP")},
      {"net", source({10}, {0xff}, IPT_INV_SRCIP), {}, standard("DROP")},
      {"net of bits", source({10, 16}, {0xff, 0xf0}, 0), {}, standard("DROP")},
      {"holes", source({10, 0, 1}, {0xff, 0, 0xff}, 0), {}, standard("DROP")},
      {"not any address", source({}, {}, IPT_INV_SRCIP), {}, standard("DROP")},
      {"port", tcp, {tcp_ports(0, 0xffff, 0)}, standard("DROP")},
      {"both ports", tcp, {tcp_ports(7, 7, 0)}, standard("DROP")},
      {"neither port", tcp, {tcp_ports(7, 7, 3)}, standard("DROP")},
      {"range", tcp, {tcp_ports(7, 9, 0)}, standard("DROP")},
      {"not a range", tcp, {tcp_ports(7, 9, 1)}, standard("DROP")},
      {"up to a port", tcp, {tcp_ports(0, 9, 0)}, standard("DROP")},
      {"above a port", tcp, {tcp_ports(0, 9, 1)}, standard("DROP")},
      {"no port at all", tcp, {tcp_ports(0, 0xffff, 1)}, standard("DROP")},
      {"flags", tcp, {tcp_ports(7, 7, 0, 2)}, standard("DROP")},
      {"not flags", tcp, {tcp_ports(7, 7, 4, 2)}, standard("DROP")},
      {"two of tcp", tcp, {tcp_ports(7, 9, 0), tcp_ports(9, 9, 1)}, standard("DROP")},
      {"tcp of nothing",
       tcp,
       {read_ports(IPPROTO_TCP, [](xt_tcp&) {}), tcp_ports(7, 7, 0)},
       standard("DROP")},
      {"mark", {}, {read_mark(3, 0xffffffff, 0), read_mark(3, 7, 1)}, standard("DROP")},
      {"odd mark", {}, {read_mark(3, 7, 2)}, standard("DROP")},
      {"limit", {}, {read_limit(85714, 5), read_limit(7000001, 5)}, standard("DROP")},
      {"comment", {}, {said_comment("said")}, standard("DROP")},
      {"many",
       both(tcp, device("eth0", 5, 0)),
       {read_mark(3, 7, 0),
        tcp_ports(7, 7, 0, 2),
        read_limit(XT_LIMIT_SCALE, 5),
        {"x", 3, RuleBytes(24, 9)}},
       {"MARK", 2, RuleBytes(8)}},
      {"NFLOG", {}, {}, part_of("NFLOG", 0, log)},
      {"TRACE", {}, {}, {"TRACE", 0, {}}},
      {"QUEUE", {}, {}, standard("QUEUE"), false},
      {"a target like a chain", {}, {}, {"CHAIN", 0, RuleBytes(16)}},
  };
  for (const Layout* layout : {&kIpv4, &kIpv6}) {
    for (const Case& one : cases) {
      RuleBytes entry = rule_entry(*layout, one.matches, one.target);
      if (one.head) one.head(entry, head_at(*layout));
      check_round(*layout, entry, one.same, one.what);
    }
    RuleBytes outside = rule_entry(*layout, {}, standard("DROP"));
    source({10, 1}, {0xff}, 0)(outside, head_at(*layout));
    check_round(*layout, outside, layout == &kIpv4, "bits outside the mask");
  }
  RuleBytes all = rule_entry(kIpv6, {}, standard("DROP"));
  all[head_at(kIpv6).flags] |= IP6T_F_PROTO;
  check_round(kIpv6, all, true, "-p all");
  RuleBytes fragment = rule_entry(kIpv4, {}, standard("DROP"));
  fragment[head_at(kIpv4).flags] |= IPT_F_FRAG;
  check_round(kIpv4, fragment, true, "-f");
  fragment[head_at(kIpv4).inversions] |= IPT_INV_FRAG;
  check_round(kIpv4, fragment, true, "! -f");
}

}  // namespace nf::test
