// A whole dump as its callers see it. It estimates the number of rows first, uses one or several
// sockets, and reads and zeroes counters without loss if asked to.
#pragma once

#include <functional>
#include <string>

#include "core/conntrack/dump/dump.h"

namespace nf::ct {

// Opens a socket in the wanted namespace, on whichever thread it is called.
using SocketOpener = std::function<Result<Socket>(const char* operation)>;

struct TableDumpRequest {
  const Filter* filter = nullptr;  // not null
  List list = List::kConntrack;
  bool zero_counters = false;
  int parallel = 1;  // sockets; 0: the table and the number of cores decide
};

struct TableDump {
  Columns columns;
  DumpStats stats;
  std::string split;  // the predicate that split the table, or empty
};

Result<TableDump> dump_table(const SocketOpener& open, const TableDumpRequest& request,
                             const Cancel& cancel);

}  // namespace nf::ct
