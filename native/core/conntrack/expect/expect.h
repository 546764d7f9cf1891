// Expectations: the requests that list, find, make and delete them. What the kernel sends is passed
// on whole (MessageHeader of event_queue.h, then the payload). There are few of them, and
// TypeScript says what their attributes mean.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/cancel.h"
#include "core/conntrack/schema/packed_tuple.h"
#include "core/memory.h"
#include "core/netlink/socket.h"
#include "core/result.h"

namespace nf::ct {

// An expectation to make, packed by TypeScript.
struct PackedExpectation {
  PackedTuple master;  // the original tuple of the flow that expects; its zone holds for all tuples
  PackedTuple tuple;   // what is expected
  PackedTuple mask;    // of the source address and port
  PackedTuple nat;     // only the source matters
  std::uint32_t timeout;  // seconds
  std::uint32_t flags;
  std::uint32_t policy_class;
  std::uint8_t given;  // kExpect… below
  std::uint8_t nat_direction;
  std::uint16_t reserved;
  char helper[32];  // NUL-terminated
  char function[64];
};
static_assert(sizeof(PackedExpectation) == 352);

inline constexpr std::uint8_t kExpectTimeout = 1;
inline constexpr std::uint8_t kExpectFlags = 2;
inline constexpr std::uint8_t kExpectClass = 4;
inline constexpr std::uint8_t kExpectNat = 8;
inline constexpr std::uint8_t kExpectHelper = 16;
inline constexpr std::uint8_t kExpectFunction = 32;

// Those of the whole namespace, or those of one flow (none if there is no such flow).
Result<void> list_expectations(Socket& socket, const Cancel* cancel,
                               const std::optional<PackedTuple>& master, GrowBuffer& out);
// False: no such expectation.
Result<bool> find_expectation(Socket& socket, const Cancel* cancel, const PackedTuple& tuple,
                              GrowBuffer& out);
Result<void> create_expectation(Socket& socket, const Cancel* cancel,
                                const PackedExpectation& expectation);
Result<bool> delete_expectation(Socket& socket, const Cancel* cancel, const PackedTuple& tuple);
// Those of the whole namespace, or those whose flow has the helper.
Result<void> flush_expectations(Socket& socket, const Cancel* cancel, const std::string& helper);

}  // namespace nf::ct
