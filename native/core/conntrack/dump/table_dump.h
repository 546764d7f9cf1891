// A whole dump as its callers see it: the number of rows estimated first, one or several sockets,
// counters read and zeroed without loss when asked for.
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
  int parallel = 1;  // sockets; 0: decide by what the table looks like and by the cores there are
};

struct TableDump {
  Columns columns;
  DumpStats stats;
  std::string split;  // the predicate that split the table, empty where none did
};

Result<TableDump> dump_table(const SocketOpener& open, const TableDumpRequest& request,
                             const Cancel& cancel);

}  // namespace nf::ct
