// The options of a dump as JavaScript passes them.
#pragma once

#include <napi.h>

#include <memory>

#include "core/conntrack/dump/dump.h"
#include "core/conntrack/filter/filter.h"

namespace nf::js {

struct DumpOptions {
  std::shared_ptr<ct::Filter> filter;
  ct::List list = ct::List::kConntrack;
  bool zero_counters = false;
  int parallel = 1;  // 0: decide by the table
};

// A packed filter (Uint32Array) or null. If it is malformed, this is a null pointer, and an
// exception is pending.
std::shared_ptr<ct::Filter> filter_of(const Napi::Value& value);
// { filter, table, zeroCounters, parallel }
bool read_dump_options(const Napi::Value& value, DumpOptions& out);

}  // namespace nf::js
