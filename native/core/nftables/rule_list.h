// Rules of nf_tables on their way into a buffer (snapshot.h): their entries, and what nf_tables
// adds to each. Knows nothing of chains, or of where the rules come from.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/memory.h"
#include "core/nftables/objects.h"
#include "core/nftables/read_rule.h"
#include "core/nftables/snapshot.h"
#include "core/xtables/image.h"

namespace nf::nft {

class RuleList {
 public:
  explicit RuleList(const xt::Layout& layout) : layout_(layout) {}

  void clear();
  // Room for so many rules. It costs address space only, until something is written there. Without
  // it, growing would touch new memory again and again.
  void reserve(std::size_t rules);
  // Keeps the first rules only, and nothing that was kept after them.
  void truncate(std::size_t count);
  std::size_t count() const { return records_.size(); }
  // Of the entries and of everything else, without the records.
  std::size_t bytes() const { return entries_.size() + bytes_.size(); }

  // Reads the rule, and returns its index.
  std::uint32_t add(const Rule& rule, const IsChain& is_chain);
  // The same without knowing the chains of the table: see NftRule::unsure.
  std::uint32_t add(const Rule& rule, const BuiltinTable& builtin);
  // The name of the chain that the rule leads to. If the chains were not known, it may be the name
  // of a target. Empty if the rule leads nowhere.
  std::string_view leads_to(std::uint32_t index) const;

  // Keeps bytes that go to the end of the buffer.
  Slice keep(std::span<const std::uint8_t> bytes);
  Slice keep(std::string_view text);

  // Writing the buffer. Makes room for the head and the entries; false if there is no memory.
  bool begin(Memory& memory, std::size_t rules);
  std::size_t entries_end() const { return blob_ + entries_.size(); }
  // The next rule of the buffer.
  void write(xt::ImageWriter& writer, std::uint32_t index);
  // Writes the records of the rules that were written.
  void write_records(std::uint8_t* at, std::uint32_t bytes_at) const;
  std::span<const std::uint8_t> tail() const { return bytes_; }

 private:
  struct Record {
    NftRule rule;       // slices are offsets in the bytes
    std::size_t entry;  // offset in the entries
  };
  std::uint32_t keep_rule(const Rule& rule, std::size_t entry, const RuleReading& reading);

  const xt::Layout& layout_;
  std::vector<Record> records_;
  std::vector<std::uint32_t> written_;
  std::vector<std::uint8_t> entries_;
  std::vector<std::uint8_t> bytes_;
  std::size_t blob_ = 0;
};

}  // namespace nf::nft
