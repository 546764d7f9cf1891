// Fuzzes the path of a received message: parser, filter, columns, and what is read back from them.
#include <cstdlib>
#include <vector>

#include "core/conntrack/columns.h"
#include "core/conntrack/decode/parse.h"
#include "core/conntrack/filter/filter.h"
#include "core/conntrack/request/tuple_request.h"
#include "core/conntrack/schema/filter_words.h"
#include "test/rows.h"

namespace nf::ct {
namespace {

constexpr std::uint32_t op(FilterOp value) { return static_cast<std::uint32_t>(value); }

std::vector<Filter> make_filters() {
  const std::vector<std::uint32_t> packed[] = {
      {op(FilterOp::helper), 3, 0x00707466, op(FilterOp::label), 1, 2, 0, 4, 0, 0, 8, 0, 0, 0, 0,
       1},
      {op(FilterOp::label), ~0U, ~0U, ~0U, ~0U, 0, 0, 0, 0, 0, 0, 0, 0},
      {op(FilterOp::family), 10, op(FilterOp::address), 3, 0, 1, 0, 0xfd000000, 0, 0, 0, 0xfd000000,
       9, 9, 9},
      {op(FilterOp::icmpType), 0, 8, op(FilterOp::state), 1, 2, 4},
      {op(FilterOp::nat), 3, op(FilterOp::tupleZone), 1, 7},
  };
  std::vector<Filter> filters;
  for (const auto& words : packed) {
    auto filter = Filter::compile(words);
    if (!filter.ok()) std::abort();
    filters.push_back(std::move(filter.value()));
  }
  return filters;
}

void run(const std::uint8_t* data, std::size_t size) {
  static const std::vector<Filter> filters = make_filters();
  Row row{};
  if (!parse(data, size, row)) return;
  for (const auto& filter : filters) static_cast<void>(filter.matches(row));
  Columns columns;
  if (!columns.append(row) || !columns.append(row)) std::abort();
  // The batch has kept everything that was in the message.
  if (!test::same_row(columns.read(1), row)) std::abort();
  columns.merge(0, row);
  Columns copy;
  if (!copy.append_from(columns, 1)) std::abort();
  std::uint8_t arena[64 * kLookupRowBytes] = {};
  std::uint8_t extra[512];
  const std::size_t stored = store_lookup(row, arena, 64, 63, extra);
  if (stored > 0 && row.extra_count == 0) std::abort();
  Attribute a;
  for (std::uint16_t type = 0; type < 40; type++) {
    // The copy has what the original has.
    if (columns.extra(0, type, a) != copy.extra(0, type, a)) std::abort();
  }
  MessageBuilder builder;
  if (!append_delete(pack_tuple(copy.read(0)), 0, 1, builder).ok()) {
    std::abort();
  }
  columns.pop();
  columns.pop();
  if (!columns.append(row)) std::abort();
}

}  // namespace
}  // namespace nf::ct

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  nf::ct::run(data, size);
  return 0;
}
