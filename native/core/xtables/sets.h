// IP sets by name and by index, as rules refer to them. Knows nothing of a set's content.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/fd.h"
#include "core/result.h"

namespace nf::xt {

struct SetId {
  std::uint16_t index = 0xffff;  // IPSET_INVALID_ID: there is no such set
  std::uint8_t family = 0;       // NFPROTO_*, 0 of a set that holds no addresses
  bool found() const { return index != 0xffff; }
};

// In the network namespace of the calling thread; an index means nothing in another.
class SetLookup {
 public:
  static Result<SetLookup> open();

  Result<SetId> by_name(const std::string& name) const;
  // Empty when no set has that index.
  Result<std::string> by_index(std::uint16_t index) const;

 private:
  SetLookup() = default;
  Result<void> ask(void* request, std::size_t size) const;

  Fd fd_;
  unsigned version_ = 0;
};

}  // namespace nf::xt
