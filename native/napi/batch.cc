// Making batches.
#include "napi/batch.h"

namespace nf::js {
Napi::Object to_batch(Napi::Env env, ct::Columns& columns) {
  Napi::Object batch = Napi::Object::New(env);
  columns.compact();
  const std::size_t arena = columns.arena_bytes();
  const std::size_t addresses = columns.addresses().size();
  const std::size_t index = columns.extra_index().size();
  const std::size_t extra = columns.extra_bytes().size();
  batch.Set("rows", to_number(env, columns.size()));
  batch.Set("capacity", to_number(env, columns.capacity()));
  batch.Set("withoutCounters", to_number(env, columns.without_counters()));
  batch.Set("arena", to_array_buffer(env, columns.take_arena(), columns.size() == 0 ? 0 : arena));
  batch.Set("addresses", to_array_buffer(env, columns.addresses().take(), addresses));
  batch.Set("extraIndex", to_array_buffer(env, columns.extra_index().take(), index));
  batch.Set("extra", to_array_buffer(env, columns.extra_bytes().take(), extra));
  return batch;
}

Napi::Object to_stats(Napi::Env env, const ct::DumpStats& stats) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("messages", to_number(env, stats.messages));
  result.Set("undecodable", to_number(env, stats.undecodable));
  result.Set("rejected", to_number(env, stats.rejected));
  result.Set("duplicates", to_number(env, stats.duplicates));
  result.Set("kernelFilter", to_number(env, stats.kernel_filter));
  result.Set("sockets", to_number(env, stats.sockets));
  return result;
}

}  // namespace nf::js
