// Reads a legacy table from the kernel: one socket option gives its size, another one its entries.
// Everything that reads tables does so here. libiptc is not involved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "core/cancel.h"
#include "core/memory.h"
#include "core/result.h"
#include "core/xtables/image.h"
#include "core/xtables/layout.h"

namespace nf::xt {

// The bytes before the entries in their memory.
inline constexpr std::size_t kRequestSize = offsetof(ipt_get_entries, entrytable);

// Whether so many entries fit into so many bytes.
inline bool is_plausible(const Layout& layout, const ipt_getinfo& info) {
  return info.num_entries <= info.size / layout.entry_size;
}
inline constexpr const char* kTooManyEntries = "more entries than the table has room for";

// Makes room for a table of `info.size` bytes: kRequestSize bytes, and behind these the entries.
// nullptr if there is no memory. A second call makes the earlier pointer invalid.
using MakeRoom = std::function<std::uint8_t*(const ipt_getinfo& info)>;

struct FetchOptions {
  const Cancel* cancel = nullptr;  // ends the attempts
  // The kernel refuses entries if their size is not the one that it gave before. A changed table of
  // the same size may still have its chains elsewhere. If this is set, the kernel is asked once
  // more, and both answers are of the same moment. A small table takes some microseconds longer.
  bool confirmed = false;
};

// Fetches a table in the network namespace of the calling thread. If the table is not there, the
// kernel makes it and loads its module. A caller that may not make one asks for registered tables
// only. EAGAIN if the table changed each time.
Result<ipt_getinfo> fetch_table(const Layout& layout, const std::string& table,
                                const FetchOptions& options, const MakeRoom& make_room);

// A table as the kernel sent it. Nothing in it has been checked but the size.
struct RawTable {
  ipt_getinfo info{};
  Memory memory;

  std::span<const std::uint8_t> entries() const {
    return {memory.data() + kRequestSize, info.size};
  }
};

// Fetches a table of the list of registered tables. `cancel` may be null.
Result<RawTable> read_raw(const Layout& layout, const std::string& table, const Cancel* cancel);

}  // namespace nf::xt
