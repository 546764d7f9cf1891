// Tests of reading rules of nf_tables: what write_rule writes is read as it was, and means the same
// to packets.
#include <linux/netfilter/xt_NFLOG.h>

#include <string>
#include <vector>

#include "core/nftables/write_rule.h"
#include "test/nft_reading.h"

namespace nf::test {
namespace {

using nft::Reading;
using xt::kIpv4;
using xt::kIpv6;
using xt::Layout;

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
