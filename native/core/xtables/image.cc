// Writing a table into one buffer.
#include "core/xtables/image.h"

#include <errno.h>

#include "core/xtables/entry.h"
#include "core/xtables/parts.h"
#include "core/xtables/sets.h"

namespace nf::xt {

Error read_error(const Layout& layout, const std::string& table, int code, std::string detail) {
  return fail(code, std::string(layout.tool) + " read " + table, std::move(detail),
              ErrorKind::kXtables);
}

ImageWriter::ImageWriter(const Layout& layout, Memory& memory)
    : layout_(layout), memory_(memory), parts_(std::make_unique<Parts>(layout)) {
  hash_.add(static_cast<std::uint64_t>(layout_.family));
}
ImageWriter::~ImageWriter() = default;

bool ImageWriter::begin(const Room& room) {
  chains_ = align8(room.entries_end);
  numbers_ = chains_ + room.chains * sizeof(ChainRecord);
  end_ = numbers_ + room.rules * sizeof(RuleParts);
  return memory_.resize(end_);
}

void ImageWriter::begin_chain(const ImageChain& chain) {
  hash_.add(chain.label, sizeof chain.label);
  hash_.add((std::uint64_t{chain.policy} << 32) | chain.count);
}

void ImageWriter::add_rule(std::size_t at, const Digest* more) {
  const RuleParts rule =
      parts_->add(memory_.data(), at, hash_, with_sets_ ? &set_indexes_ : nullptr);
  if (more != nullptr) hash_.add(*more);
  std::memcpy(memory_.data() + numbers_ + rule_count_ * sizeof rule, &rule, sizeof rule);
  store32(memory_.data() + sizeof(ImageHeader) + std::size_t{rule_count_} * 4,
          static_cast<std::uint32_t>(at));
  rule_count_++;
}

void ImageWriter::add_record(const ImageChain& chain) {
  ChainRecord record{};
  set_name(record.name, chain.name());
  record.hook = chain.hook;
  record.policy = chain.policy;
  record.first = first_;
  record.count = chain.count;
  record.references = chain.references;
  record.presence = static_cast<std::uint32_t>(chain.presence);
  record.counters = chain.counters;
  std::memcpy(memory_.data() + chains_ + chain_count_ * sizeof record, &record, sizeof record);
  chain_count_++;
  first_ += chain.count;
}

Result<ImageHeader> ImageWriter::finish(const std::string& table, std::size_t own) {
  auto records = name_sets();
  if (!records) return records.error();
  const std::size_t sets = end_;
  const std::size_t sets_end = sets + records->size() * sizeof(SetRecord);
  const std::size_t own_at = align8(sets_end);
  const std::size_t size = own == 0 ? sets_end : own_at + own;
  if (size > UINT32_MAX || !memory_.resize(size)) return read_error(layout_, table, ENOMEM);
  if (!records->empty()) {
    std::memcpy(memory_.data() + sets, records->data(), sets_end - sets);
  }
  ImageHeader header{};
  header.magic = kImageMagic;
  header.family = static_cast<std::uint32_t>(layout_.family);
  header.chain_count = chain_count_;
  header.rule_count = rule_count_;
  header.chains = static_cast<std::uint32_t>(chains_);
  header.rules = sizeof(ImageHeader);
  header.fingerprint = hash_.digest();
  header.sets = static_cast<std::uint32_t>(sets);
  header.set_count = static_cast<std::uint32_t>(records->size());
  header.size = static_cast<std::uint32_t>(size);
  set_name(header.name, table);
  header.parts = static_cast<std::uint32_t>(numbers_);
  header.match_lists = parts_->match_lists();
  header.targets = parts_->targets();
  header.own = own == 0 ? 0 : static_cast<std::uint32_t>(own_at);
  return header;
}

Result<std::vector<SetRecord>> ImageWriter::name_sets() {
  std::vector<SetRecord> records;
  std::vector<std::uint16_t>& indexes = set_indexes_;
  if (indexes.empty()) return records;
  std::sort(indexes.begin(), indexes.end());
  indexes.erase(std::unique(indexes.begin(), indexes.end()), indexes.end());
  auto lookup = SetLookup::open();
  if (!lookup) return lookup.error();
  for (const std::uint16_t index : indexes) {
    auto name = lookup->by_index(index);
    if (!name) return name.error();
    // A rule holds a reference to its set: the name is missing only if the rule was just deleted.
    if (name->empty()) continue;
    SetRecord record{};
    record.index = index;
    name->copy(record.name, sizeof record.name - 1);
    records.push_back(record);
  }
  return records;
}

}  // namespace nf::xt
