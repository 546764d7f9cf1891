// Words of packed filters for tests.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <vector>

#include "core/conntrack/schema/filter_words.h"

namespace nf::test {

using FilterWords = std::vector<std::uint32_t>;

// An address condition with one prefix. `address` is as packets have it. `bits` is the length of
// the prefix, up to 32 or 128.
inline FilterWords prefix(std::uint32_t side, int family, const std::uint32_t (&address)[4],
                          std::uint32_t bits) {
  const bool v6 = family == AF_INET6;
  FilterWords words = {static_cast<std::uint32_t>(ct::FilterOp::address), side, v6 ? 0U : 1U,
                       v6 ? 1U : 0U, 0};
  FilterWords from;
  FilterWords to;
  for (std::uint32_t i = 0; i < (v6 ? 4U : 1U); i++) {
    const std::uint32_t known = bits < i * 32 ? 0 : bits - i * 32;
    const std::uint32_t host = known >= 32 ? 0 : 0xffffffffU >> known;
    from.push_back(ntohl(address[i]) & ~host);
    to.push_back(ntohl(address[i]) | host);
  }
  words.insert(words.end(), from.begin(), from.end());
  words.insert(words.end(), to.begin(), to.end());
  return words;
}

// Both, one after the other.
inline FilterWords joined(FilterWords first, const FilterWords& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace nf::test
