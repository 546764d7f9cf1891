// Reads a table. Two socket options give the kernel's blob, and one bounds-checked pass turns it
// into a buffer that needs no native handle. libiptc is not involved: it ends the process on bytes
// that it does not expect, drops without an error what it cannot parse, and costs an allocation per
// rule.
//
// The buffer is that of xtables/image.h. Its entries are the kernel's blob, with the standard
// targets in portable form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/legacy/chains.h"
#include "core/memory.h"
#include "core/result.h"
#include "core/xtables/image.h"
#include "core/xtables/layout.h"

namespace nf::xt {

class Snapshot {
 public:
  const ImageHeader& header() const {
    return *reinterpret_cast<const ImageHeader*>(memory_.data());
  }
  std::uint32_t chain_count() const { return header().chain_count; }
  std::uint32_t rule_count() const { return header().rule_count; }
  const ChainRecord& chain(std::uint32_t index) const {
    return reinterpret_cast<const ChainRecord*>(memory_.data() + header().chains)[index];
  }
  // nullptr when there is no such chain.
  const ChainRecord* find(std::string_view name) const;
  const std::uint8_t* rule(std::uint32_t index) const {
    return memory_.data() + load32(memory_.data() + header().rules + std::size_t{index} * 4);
  }
  const Layout& layout() const { return *layout_; }
  // Not nullptr: why libiptc would change the meaning of this table if it wrote it back.
  const char* not_writable() const;

  // Takes back the snapshot of a registered table from JavaScript: `size` bytes of `memory`. Null,
  // or why it cannot be used. Everything that is read of it later has been checked, its hash too.
  static const char* adopt(const Layout& layout, std::string_view table, Memory memory,
                           std::size_t size, Snapshot& out);

  // The memory, to hand it on; the snapshot is empty afterwards.
  Memory take() { return std::move(memory_); }
  std::size_t size() const { return header().size; }

 private:
  friend class SnapshotReader;
  Memory memory_;
  const Layout* layout_ = nullptr;
};

struct ReadOptions {
  // Registers the table if it is not there (with its hooks; it stays until the namespace ends).
  // Otherwise the snapshot has what a new table would hold.
  bool create = false;
  // Resolves the names of IP sets.
  bool sets = true;
};

// Reads in the network namespace of the calling thread.
Result<Snapshot> read_table(const Layout& layout, const std::string& table,
                            const ReadOptions& options);

// The same for a table that was read elsewhere: `blob` is what the kernel sent for `info`.
Result<Snapshot> parse_table(const Layout& layout, const std::string& table,
                             const ipt_getinfo& info, std::span<const std::uint8_t> blob);

}  // namespace nf::xt
