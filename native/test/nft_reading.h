// Reads rules of nf_tables that a test makes, and the entries and matches that the tests of reading
// expect.
#pragma once

#include <linux/netfilter/xt_limit.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/nftables/read_rule.h"
#include "test/check.h"
#include "test/nft_messages.h"
#include "test/nft_rules.h"

namespace nf::test {

struct ReadBack {
  nft::Reading reading = nft::Reading::kForeign;
  std::string note;
  RuleBytes entry;
  xt::Counters counters;
};

inline bool has_chain(std::string_view name) { return name == "CHAIN" || name == "RETURN"; }

// The attributes lie in a block of exactly their size, so that the sanitizer sees a read past it.
inline ReadBack read_message(const xt::Layout& layout, const NftBytes& message) {
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
  if (back.reading == nft::Reading::kExact) CHECK(back.note.empty());
  if (back.reading == nft::Reading::kInexact) CHECK(!back.note.empty());
  return back;
}
inline ReadBack read_made(const xt::Layout& layout, const RuleMaker& rule,
                          const NftBytes& user_data = {}) {
  RuleMessage message;
  message.user_data = user_data;
  return read_message(layout, message(rule.list()));
}

using Change = std::function<void(RuleBytes&, const HeadAt&)>;

inline RuleBytes wanted_entry(const xt::Layout& layout, const Change& head,
                              const std::vector<RulePart>& matches, const RulePart& target) {
  RuleBytes entry = rule_entry(layout, matches, target);
  if (head) head(entry, head_at(layout));
  xt::store_counters(&entry[layout.counters], {3, 4});
  return entry;
}

// Whether the rule is exactly this entry. The counter is added.
inline bool says(const xt::Layout& layout, RuleMaker rule, const Change& head,
                 const std::vector<RulePart>& matches = {}, const RulePart& target = standard("")) {
  const ReadBack back = read_made(layout, rule.counter());
  return back.reading == nft::Reading::kExact &&
         back.entry == wanted_entry(layout, head, matches, target);
}
// The same for a rule that ends with a target.
inline bool ends(const std::function<void(RuleMaker&)>& end, const RulePart& target,
                 const Change& head = {}) {
  RuleMaker rule;
  end(rule.counter());
  const ReadBack back = read_made(xt::kIpv4, rule);
  return back.reading == nft::Reading::kExact &&
         back.entry == wanted_entry(xt::kIpv4, head, {}, target);
}

// A rule that is not read: its entry says nothing but what was counted.
inline bool foreign(const xt::Layout& layout, const RuleMaker& rule,
                    const NftBytes& user_data = {}) {
  const ReadBack back = read_made(layout, rule, user_data);
  RuleBytes blank = rule_entry(layout, {}, standard(""));
  xt::store_counters(&blank[layout.counters], back.counters);
  return back.reading == nft::Reading::kForeign && back.entry == blank;
}
inline bool foreign(const RuleMaker& rule) { return foreign(xt::kIpv4, rule); }

inline Change put_bytes(std::size_t HeadAt::*field, const NftBytes& bytes,
                        std::uint8_t inverted = 0) {
  return [=](RuleBytes& entry, const HeadAt& at) {
    std::copy(bytes.begin(), bytes.end(), entry.begin() + static_cast<std::ptrdiff_t>(at.*field));
    entry[at.inversions] |= inverted;
  };
}
inline Change both(const Change& one, const Change& two) {
  return [=](RuleBytes& entry, const HeadAt& at) {
    one(entry, at);
    two(entry, at);
  };
}
inline Change with_protocol(std::uint8_t number, std::uint8_t inverted = 0) {
  return [=](RuleBytes& entry, const HeadAt& at) {
    entry[at.protocol] = number;
    entry[at.inversions] |= inverted;
    if (entry.size() >= xt::kIpv6.entry_size && at.address == 16) entry[at.flags] |= IP6T_F_PROTO;
  };
}

inline RulePart read_ports(std::uint8_t protocol, const std::function<void(xt_tcp&)>& fill) {
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
inline RulePart read_mark(std::uint32_t mark, std::uint32_t mask, std::uint8_t invert) {
  xt_mark_mtinfo1 info{};
  info.mark = mark;
  info.mask = mask;
  info.invert = invert;
  return part_of("mark", 1, info);
}
inline RulePart read_limit(std::uint32_t average, std::uint32_t burst) {
  xt_rateinfo info{};
  info.avg = average;
  info.burst = burst;
  return part_of("limit", 0, info);
}
inline RulePart said_comment(const std::string& text) {
  RulePart part{"comment", 0, RuleBytes(256)};
  std::copy(text.begin(), text.end(), part.payload.begin());
  return part;
}

inline RuleMaker tcp_rule() { return RuleMaker().protocol(IPPROTO_TCP); }
inline const NftBytes kEth0{'e', 't', 'h', '0', 0};

}  // namespace nf::test
