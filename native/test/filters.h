// Filters for the tests, from the words that src/conntrack packs.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "core/conntrack/filter/filter.h"
#include "test/check.h"

namespace nf::test {

inline ct::Filter filter_of(const std::vector<std::uint32_t>& words) {
  auto filter = ct::Filter::compile(words);
  CHECK(filter.ok());
  return std::move(*filter);
}

// The filter that takes every flow.
inline const ct::Filter& everything() {
  static const ct::Filter filter = filter_of({});
  return filter;
}

}  // namespace nf::test
