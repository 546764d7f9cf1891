// Tests of reading rules of nf_tables: what the head of an entry says. Interfaces, protocols,
// addresses and fragments.
#include <string>

#include "test/nft_reading.h"

namespace nf::test {
namespace {

using xt::kIpv4;
using xt::kIpv6;
using xt::Layout;

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

}  // namespace nf::test
