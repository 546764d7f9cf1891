// A snapshot that comes back from JavaScript: everything in it is checked again before it is used.
#include <errno.h>

#include "core/legacy/snapshot.h"
#include "core/xtables/entry.h"

namespace nf::xt {
namespace {

bool fits(std::size_t size, std::size_t at, std::size_t count, std::size_t each) {
  return at % 4 == 0 && at <= size && count <= (size - at) / each;
}

}  // namespace

const char* Snapshot::adopt(const Layout& layout, std::string_view table, Memory memory,
                            std::size_t size, Snapshot& out) {
  if (size < sizeof(ImageHeader) || size > memory.size()) return "cut short";
  Snapshot snapshot;
  snapshot.memory_ = std::move(memory);
  snapshot.layout_ = &layout;
  const ImageHeader& header = snapshot.header();
  if (header.magic != kImageMagic || header.family != static_cast<std::uint32_t>(layout.family) ||
      header.size != size || std::memchr(header.name, 0, sizeof header.name) == nullptr ||
      chain_name(header.name) != table) {
    return "of another table";
  }
  if (header.registered == 0) return "of a table that is not registered";
  if (!fits(size, header.chains, header.chain_count, sizeof(ChainRecord)) ||
      header.chains % alignof(ChainRecord) != 0 ||
      !fits(size, header.rules, header.rule_count, 4)) {
    return "cut short";
  }
  Fingerprint hash;
  hash.add(static_cast<std::uint64_t>(layout.family));
  std::uint32_t next = 0;
  for (std::uint32_t i = 0; i < header.chain_count; i++) {
    const ChainRecord& chain = snapshot.chain(i);
    if (std::memchr(chain.name, 0, sizeof chain.name) == nullptr) return "a chain has no name";
    if (chain.first != next || chain.count > header.rule_count - next) {
      return "rules that belong to no chain";
    }
    hash.add(chain.name, sizeof chain.name);
    hash.add((std::uint64_t{chain.policy} << 32) | chain.count);
    for (; next < chain.first + chain.count; next++) {
      const std::uint8_t* at =
          snapshot.memory_.data() + header.rules + std::size_t{next} * sizeof(std::uint32_t);
      const std::size_t offset = load32(at);
      EntryView view;
      if (offset > size ||
          view_entry(layout, snapshot.memory_.data() + offset, size - offset, view) != nullptr) {
        return "a rule is malformed";
      }
      hash_entry(layout, snapshot.memory_.data() + offset, view, hash);
    }
  }
  if (next != header.rule_count) return "rules that belong to no chain";
  if (hash.digest() != header.fingerprint) return "changed since it was read";
  out = std::move(snapshot);
  return nullptr;
}

const char* Snapshot::not_writable() const {
  switch (header().not_writable) {
    case kWritable:
      return nullptr;
    case kNamesake:
      return "a chain has the name of a target extension that a rule uses";
    default:
      return "a rule jumps to a built-in chain";
  }
}

}  // namespace nf::xt
