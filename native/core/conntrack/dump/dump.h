// Dumps the table with one request on its own socket. Decodes and filters chunks as they arrive.
#pragma once

#include <cstdint>

#include "core/cancel.h"
#include "core/conntrack/columns.h"
#include "core/conntrack/filter/filter.h"
#include "core/conntrack/filter/kernel_filter.h"
#include "core/netlink/socket.h"

namespace nf::ct {

// The most sockets that may share a dump.
inline constexpr std::uint32_t kMostSockets = 16;

enum class List : std::uint8_t { kConntrack, kDying, kUnconfirmed };

struct DumpStats {
  std::uint64_t messages = 0;     // flows that the kernel sent
  std::uint64_t undecodable = 0;  // of these, malformed
  std::uint64_t rejected = 0;     // of these, outside the filter
  std::uint64_t duplicates = 0;   // removed if several sockets shared a dump
  std::uint32_t kernel_filter = 0;
  std::uint32_t sockets = 0;

  void add(const DumpStats& other);
};

// Where decoded rows go. False ends the dump: there is no memory, or nobody reads any more.
class RowSink {
 public:
  virtual ~RowSink() = default;
  virtual bool add(const Row& row) = 0;
  // Called after the last row of each datagram: views into the receive buffer end here.
  virtual bool end_of_chunk() { return true; }
  // Called after the last row of a complete dump.
  virtual bool finish() { return true; }
};

// Writes rows of a dump into a batch. The batch has all of them only after `flush`.
class ColumnsWriter {
 public:
  explicit ColumnsWriter(Columns& columns) : columns_(columns) {}
  bool add(const Row& row) {
    if (block_.full() && !flush()) return false;
    return columns_.stage(row, block_);
  }
  bool flush() { return columns_.append(block_); }
  std::size_t size() const { return columns_.size() + block_.used; }

 private:
  Columns& columns_;
  RowBlock block_;
};

class ColumnsSink final : public RowSink {
 public:
  explicit ColumnsSink(Columns& columns) : writer_(columns) {}
  bool add(const Row& row) override { return writer_.add(row); }
  bool finish() override { return writer_.flush(); }

 private:
  ColumnsWriter writer_;
};

struct DumpRequest {
  const Filter* filter = nullptr;  // not null
  List list = List::kConntrack;
  Split split{};
  // If there are many rows and more than one core, a second thread decodes while the next rows are
  // received. The sink is then called on that thread, and never on two at once.
  bool ahead = false;
};

// Runs a dump to its end on the calling thread. The socket must have no other dump under way
// (EBUSY) and belong to no multicast group.
Result<void> run_dump(Socket& socket, const DumpRequest& request, const Cancel& cancel,
                      RowSink& sink, DumpStats& stats);

}  // namespace nf::ct
