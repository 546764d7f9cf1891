// Changes one existing flow: the request, and the operation that makes sure which flow it changes.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "core/conntrack/change/kept.h"
#include "core/conntrack/request/flow_request.h"
#include "core/conntrack/schema/packed_tuple.h"
#include "core/netlink/exchange.h"

namespace nf::ct {

// A change, packed once (schema/fields.h, without a tuple), for any number of flows. The bytes must
// outlive it.
class Change {
 public:
  explicit Change(std::span<const std::uint8_t> fields);

  // Status bits are added to those that the flow has, so a caller that sets any must have read it.
  bool has_status() const { return has_status_; }
  const Asked& asked() const { return asked_; }
  // Appends the request; `status` is what the flow has.
  Result<void> append(const PackedTuple& tuple, std::uint32_t status, std::uint32_t sequence,
                      MessageBuilder& batch);

 private:
  std::span<const std::uint8_t> fields_;
  std::uint32_t status_ = 0;
  bool has_status_ = false;
  Asked asked_;
  std::map<std::uint32_t, std::vector<std::uint8_t>> attributes_;  // by family and protocol
};

// Changes the flow with this tuple. False: there is no such flow, or the tuple has an id or a start
// and the flow has another. The flow is read first only if that decides something: an id, a start
// or status bits.
Result<bool> change_flow(Socket& socket, const Cancel* cancel, const PackedTuple& tuple,
                         std::span<const std::uint8_t> fields);

}  // namespace nf::ct
