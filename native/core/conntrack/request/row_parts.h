// The rare attributes of a row, read one by one: what src/conntrack/flow/rare.ts reads of them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/conntrack/row.h"

namespace nf::ct {

struct ThreeWords {
  bool given = false;
  std::uint32_t value[3] = {};
};

// The original tuple of the flow that expected this one.
struct Master {
  bool given = false;
  bool ipv6 = false;
  bool ports = false;
  std::uint8_t protocol = 0;
  std::span<const std::uint8_t> src;
  std::span<const std::uint8_t> dst;
  std::uint16_t src_port = 0;
  std::uint16_t dst_port = 0;
};

// Views into the row's memory.
struct RowParts {
  std::span<const std::uint8_t> helper;  // its name
  bool labels = false;
  std::uint8_t label_bits[16] = {};  // bit n of byte m is label 8 m + n
  bool sctp = false;
  std::uint32_t vtag[2] = {};
  std::optional<std::uint8_t> dccp_role;
  std::optional<std::uint64_t> dccp_handshake;
  ThreeWords seq_adj[2];  // position, offset before, offset after
  ThreeWords synproxy;    // isn, its, tsoff
  Master master;
};

// False: an attribute is malformed, or of a kind that this code does not write.
bool read_parts(const Row& row, RowParts& parts);

// Whether tuples of the protocol have ports (GRE: keys).
bool has_ports(std::uint8_t protocol);
// Whether an IPv6 address is an IPv4-mapped one.
bool is_mapped(const std::uint8_t* address);

}  // namespace nf::ct
