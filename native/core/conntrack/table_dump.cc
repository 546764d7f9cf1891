// Whole dumps.
#include "core/conntrack/table_dump.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "core/conntrack/parse.h"
#include "core/conntrack/stats.h"
#include "core/conntrack/tuple_request.h"
#include "core/netlink/exchange.h"

namespace nf::ct {
namespace {

constexpr const char* kOperation = "conntrack dump";

// Rows to reserve address space for. A wrong guess costs a copy, not memory: pages that no row
// touches do not exist.
std::size_t expected_rows(Socket& socket, const Cancel& cancel, Table table) {
  if (table != Table::kConntrack) return 0;
  auto count = read_count(socket, &cancel);
  return count ? count->entries + count->entries / 16 + 256 : 0;
}

// A zeroing dump (IPCTNL_MSG_CT_GET_CTRZERO with NLM_F_DUMP) loses the counts of every row that
// does not fit into its chunk: they are swapped to zero and sent again as zero. A zeroing GET of
// one entry loses nothing, so each row is read again that way.
Result<void> zero_counters(Socket& socket, const Cancel& cancel, const Filter& filter,
                           TableDump& dump) {
  Exchange exchange(socket, &cancel, kOperation);
  const std::size_t window = exchange.window(2);
  const std::size_t rows = dump.columns.size();
  MessageBuilder batch;
  Row row;
  for (std::size_t at = 0; at < rows; at += window) {
    const std::size_t count = std::min(window, rows - at);
    batch.clear();
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    for (std::size_t i = 0; i < count; i++) {
      last = exchange.sequence();
      if (i == 0) first = last;
      auto built = append_tuple_request(TupleVerb::kGetAndZero, tuple_of(dump.columns, at + i), 0,
                                        last, batch);
      if (!built) return built.error();
    }
    Error refusal;
    bool memory = true;
    auto done = exchange.run(
        batch, first, last,
        [&](const MessageView& message) {
          const std::size_t i = message.header->nlmsg_seq - first;
          if (i >= count) return;
          if (!parse(message.payload, message.size, row)) {
            dump.stats.undecodable++;
          } else if (dump.columns.get<std::uint32_t>(Column::id, at + i) == row.id) {
            dump.columns.merge(at + i, row);
          } else if (filter.matches(row)) {
            // Another flow took the tuple meanwhile: it was zeroed, so its counts belong in here
            // too.
            memory = dump.columns.append(row) && memory;
          }
        },
        [&](std::uint32_t, int code, const std::string& text) {
          // Gone meanwhile: the counts that the dump read are its last ones.
          if (code != ENOENT && refusal.code == 0) refusal = fail(code, kOperation, text);
        });
    if (!done) return done.error();
    if (refusal.code != 0) return refusal;
    if (!memory) return fail(ENOMEM, kOperation);
  }
  return {};
}

}  // namespace

Result<TableDump> dump_table(const SocketOpener& open, const TableDumpRequest& request,
                             const Cancel& cancel) {
  auto socket = open(kOperation);
  if (!socket) return socket.error();
  TableDump result;
  result.columns = Columns(expected_rows(*socket, cancel, request.table));
  ColumnsSink sink(result.columns);
  DumpRequest plain;
  plain.filter = request.filter;
  plain.table = request.table;
  auto done = run_dump(*socket, plain, cancel, sink, result.stats);
  if (!done) return done.error();
  if (request.zero_counters) {
    auto zeroed = zero_counters(*socket, cancel, *request.filter, result);
    if (!zeroed) return zeroed.error();
  }
  return result;
}

}  // namespace nf::ct
