// dump, get, count and statistics.
#include "core/conntrack/dump/lookup.h"
#include "core/conntrack/dump/stats.h"
#include "core/conntrack/dump/table_dump.h"
#include "core/operation.h"
#include "napi/batch.h"
#include "napi/conntrack.h"
#include "napi/conntrack_handle.h"
#include "napi/dump_request.h"
#include "napi/exports.h"

namespace nf::js {
namespace {

// ctDump(handle, cancel, options) → { batch, stats }
Napi::Value dump(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto cancel = cancel_of(info[1]);
  DumpOptions options;
  if (cancel == nullptr || !read_dump_options(info[2], options)) return env.Undefined();
  return promise<ct::TableDump>(
      env, {operation::kDump}, cancel,
      [handle, cancel, options]() -> Result<ct::TableDump> {
        ct::TableDumpRequest request;
        request.filter = options.filter.get();
        request.list = options.list;
        request.zero_counters = options.zero_counters;
        request.parallel = options.parallel;
        return ct::dump_table([&](const char* operation) { return handle->open_socket(operation); },
                              request, *cancel);
      },
      [](Napi::Env js, ct::TableDump& done) {
        Napi::Object result = Napi::Object::New(js);
        result.Set("stats", to_stats(js, done.stats));
        result.Set("split", done.split);
        result.Set("batch", to_batch(js, done.columns));
        return result;
      });
}

Napi::Value look_up(const Napi::CallbackInfo& info, ct::TupleVerb verb) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto cancel = std::make_shared<Cancel>();
  const auto bytes = bytes_of(info[1]);
  auto tuples =
      std::make_shared<std::vector<ct::PackedTuple>>(bytes.size() / sizeof(ct::PackedTuple));
  if (!tuples->empty()) {
    std::memcpy(tuples->data(), bytes.data(), tuples->size() * sizeof(ct::PackedTuple));
  }
  if (bad_arguments(env)) return env.Undefined();
  return promise<ct::LookupResult>(
      env, {operation::kGet}, cancel,
      [handle, cancel, tuples, verb] {
        return with_command_socket(*handle, operation::kGet, [&](Socket& socket) {
          return ct::look_up(socket, cancel.get(), *tuples, verb);
        });
      },
      [](Napi::Env js, ct::LookupResult& found) {
        Napi::Object result = Napi::Object::New(js);
        result.Set("rows", to_int32_array(js, found.rows));
        result.Set("undecodable", static_cast<double>(found.undecodable));
        result.Set("batch", to_batch(js, found.columns));
        return result;
      });
}

// ctGet(handle, tuples: Uint8Array) → { batch, rows: Int32Array }
Napi::Value get(const Napi::CallbackInfo& info) { return look_up(info, ct::TupleVerb::kGet); }

// ctGetAndZero(handle, tuples: Uint8Array) → the same. Nothing cancels it: what it has set to zero
// is known to its caller only.
Napi::Value get_and_zero(const Napi::CallbackInfo& info) {
  return look_up(info, ct::TupleVerb::kGetAndZero);
}

// ctCount(handle) → { entries, max? }
Napi::Value count(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto cancel = std::make_shared<Cancel>();
  return promise<ct::TableCount>(
      env, {operation::kCount}, cancel,
      [handle, cancel] {
        return with_command_socket(*handle, operation::kCount, [&](Socket& socket) {
          return ct::read_count(socket, cancel.get());
        });
      },
      [](Napi::Env js, ct::TableCount& found) {
        Napi::Object result = Napi::Object::New(js);
        result.Set("entries", found.entries);
        if (found.has_max) result.Set("max", found.max);
        return result;
      });
}

template <typename Read>
Napi::Value read_cpus(const Napi::CallbackInfo& info, const char* operation, Read read) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto cancel = std::make_shared<Cancel>();
  return promise<std::vector<ct::CpuStats>>(
      env, {operation}, cancel,
      [handle, cancel, operation, read] {
        return with_command_socket(*handle, operation,
                                   [&](Socket& socket) { return read(socket, cancel.get()); });
      },
      [](Napi::Env js, std::vector<ct::CpuStats>& cpus) {
        Napi::Array result = Napi::Array::New(js, cpus.size());
        for (std::uint32_t i = 0; i < cpus.size(); i++) {
          Napi::Object cpu = Napi::Object::New(js);
          cpu.Set("cpu", static_cast<std::uint32_t>(cpus[i].cpu));
          Napi::Array counters = Napi::Array::New(js, ct::kCpuCounters);
          for (std::uint32_t k = 0; k < ct::kCpuCounters; k++) counters[k] = cpus[i].counters[k];
          cpu.Set("counters", counters);
          result[i] = cpu;
        }
        return result;
      });
}

// ctCpuStats(handle) → [{ cpu, counters: number[] }]
Napi::Value cpu_stats(const Napi::CallbackInfo& info) {
  return read_cpus(info, operation::kStats, ct::read_cpu_stats);
}

// ctExpectStats(handle) → [{ cpu, counters: number[] }]
Napi::Value expectation_stats(const Napi::CallbackInfo& info) {
  return read_cpus(info, operation::kExpectStats, ct::read_expectation_stats);
}

}  // namespace

std::shared_ptr<ct::Filter> filter_of(const Napi::Value& value) {
  const auto words = words_of(value);
  if (bad_arguments(value.Env())) return nullptr;
  auto filter = ct::Filter::compile(words);
  if (!filter) {
    throw_failure(value.Env(), filter.error());
    return nullptr;
  }
  return std::make_shared<ct::Filter>(std::move(*filter));
}

bool read_dump_options(const Napi::Value& value, DumpOptions& out) {
  out.list = static_cast<ct::List>(std::min(u32_of(field_of(value, "list")),
                                            static_cast<std::uint32_t>(ct::List::kUnconfirmed)));
  out.zero_counters = flag_of(field_of(value, "zeroCounters"));
  out.parallel = static_cast<int>(std::min(u32_of(field_of(value, "parallel")), ct::kMostSockets));
  if (bad_arguments(value.Env())) return false;
  out.filter = filter_of(field_of(value, "filter"));
  return out.filter != nullptr;
}

void export_read(Napi::Object exports) {
  export_function<dump>(exports, "ctDump", operation::kDump);
  export_function<get>(exports, "ctGet", operation::kGet);
  export_function<get_and_zero>(exports, "ctGetAndZero", operation::kGet);
  export_function<count>(exports, "ctCount", operation::kCount);
  export_function<cpu_stats>(exports, "ctCpuStats", operation::kStats);
  export_function<expectation_stats>(exports, "ctExpectStats", operation::kExpectStats);
}

}  // namespace nf::js
