// The matches of an entry as expressions. See write_rule.h.
#pragma once

#include <cstdint>

#include "core/nftables/bytes.h"
#include "core/nftables/expression_writer.h"
#include "core/xtables/entry.h"

namespace nf::nft {

// Writes the matches of one rule, in their order.
class MatchWriter {
 public:
  // `protocol`: the only one whose packets get here, or 0.
  MatchWriter(std::uint16_t protocol, ExpressionWriter& out) : protocol_(protocol), out_(out) {}

  // Null, or what nf_tables cannot say.
  const char* write(const xt::Part& part, Bytes payload);

 private:
  // These write a match that has expressions of its own. False: it has none.
  bool write_tcp(Bytes payload);
  bool write_udp(Bytes payload);
  bool write_mark(Bytes payload);
  bool write_limit(Bytes payload);

  std::uint16_t protocol_;
  bool has_ports_ = false;  // a tcp or udp match was written as expressions
  ExpressionWriter& out_;
};

}  // namespace nf::nft
