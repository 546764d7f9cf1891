// Bringing a legacy table out of the kernel: one socket option says how large it is, another one
// gives its entries. Everybody who reads tables reads them here; libiptc is not involved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "core/cancel.h"
#include "core/legacy/layout.h"
#include "core/memory.h"
#include "core/result.h"

namespace nf::xt {

// What stands before the entries in the memory for them.
inline constexpr std::size_t kRequestSize = offsetof(ipt_get_entries, entrytable);

// Whether so many entries can be in so many bytes.
inline bool is_plausible(const Layout& layout, const ipt_getinfo& info) {
  return info.num_entries <= info.size / layout.entry_size;
}
inline constexpr const char* kTooManyEntries = "more entries than the table has room for";

// Makes room for a table of `info.size` bytes: kRequestSize bytes, and behind these the entries.
// nullptr where there is no memory. What it gave before is void when it is called again.
using MakeRoom = std::function<std::uint8_t*(const ipt_getinfo& info)>;

// An error of reading this table.
Error read_error(const Layout& layout, const std::string& table, int code, std::string detail = {});

struct FetchOptions {
  const Cancel* cancel = nullptr;  // ends the attempts
  // The kernel refuses entries of another size than was told. A table of the same size may still
  // have its chains elsewhere. With this the table is asked once more, and both are of the same
  // moment. Reading a small table takes some microseconds longer.
  bool confirmed = false;
};

// Fetches a table in the network namespace of the calling thread. The kernel makes a table that is
// not there, and loads its module: where nothing may be made, ask for registered tables only.
// EAGAIN where the table changed each time.
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
