// Reading rules one after the other, and writing them.
#include "core/nftables/rule_list.h"

#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <cstring>

#include "core/nftables/builtin.h"
#include "core/xtables/fingerprint.h"

namespace nf::nft {
namespace {

// The expressions of a rule, without what they have counted.
xt::Digest content_of(const Expressions& expressions) {
  xt::Fingerprint hash;
  expressions.each([&](const Expression& expression) {
    hash.add(expression.name.data(), expression.name.size());
    if (!expression.data || expression.name == "counter" || expression.name == "last") return;
    if (expression.name != "quota") {
      hash.add(expression.data->data, expression.data->size);
      return;
    }
    AttributeCursor attributes(*expression.data);
    for (Attribute a; attributes.next(a);) {
      if (a.type == NFTA_QUOTA_CONSUMED) continue;
      hash.add(a.type);
      hash.add(a.data, a.size);
    }
  });
  return hash.digest();
}

}  // namespace

void RuleList::clear() {
  records_.clear();
  written_.clear();
  entries_.clear();
  bytes_.clear();
}

void RuleList::reserve(std::size_t rules) {
  // What most rules need at most. More rules than this are no reason to ask for more at once.
  constexpr std::size_t kEntry = 640;
  constexpr std::size_t kExpressions = 896;
  const std::size_t most = std::min(rules, std::size_t{100'000});
  records_.reserve(most);
  entries_.reserve(most * kEntry);
  bytes_.reserve(most * kExpressions);
}

void RuleList::truncate(std::size_t count) {
  if (count >= records_.size()) return;
  const Record& first = records_[count];
  entries_.resize(first.entry);
  bytes_.resize(first.rule.expressions.at);
  records_.resize(count);
}

std::uint32_t RuleList::add(const Rule& rule, const IsChain& is_chain) {
  const std::size_t entry = entries_.size();
  const RuleReading reading = read_rule(layout_, rule, is_chain, entries_);
  return keep_rule(rule, entry, reading);
}

std::uint32_t RuleList::add(const Rule& rule, const BuiltinTable& builtin) {
  const std::size_t entry = entries_.size();
  // A rule can jump to every chain that iptables can have.
  RuleReading reading = read_rule(
      layout_, rule,
      [&](std::string_view name) {
        return name.size() <= xt::kMaxChainName && builtin.find(name) == nullptr;
      },
      entries_);
  if (reading.reading != Reading::kForeign) return keep_rule(rule, entry, reading);
  // It may be foreign only because its target could be the name of a chain.
  std::vector<std::uint8_t> without;
  RuleReading again = read_rule(
      layout_, rule, [](std::string_view) { return false; }, without);
  const bool unsure = again.reading != Reading::kForeign;
  if (unsure) {
    entries_.resize(entry);
    entries_.insert(entries_.end(), without.begin(), without.end());
    reading = std::move(again);
  }
  const std::uint32_t index = keep_rule(rule, entry, reading);
  records_[index].rule.unsure = unsure ? 1 : 0;
  return index;
}

std::uint32_t RuleList::keep_rule(const Rule& rule, std::size_t entry, const RuleReading& reading) {
  Record record{};
  record.entry = entry;
  record.rule.handle = rule.handle;
  record.rule.reading = static_cast<std::uint32_t>(reading.reading);
  record.rule.expressions = keep(rule.expressions.list());
  record.rule.user_data = keep(rule.user_data);
  record.rule.note = keep(std::string_view(reading.note));
  if (reading.reading != Reading::kExact) {
    const xt::Digest content = content_of(rule.expressions);
    record.rule.content[0] = content[0];
    record.rule.content[1] = content[1];
  }
  records_.push_back(record);
  return static_cast<std::uint32_t>(records_.size() - 1);
}

std::string_view RuleList::leads_to(std::uint32_t index) const {
  const Record& record = records_[index];
  if (record.rule.reading == static_cast<std::uint32_t>(Reading::kForeign)) return {};
  const std::uint8_t* entry = entries_.data() + record.entry;
  const std::uint8_t* target = entry + xt::load16(entry + layout_.target_offset);
  if (xt::load16(target) != xt::kStandardSize || target[31] != 0) return {};
  const auto* text = reinterpret_cast<const char*>(target + 2);
  return {text, ::strnlen(text, xt::kNameSize)};
}

Slice RuleList::keep(std::span<const std::uint8_t> bytes) {
  const Slice slice{static_cast<std::uint32_t>(bytes_.size()),
                    static_cast<std::uint32_t>(bytes.size())};
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  bytes_.resize((bytes_.size() + 3) & ~std::size_t{3});
  return slice;
}

Slice RuleList::keep(std::string_view text) {
  return keep(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

bool RuleList::begin(Memory& memory, std::size_t rules) {
  blob_ = xt::align8(sizeof(xt::ImageHeader) + rules * 4);
  written_.clear();
  written_.reserve(rules);
  if (!memory.resize(blob_ + entries_.size())) return false;
  if (!entries_.empty()) std::memcpy(memory.data() + blob_, entries_.data(), entries_.size());
  return true;
}

void RuleList::write(xt::ImageWriter& writer, std::uint32_t index) {
  const Record& record = records_[index];
  const bool exact = record.rule.reading == static_cast<std::uint32_t>(Reading::kExact);
  const xt::Digest content{record.rule.content[0], record.rule.content[1]};
  writer.add_rule(blob_ + record.entry, exact ? nullptr : &content);
  written_.push_back(index);
}

void RuleList::write_records(std::uint8_t* at, std::uint32_t bytes_at) const {
  for (const std::uint32_t index : written_) {
    NftRule rule = records_[index].rule;
    rule.expressions.at += bytes_at;
    rule.user_data.at += bytes_at;
    rule.note.at += bytes_at;
    std::memcpy(at, &rule, sizeof rule);
    at += sizeof rule;
  }
}

}  // namespace nf::nft
