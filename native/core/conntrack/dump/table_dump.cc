// Whole dumps.
#include "core/conntrack/dump/table_dump.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "core/conntrack/decode/parse.h"
#include "core/conntrack/dump/doubles.h"
#include "core/conntrack/dump/split.h"
#include "core/conntrack/dump/stats.h"
#include "core/conntrack/request/tuple_request.h"
#include "core/guard.h"
#include "core/meeting.h"
#include "core/netlink/exchange.h"
#include "core/operation.h"
#include "core/thread.h"

namespace nf::ct {
namespace {

// Rows to reserve address space for. A wrong guess costs a copy, not memory: pages that no row
// touches do not exist.
std::size_t expected_rows(Socket& socket, const Cancel& cancel, List list) {
  if (list != List::kConntrack) return 0;
  auto count = read_count(socket, &cancel);
  return count ? count->entries + count->entries / 16 + 256 : 0;
}

// A zeroing dump (IPCTNL_MSG_CT_GET_CTRZERO with NLM_F_DUMP) loses the counts of every row that
// does not fit into its chunk: the kernel sets them to zero and then sends the row again with zero.
// A zeroing GET of one entry loses nothing, so each row is read again that way.
Result<void> zero_counters(Socket& socket, const Cancel& cancel, const Filter& filter,
                           TableDump& dump) {
  Exchange exchange(socket, &cancel, operation::kDump);
  const std::size_t window = exchange.window(2);
  const std::size_t rows = dump.columns.size();
  Row row;
  for (std::size_t at = 0; at < rows; at += window) {
    const std::size_t count = std::min(window, rows - at);
    for (std::size_t i = 0; i < count; i++) {
      auto built =
          append_tuple_request(TupleVerb::kGetAndZero, pack_tuple(dump.columns.read(at + i)),
                               exchange.next(), exchange.batch());
      if (!built) return built.error();
    }
    Error refusal;
    bool memory = true;
    auto done = exchange.run(
        [&](std::size_t i, const MessageView& message) {
          if (i == Exchange::kNoIndex) return;
          if (!parse(message.payload, message.size, row)) {
            dump.stats.undecodable++;
          } else if (dump.columns.get<std::uint32_t>(Column::id, at + i) == row.id) {
            dump.columns.merge(at + i, row);
          } else if (filter.matches(row)) {
            // Another flow took the tuple meanwhile. It was zeroed: its counts belong in here too.
            memory = dump.columns.append(row) && memory;
          }
        },
        [&](std::size_t, int code, const std::string& text) {
          // ENOENT: the flow has ended. The counts that the dump read are its last ones.
          if (code != ENOENT && refusal.code == 0) refusal = fail(code, operation::kDump, text);
        });
    if (!done) return done.error();
    if (refusal.code != 0) return refusal;
    if (!memory) return fail(ENOMEM, operation::kDump);
  }
  return {};
}

// Below this, threads and sockets cost more than a second core saves.
constexpr std::size_t kWorthSplitting = 16384;
constexpr std::size_t kSampleRows = 2048;
// `auto` splits if that should save a fifth of the time or more.
constexpr double kWorthRatio = 0.8;

int automatic_sockets() {
  const unsigned cores = std::thread::hardware_concurrency();
  return static_cast<int>(std::clamp(cores, 1U, 4U));
}

// Takes the first rows of an ordinary dump, and decides whether that dump goes on alone. Not
// splitting costs nothing. Splitting costs the sample.
class SampleSink final : public RowSink {
 public:
  SampleSink(Columns& columns, const TableDumpRequest& request, std::size_t expected)
      : columns_(columns), writer_(columns), request_(request) {
    const bool automatic = request.parallel == 0;
    sockets_ = automatic ? automatic_sockets() : request.parallel;
    // With a filter, the rows that the kernel sent do not show how much of the table matches.
    const bool filtered = plan_kernel_filter(*request.filter).used != 0;
    undecided_ = sockets_ > 1 && request.list == List::kConntrack &&
                 !(automatic && (filtered || expected < kWorthSplitting));
  }
  bool add(const Row& row) override { return writer_.add(row); }
  bool finish() override { return writer_.flush(); }
  bool end_of_chunk() override {
    if (!undecided_ || writer_.size() < kSampleRows) return true;
    undecided_ = false;
    if (!writer_.flush()) return false;
    plan_ = plan_split(columns_, *request_.filter, sockets_);
    const bool pays = request_.parallel != 0 || expected_ratio(plan_.largest) <= kWorthRatio;
    if (!pays) plan_.parts.clear();
    return plan_.parts.empty();
  }
  bool splits() const { return !plan_.parts.empty(); }
  const SplitPlan& plan() const { return plan_; }

 private:
  Columns& columns_;
  ColumnsWriter writer_;
  const TableDumpRequest& request_;
  int sockets_ = 1;
  bool undecided_ = false;
  SplitPlan plan_;
};

struct Outcome {
  DumpStats stats;
  Result<void> result;
};

// Dumps one part, on a thread of its own. If `ids` is not 0, its ids go into a sieve for so many.
Result<void> dump_part(const SocketOpener& open, const TableDumpRequest& request,
                       const Cancel& cancel, const Split& split, std::size_t ids, DumpPart& part,
                       DumpStats& stats) {
  auto socket = open(operation::kDump);
  if (!socket) return socket.error();
  ColumnsSink sink(part.columns);
  DumpRequest plain;
  plain.filter = request.filter;
  plain.split = split;
  auto done = run_dump(*socket, plain, cancel, sink, stats);
  NF_MEETING(dump_parts);
  if (!done || ids == 0) return done;
  part.ids = IdSieve(ids);
  part.ids.add_all(part.columns);
  return {};
}

Result<TableDump> dump_parts(const SocketOpener& open, const TableDumpRequest& request,
                             const Cancel& cancel, const SplitPlan& plan, std::size_t expected) {
  const std::size_t count = plan.parts.size();
  std::vector<DumpPart> parts(count);
  std::vector<Outcome> outcomes(count);
  {
    std::vector<Thread> threads;  // joined where this block ends
    for (std::size_t p = 0; p < count; p++) {
      const bool last = p + 1 == count;
      const std::size_t ids = plan.mutable_ && !last ? std::max(expected, kWorthSplitting) : 0;
      // The first part takes in all others at the end.
      parts[p].columns = Columns(p == 0 ? expected : expected / 2);
      const auto run = [&, p, ids] {
        outcomes[p].result = guarded(operation::kDump, [&] {
          return dump_part(open, request, cancel, plan.parts[p], ids, parts[p], outcomes[p].stats);
        });
      };
      // The calling thread takes the last part, and each part for which the system has no thread.
      auto started = last ? Result<Thread>(Thread()) : Thread::start("ct-dump", run);
      if (started && !last) {
        threads.push_back(std::move(*started));
      } else {
        run();
      }
    }
  }
  TableDump result;
  for (const Outcome& outcome : outcomes) {
    if (!outcome.result) return outcome.result.error();
    result.stats.add(outcome.stats);
  }
  std::vector<std::vector<std::uint32_t>> doubles(count);
  if (plan.mutable_) doubles = find_doubles(parts);
  result.columns = std::move(parts[0].columns);
  for (std::size_t p = 1; p < count; p++) {
    if (!result.columns.absorb(parts[p].columns, doubles[p])) return fail(ENOMEM, operation::kDump);
    result.stats.duplicates += doubles[p].size();
    parts[p].columns = Columns();  // so that at most one part exists twice
  }
  result.split = plan.description;
  return result;
}

}  // namespace

Result<TableDump> dump_table(const SocketOpener& open, const TableDumpRequest& request,
                             const Cancel& cancel) {
  auto socket = open(operation::kDump);
  if (!socket) return socket.error();
  const std::size_t expected = expected_rows(*socket, cancel, request.list);
  TableDump result;
  result.columns = Columns(expected);
  SampleSink sink(result.columns, request, expected);
  DumpRequest plain;
  plain.filter = request.filter;
  plain.list = request.list;
  plain.ahead = true;
  auto done = run_dump(*socket, plain, cancel, sink, result.stats);
  if (sink.splits() && !cancel.raised()) {
    // The dump of the sample is abandoned half-way: its socket is closed, its rows are read again.
    auto split = dump_parts(open, request, cancel, sink.plan(), expected);
    if (!split) return split.error();
    result = std::move(*split);
    socket = open(operation::kDump);
    if (!socket) return socket.error();
  } else if (!done) {
    return done.error();
  }
  if (request.zero_counters) {
    auto zeroed = zero_counters(*socket, cancel, *request.filter, result);
    if (!zeroed) return zeroed.error();
  }
  return result;
}

}  // namespace nf::ct
