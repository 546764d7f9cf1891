// Rows of a batch as requests need them: packed tuples and packed flows. All of this happens on the
// JS thread, for some thousand rows at a time: the memory belongs to JavaScript.
#include "core/conntrack/borrowed_rows.h"
#include "core/conntrack/request/pack_row.h"
#include "core/conntrack/request/tuple_request.h"
#include "core/operation.h"
#include "napi/conntrack.h"
#include "napi/exports.h"
#include "napi/values.h"

namespace nf::js {
namespace {

// { arena, capacity, addresses, extraIndex, extra, events }
ct::BorrowedRows::Memory memory_of(const Napi::Value& value) {
  ct::BorrowedRows::Memory memory;
  memory.arena = bytes_of(field_of(value, "arena"));
  memory.capacity = u32_of(field_of(value, "capacity"));
  memory.addresses = bytes_of(field_of(value, "addresses"));
  memory.extra_index = words_of(field_of(value, "extraIndex"));
  memory.extra = bytes_of(field_of(value, "extra"));
  memory.events = flag_of(field_of(value, "events"));
  return memory;
}

// ctPackTuples(memory, rows: Uint32Array, own) → packed tuples: Uint8Array
// `own`: the rows are of the table that is asked. Only there an id means something.
Napi::Value pack_tuples(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto memory = memory_of(info[0]);
  const auto rows = words_of(info[1]);
  const bool own = flag_of(info[2]);
  if (bad_arguments(env)) return env.Undefined();
  const ct::BorrowedRows borrowed(memory);
  std::vector<ct::PackedTuple> tuples(rows.size());
  ct::Row row;
  for (std::size_t i = 0; i < rows.size(); i++) {
    if (!borrowed.read(rows[i], row)) continue;  // of no family: no request is made of it
    tuples[i] = ct::pack_tuple(row, own && (!memory.events || row.nsid < 0));
  }
  return to_uint8_array(env, {reinterpret_cast<const std::uint8_t*>(tuples.data()),
                              tuples.size() * sizeof(ct::PackedTuple)});
}

// ctPackRows(memory, rows: Uint32Array, from, change) → { packed, flags, untimed, next }
// Packs the flows of the rows from the place `from` on, up to the first that is left to the caller:
// `next` is its place. `flags` has kRow… for each, and `untimed` the places of the timeouts that
// are missing. `change`: the flows are there already.
Napi::Value pack_rows(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto memory = memory_of(info[0]);
  const auto rows = words_of(info[1]);
  const std::size_t from = u32_of(info[2]);
  const bool change = flag_of(info[3]);
  if (bad_arguments(env)) return env.Undefined();
  const ct::BorrowedRows borrowed(memory);
  std::vector<std::uint8_t> packed;
  std::vector<std::uint8_t> flags;
  std::vector<std::uint32_t> untimed;
  constexpr std::size_t usual_size = 208;
  packed.reserve((rows.size() - std::min(from, rows.size())) * usual_size);
  std::size_t next = from;
  ct::Row row;
  for (; next < rows.size(); next++) {
    if (!borrowed.read(rows[next], row)) break;
    const ct::PackedRow done =
        change ? ct::pack_changed_flow(row, packed) : ct::pack_new_flow(row, packed);
    if (!done.packed) break;
    flags.push_back(done.flags);
    if ((done.flags & ct::kRowUntimed) != 0) {
      untimed.push_back(static_cast<std::uint32_t>(done.timeout));
    }
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("packed", to_uint8_array(env, packed));
  result.Set("flags", to_uint8_array(env, flags));
  result.Set("untimed", to_uint32_array(env, untimed));
  result.Set("next", to_number(env, next));
  return result;
}

}  // namespace

void export_rows(Napi::Object exports) {
  export_function<pack_tuples>(exports, "ctPackTuples", operation::kTuple);
  export_function<pack_rows>(exports, "ctPackRows", operation::kRequest);
}

}  // namespace nf::js
