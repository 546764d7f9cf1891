// Tests of writing rules to nf_tables: the form of each part of a rule, and entries that are
// refused or damaged. What the forms mean to packets is tested on the kernel, and by
// fuzz_nft_write.cc.
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_limit.h>

#include <functional>
#include <memory>
#include <string>

#include "core/nftables/write_rule.h"
#include "test/check.h"
#include "test/nft_rules.h"

namespace nf::test {
namespace {

using xt::kIpv4;
using xt::kIpv6;
using xt::Layout;

struct WrittenRule {
  const char* why = nullptr;
  std::string names;  // of the expressions, with the name of a match or target
  RuleBytes bytes;    // of both attributes
  std::uint32_t protocol = 0;
  std::uint32_t flags = 0;

  Attribute expressions() const {
    AttributeCursor cursor(bytes.data(), bytes.size());
    Attribute list;
    CHECK(cursor.next(list));
    return list;
  }
  std::optional<bool> passes(const RulePacket& packet) const {
    return expressions_pass(expressions(), packet);
  }
};

WrittenRule written(const Layout& layout, const RuleBytes& entry) {
  // A block of exactly that size, so that the sanitizer sees a read past its end.
  const auto block = std::make_unique<std::uint8_t[]>(entry.size());
  std::copy(entry.begin(), entry.end(), block.get());
  MessageBuilder out;
  out.u32(77, 7);
  const std::size_t before = out.size();
  WrittenRule rule;
  const auto is_chain = [](std::string_view name) { return name == "CHAIN"; };
  rule.why = nft::write_rule(layout, block.get(), entry.size(), {3, 4}, is_chain, out);
  rule.bytes.assign(out.data() + before, out.data() + out.size());
  if (rule.why != nullptr) {
    CHECK(rule.bytes.empty());
    rule.names = rule.why;
    return rule;
  }
  AttributeCursor list(rule.expressions());
  for (Attribute element; list.next(element);) {
    const Nest expression(element);
    const std::string_view name = expression[NFTA_EXPR_NAME].text();
    if (!rule.names.empty()) rule.names += ' ';
    rule.names += name;
    const Nest data(expression[NFTA_EXPR_DATA]);
    if (name == "match" || name == "target") rule.names += ":" + std::string(data[1].text());
    if (name == "bitwise") rule.names += "/" + std::to_string(data.number(NFTA_BITWISE_LEN));
    if (name == "payload") rule.names += "/" + std::to_string(data.number(NFTA_PAYLOAD_LEN));
    if (name == "counter") CHECK_EQUAL(data[NFTA_COUNTER_PACKETS].be64(), 3U);
  }
  AttributeCursor attributes(rule.bytes.data(), rule.bytes.size());
  Attribute compat;
  CHECK(attributes.next(compat) && attributes.next(compat));
  const Nest numbers(compat);
  rule.protocol = numbers.number(NFTA_RULE_COMPAT_PROTO);
  rule.flags = numbers.number(NFTA_RULE_COMPAT_FLAGS);
  return rule;
}

// The names of a rule with this head and one match.
std::string form(const Layout& layout, const std::function<void(RuleBytes&, const HeadAt&)>& head,
                 const std::vector<RulePart>& matches = {},
                 const RulePart& target = standard("ACCEPT")) {
  RuleBytes entry = rule_entry(layout, matches, target);
  if (head) head(entry, head_at(layout));
  return written(layout, entry).names;
}
std::string form_of_target(const RulePart& target) { return form(kIpv4, {}, {}, target); }

void set_protocol(const Layout& layout, RuleBytes& entry, std::uint8_t protocol) {
  const HeadAt at = head_at(layout);
  entry[at.protocol] = protocol;
  if (layout.family == AF_INET6) entry[at.flags] |= IP6T_F_PROTO;
}
std::string form_with(std::uint8_t protocol, const std::vector<RulePart>& matches) {
  return form(
      kIpv4, [&](RuleBytes& entry, const HeadAt&) { set_protocol(kIpv4, entry, protocol); },
      matches);
}

xt_tcp tcp_match() {
  xt_tcp tcp{};
  tcp.spts[1] = tcp.dpts[1] = 0xffff;
  return tcp;
}
RulePart tcp_part(const std::function<void(xt_tcp&)>& fill) {
  xt_tcp tcp = tcp_match();
  fill(tcp);
  return part_of("tcp", 0, tcp);
}

}  // namespace

TEST(nft_head_forms) {
  const auto put = [](std::size_t HeadAt::*field, const RuleBytes& bytes) {
    return [=](RuleBytes& entry, const HeadAt& at) {
      std::copy(bytes.begin(), bytes.end(), entry.begin() + static_cast<std::ptrdiff_t>(at.*field));
    };
  };
  for (const Layout* layout : {&kIpv4, &kIpv6}) {
    const bool ipv6 = layout->family == AF_INET6;
    const std::string end = "counter immediate";
    CHECK_EQUAL(form(*layout, {}), end);
    const auto address = [&](const RuleBytes& value, const RuleBytes& mask, std::uint8_t inverted) {
      return form(*layout, [&](RuleBytes& entry, const HeadAt& at) {
        put(&HeadAt::source, value)(entry, at);
        put(&HeadAt::source_mask, mask)(entry, at);
        entry[at.inversions] = inverted;
      });
    };
    const std::string masked = std::string(ipv6 ? "payload/16 bitwise/16" : "payload/4 bitwise/4")
                                   .append(" cmp ")
                                   .append(end);
    CHECK_EQUAL(address({10}, {0xff}, 0), "payload/1 cmp " + end);
    CHECK_EQUAL(address({10}, {0xff, 0xf0}, 0), masked);
    CHECK_EQUAL(address({10}, {0xff, 0, 0xff}, 0), masked);
    CHECK_EQUAL(address({0}, {0}, IPT_INV_SRCIP), masked);
    CHECK_EQUAL(address({10, 1}, {0xff}, 0), ipv6 ? "payload/1 cmp " + end : masked);
    CHECK_EQUAL(address({10}, {0}, 0), ipv6 ? end : masked);

    const auto device = [&](const std::string& name, std::size_t mask, std::uint8_t inverted) {
      return form(*layout, [&](RuleBytes& entry, const HeadAt& at) {
        put(&HeadAt::in, RuleBytes(name.begin(), name.end()))(entry, at);
        std::fill_n(entry.begin() + static_cast<std::ptrdiff_t>(at.in_mask), mask, 0xff);
        entry[at.inversions] = inverted;
      });
    };
    CHECK_EQUAL(device("eth0", 5, 0), "meta cmp " + end);
    CHECK_EQUAL(device("eth0", 16, 0), "meta cmp " + end);
    CHECK_EQUAL(device("eth+", 3, IPT_INV_VIA_IN), "meta cmp " + end);
    CHECK_EQUAL(device("+", 0, 0), "meta " + end);
    CHECK_EQUAL(device("+", 0, IPT_INV_VIA_IN), "meta cmp " + end);
    CHECK_EQUAL(device("eth0", 0, 0), end);
    CHECK_EQUAL(device("", 0, IPT_INV_VIA_IN), "meta cmp " + end);
    CHECK_EQUAL(device("abcdefghijklmno+", 15, 0), "meta cmp " + end);
    CHECK_EQUAL(device("", 1, 0), "an interface name is empty");
    CHECK_EQUAL(device("abcdefghijklmnop", 16, 0), "an interface name does not end");
    CHECK_EQUAL(device(std::string("a\0b", 3), 3, 0), "an interface name goes on behind its end");
    const auto holes = [](RuleBytes& entry, const HeadAt& at) { entry[at.out_mask + 1] = 0xff; };
    CHECK_EQUAL(form(*layout, holes), "an interface mask is no prefix");
    const auto half = [](RuleBytes& entry, const HeadAt& at) { entry[at.out_mask] = 0xf0; };
    CHECK_EQUAL(form(*layout, half), "an interface mask is no prefix");
  }
}

TEST(nft_protocol_and_flags) {
  const auto head = [](const Layout& layout, std::uint16_t protocol, std::uint8_t flags,
                       std::uint8_t inversions) {
    RuleBytes entry = rule_entry(layout, {}, standard(""));
    const HeadAt at = head_at(layout);
    std::memcpy(&entry[at.protocol], &protocol, sizeof protocol);
    entry[at.flags] = flags;
    entry[at.inversions] = inversions;
    return written(layout, entry);
  };
  WrittenRule rule = head(kIpv4, IPPROTO_UDP, 0, IPT_INV_PROTO);
  CHECK_EQUAL(rule.names, "meta cmp counter");
  CHECK_EQUAL(rule.protocol, static_cast<std::uint32_t>(IPPROTO_UDP));
  CHECK_EQUAL(rule.flags, static_cast<std::uint32_t>(NFT_RULE_COMPAT_F_INV));
  CHECK_EQUAL(head(kIpv4, 0, 0, 0).names, "counter");
  CHECK_EQUAL(head(kIpv4, 256, 0, 0).names, "a protocol is greater than 255");
  CHECK_EQUAL(head(kIpv4, 0, IPT_F_FRAG, 0).names, "payload/2 bitwise/2 cmp counter");
  CHECK_EQUAL(head(kIpv4, 0, 0, IPT_INV_FRAG).names, "-f is inverted but not there");
  CHECK_EQUAL(head(kIpv4, 0, 4, 0).names, "a rule has unknown flags");
  CHECK_EQUAL(head(kIpv4, 0, 0, 0x80).names, "a rule has unknown flags");
  // IPv6: the flag decides whether the protocol counts.
  CHECK_EQUAL(head(kIpv6, 0, IP6T_F_PROTO, 0).names, "meta counter");
  rule = head(kIpv6, IPPROTO_UDP, 0, 0);
  CHECK_EQUAL(rule.names, "counter");
  CHECK_EQUAL(rule.protocol, 0U);
  rule = head(kIpv6, IPPROTO_UDP, IP6T_F_PROTO, 0);
  CHECK_EQUAL(rule.names, "meta cmp counter");
  CHECK_EQUAL(rule.protocol, static_cast<std::uint32_t>(IPPROTO_UDP));
  CHECK_EQUAL(head(kIpv6, 0, 8, 0).names, "a rule has unknown flags");
  CHECK_EQUAL(head(kIpv6, 0, 0, IPT_INV_FRAG).names, "counter");
}

TEST(nft_ports) {
  const std::string end = " counter immediate";
  const auto with = [&](const std::function<void(xt_tcp&)>& fill) {
    std::string names = form_with(IPPROTO_TCP, {tcp_part(fill)});
    CHECK(names.starts_with("meta cmp ") && names.ends_with(end));
    return names.substr(9, names.size() - 9 - end.size());
  };
  const auto ports = [&](std::uint16_t a, std::uint16_t b, std::uint16_t c, std::uint16_t d,
                         std::uint8_t inverted) {
    return with([&](xt_tcp& tcp) {
      tcp.spts[0] = a;
      tcp.spts[1] = b;
      tcp.dpts[0] = c;
      tcp.dpts[1] = d;
      tcp.invflags = inverted;
    });
  };
  constexpr std::uint8_t kBoth = XT_TCP_INV_SRCPT | XT_TCP_INV_DSTPT;
  CHECK_EQUAL(ports(0, 0xffff, 0, 0xffff, 0), "match:tcp");
  CHECK_EQUAL(ports(7, 7, 8, 8, 0), "payload/4 cmp");
  CHECK_EQUAL(ports(7, 7, 8, 8, kBoth), "payload/2 cmp payload/2 cmp");
  CHECK_EQUAL(ports(7, 7, 8, 8, XT_TCP_INV_DSTPT), "payload/2 cmp payload/2 cmp");
  CHECK_EQUAL(ports(0, 0, 8, 8, 0), "payload/2 cmp payload/2 cmp");
  CHECK_EQUAL(ports(0, 9, 8, 9, 0), "payload/2 cmp payload/2 range");
  CHECK_EQUAL(ports(9, 8, 0, 0xffff, 0), "payload/2 range");
  CHECK_EQUAL(ports(0, 0xffff, 0, 0xffff, XT_TCP_INV_SRCPT), "payload/2 range");
  CHECK_EQUAL(ports(0, 0xffff, 0, 0xffff, 0x10), "match:tcp");
  const std::string flags = "payload/1 bitwise/1 cmp";
  CHECK_EQUAL(with([](xt_tcp& tcp) { tcp.flg_mask = 2; }), flags);
  CHECK_EQUAL(with([](xt_tcp& tcp) { tcp.flg_cmp = 2; }), flags);
  CHECK_EQUAL(with([](xt_tcp& tcp) { tcp.invflags = XT_TCP_INV_FLAGS; }), flags);
  CHECK_EQUAL(with([](xt_tcp& tcp) { tcp.option = 8; }), "match:tcp");

  // A second one stays by itself. Under another protocol there is none.
  const RulePart one = tcp_part([](xt_tcp& tcp) { tcp.dpts[0] = tcp.dpts[1] = 80; });
  CHECK_EQUAL(form_with(IPPROTO_TCP, {one, one}),
              "meta cmp payload/2 cmp match:tcp counter immediate");
  CHECK_EQUAL(form_with(IPPROTO_UDP, {one}), "the match tcp needs the protocol tcp");
  CHECK_EQUAL(form_with(0, {one}), "the match tcp needs the protocol tcp");
  const auto inverted = [](RuleBytes& entry, const HeadAt& at) {
    entry[at.protocol] = IPPROTO_TCP;
    entry[at.inversions] = IPT_INV_PROTO;
  };
  CHECK_EQUAL(form(kIpv4, inverted, {one}), "the match tcp needs the protocol tcp");
  // Another size or revision: the kernel judges.
  RulePart other = one;
  other.revision = 1;
  CHECK_EQUAL(form_with(IPPROTO_TCP, {other}), "meta cmp match:tcp counter immediate");
  other = one;
  other.payload.resize(8);
  CHECK_EQUAL(form_with(IPPROTO_TCP, {other}), "meta cmp match:tcp counter immediate");
  CHECK_EQUAL(form_with(IPPROTO_UDP, {{"udp", 0, RuleBytes(16)}}),
              "meta cmp payload/2 cmp payload/2 cmp counter immediate");
  CHECK_EQUAL(form_with(IPPROTO_TCP, {{"udp", 0, RuleBytes(16)}}),
              "the match udp needs the protocol udp");
}

TEST(nft_mark_and_limit) {
  const auto mark = [](std::uint32_t value, std::uint32_t mask, std::uint8_t invert) {
    xt_mark_mtinfo1 info{};
    info.mark = value;
    info.mask = mask;
    info.invert = invert;
    return form(kIpv4, {}, {part_of("mark", 1, info)}, standard(""));
  };
  CHECK_EQUAL(mark(3, 0xffffffff, 0), "meta cmp counter");
  CHECK_EQUAL(mark(3, 7, 1), "meta bitwise/4 cmp counter");
  CHECK_EQUAL(mark(8, 7, 0), "meta bitwise/4 cmp counter");
  CHECK_EQUAL(mark(3, 7, 2), "match:mark counter");
  CHECK_EQUAL(form(kIpv4, {}, {{"mark", 0, RuleBytes(24)}}, standard("")), "match:mark counter");

  const auto limit = [](std::uint32_t each, std::uint32_t burst) {
    xt_rateinfo info{};
    info.avg = each;
    info.burst = burst;
    return form(kIpv4, {}, {part_of("limit", 0, info)}, standard(""));
  };
  constexpr std::uint32_t kDay = 24 * 60 * 60 * XT_LIMIT_SCALE;
  CHECK_EQUAL(limit(XT_LIMIT_SCALE, 5), "limit counter");
  CHECK_EQUAL(limit(kDay, 1), "limit counter");
  CHECK_EQUAL(limit(85714, 5), "limit counter");  // 7 each minute
  CHECK_EQUAL(limit(1, 5), "limit counter");
  CHECK_EQUAL(limit(kDay + 1, 5), "match:limit counter");
  CHECK_EQUAL(limit(7000001, 5), "match:limit counter");
  CHECK_EQUAL(limit(0, 5), "match:limit counter");
  CHECK_EQUAL(limit(XT_LIMIT_SCALE, 0), "match:limit counter");
  CHECK_EQUAL(form(kIpv4, {}, {{"limit", 0, RuleBytes(8)}}, standard("")), "match:limit counter");
}

TEST(nft_targets) {
  CHECK_EQUAL(form_of_target(standard("")), "counter");
  CHECK_EQUAL(form_of_target(standard("RETURN")), "counter immediate");
  CHECK_EQUAL(form_of_target(standard("QUEUE")), "counter target:NFQUEUE");
  CHECK_EQUAL(form_of_target(standard("CHAIN")), "counter immediate");
  CHECK_EQUAL(form_of_target(standard("OTHER")), "counter target:OTHER");
  CHECK_EQUAL(form_of_target({"CHAIN", 1, RuleBytes(8)}), "counter target:CHAIN");
  CHECK_EQUAL(form_of_target({"CHAIN", 0, RuleBytes(16)}), "counter target:CHAIN");
  CHECK_EQUAL(form_of_target({"CHAIN", 0, RuleBytes(8, 1)}), "counter target:CHAIN");
  CHECK_EQUAL(form_of_target({"DROP", 0, RuleBytes(16)}), "a verdict has a wrong size");
  CHECK_EQUAL(form_of_target({"", 2, RuleBytes(8)}), "a verdict has a wrong size");
  CHECK_EQUAL(form_of_target({"ERROR", 0, RuleBytes(32)}), "ERROR is not a target of rules");
  CHECK_EQUAL(form_of_target({"TRACE", 0, {}}), "counter immediate meta");
  CHECK_EQUAL(form_of_target({"TRACE", 0, RuleBytes(16)}), "counter target:TRACE");
  xt_nflog_info log{};
  log.group = 9;
  CHECK_EQUAL(form_of_target(part_of("NFLOG", 0, log)), "counter log");
  log.flags = 2;
  CHECK_EQUAL(form_of_target(part_of("NFLOG", 0, log)), "counter target:NFLOG");
  log.flags = 1;
  std::memset(log.prefix, 'x', sizeof log.prefix);
  CHECK_EQUAL(form_of_target(part_of("NFLOG", 0, log)), "counter target:NFLOG");
  CHECK_EQUAL(form_of_target({"NFLOG", 0, RuleBytes(72)}), "counter target:NFLOG");
  // The flag makes a jump a goto, and means nothing else.
  const auto code = [](const char* name, std::uint8_t flags) {
    RuleBytes entry = rule_entry(kIpv6, {}, standard(name));
    entry[head_at(kIpv6).flags] = flags;
    const WrittenRule rule = written(kIpv6, entry);
    AttributeCursor list(rule.expressions());
    Attribute last;
    for (Attribute element; list.next(element);) last = element;
    const Nest expression(last);
    const Nest data(expression[NFTA_EXPR_DATA]);
    const Nest value(data[NFTA_IMMEDIATE_DATA]);
    const Nest verdict(value[NFTA_DATA_VERDICT]);
    return static_cast<std::int32_t>(verdict.number(NFTA_VERDICT_CODE));
  };
  CHECK_EQUAL(code("CHAIN", 0), static_cast<std::int32_t>(NFT_JUMP));
  CHECK_EQUAL(code("CHAIN", IP6T_F_GOTO), static_cast<std::int32_t>(NFT_GOTO));
  CHECK_EQUAL(code("DROP", IP6T_F_GOTO), NF_DROP);
}

TEST(nft_damaged_entries) {
  for (const Layout* layout : {&kIpv4, &kIpv6}) {
    const RulePart tcp = tcp_part([](xt_tcp& info) { info.dpts[0] = 80; });
    RuleBytes entry = rule_entry(*layout, {tcp, {"comment", 0, RuleBytes(256)}}, standard("DROP"));
    set_protocol(*layout, entry, IPPROTO_TCP);
    CHECK_EQUAL(written(*layout, entry).names,
                "meta cmp payload/2 range match:comment counter immediate");
    for (std::size_t size = 0; size < entry.size(); size++) {
      const RuleBytes cut(entry.data(), entry.data() + size);
      CHECK(written(*layout, cut).why != nullptr);
    }
    RuleBytes longer = entry;
    longer.resize(entry.size() + 8);
    CHECK_EQUAL(written(*layout, longer).names, "an entry is shorter than its bytes");
    // More than one attribute can hold, with what the expressions add.
    const std::size_t room = 65528 - layout->entry_size - 2 * xt::kHeader - 8;
    const RulePart big{"comment", 0, RuleBytes(room / 8 * 8)};
    CHECK_EQUAL(written(*layout, rule_entry(*layout, {big}, standard(""))).why, nullptr);
    const auto many = std::vector<RulePart>(1900, {"x", 0, {}});
    CHECK_EQUAL(written(*layout, rule_entry(*layout, many, standard(""))).names,
                "a rule is too long for nf_tables");
  }
}

}  // namespace nf::test
