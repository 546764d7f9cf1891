// A small test runner. TEST(name) registers a function. CHECK and CHECK_EQUAL count what fails and
// go on. `core_tests [part of a name …]` runs the tests that match.
#pragma once

#include <iostream>
#include <string_view>

namespace nf::test {

using Function = void (*)();

struct Registration {
  Registration(const char* name, Function function);
};

void report(const char* file, int line, std::string_view what);

// Prints small integers as numbers.
template <typename T>
decltype(auto) shown(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return static_cast<long long>(value);
  } else if constexpr (std::is_integral_v<T> && sizeof(T) == 1) {
    return static_cast<int>(value);
  } else {
    return (value);
  }
}

template <typename A, typename B>
void check_equal(const char* file, int line, const char* text, const A& actual, const B& expected) {
  if (actual == expected) return;
  report(file, line, text);
  std::cout << "    actual " << shown(actual) << ", expected " << shown(expected) << '\n';
}

}  // namespace nf::test

#define TEST(name)                                                              \
  static void test_##name();                                                    \
  static const nf::test::Registration registration_##name(#name, &test_##name); \
  static void test_##name()

#define CHECK(condition) \
  ((condition) ? void() : nf::test::report(__FILE__, __LINE__, "CHECK(" #condition ")"))

#define CHECK_EQUAL(actual, expected) \
  nf::test::check_equal(__FILE__, __LINE__, #actual " == " #expected, (actual), (expected))
