// What the tests of tables share: a check of results, and random numbers.
#pragma once

#include <cstdint>
#include <random>

#include "core/result.h"
#include "test/check.h"

namespace nf::test {

template <typename T>
bool good(const Result<T>& result, const char* file, int line) {
  if (result.ok()) return true;
  report(file, line, result.error().operation + ": " + result.error().detail);
  return false;
}

class Random {
 public:
  using result_type = std::uint32_t;
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return UINT32_MAX; }
  result_type operator()() { return static_cast<result_type>(engine_()); }

 private:
  std::mt19937 engine_;
};

}  // namespace nf::test

// Whether a result is a value. Reports its error otherwise.
#define GOOD(result) nf::test::good((result), __FILE__, __LINE__)
