// Flows as values of JavaScript: a batch of columns, and what a dump counts.
#pragma once

#include <napi.h>

#include "core/conntrack/columns.h"
#include "core/conntrack/dump/dump.h"
#include "napi/values.h"

namespace nf::js {

// { rows, capacity, arena, addresses, extraIndex, extra, withoutCounters }
Napi::Object to_batch(Napi::Env env, ct::Columns& columns);
Napi::Object to_stats(Napi::Env env, const ct::DumpStats& stats);

}  // namespace nf::js
