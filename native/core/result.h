// What every fallible function of the core returns: a value, or an Error that is data only.
// Messages are made elsewhere; no Node. Memory that runs out is an exception until core/guard.h
// makes it an Error.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace nf {

// Which family of error the caller should raise; the texts belong to TypeScript.
enum class ErrorKind { kNetlink, kXtables, kLock, kLibrary, kUnsupported, kCancelled };

struct Error {
  int code = 0;           // errno, positive; 0 if no system call failed
  std::string operation;  // "conntrack dump", "iptables commit" …
  std::string detail;     // the kernel's extended-ack text, a library's message
  ErrorKind kind = ErrorKind::kNetlink;
  const char* literal = nullptr;  // the operation, if there was no memory for a string

  const char* operation_name() const { return literal != nullptr ? literal : operation.c_str(); }
};

inline Error fail(int code, std::string operation, std::string detail = {},
                  ErrorKind kind = ErrorKind::kNetlink) {
  return Error{code, std::move(operation), std::move(detail), kind, nullptr};
}

template <typename T>
class [[nodiscard]] Result {
 public:
  // Not explicit, so that `return value;` and `return error;` work.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() { return *std::get_if<0>(&state_); }
  const T& value() const { return *std::get_if<0>(&state_); }
  T& operator*() { return value(); }
  T* operator->() { return &value(); }
  Error& error() { return *std::get_if<1>(&state_); }
  const Error& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  Error& error() { return *error_; }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace nf
