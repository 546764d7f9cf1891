// The head of an entry: interfaces, protocol, addresses and fragments, as fields that both families
// share, and as expressions. See write_rule.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/nftables/bytes.h"
#include "core/nftables/expression_writer.h"
#include "core/xtables/layout.h"

namespace nf::nft {

// The spans point into the entry.
struct Head {
  struct Address {
    Bytes value;
    Bytes mask;
    std::size_t offset = 0;  // in the network header
    bool inverted = false;
    bool only_under_mask = false;  // how the kernel compares
  };
  struct Interface {
    Bytes name;  // IFNAMSIZ bytes, as the mask
    Bytes mask;
    bool inverted = false;
  };

  Interface in;
  Interface out;
  Address source;
  Address destination;
  std::uint16_t protocol = 0;  // 0 if ip_tables does not look at it
  bool has_protocol = false;   // fails for packets that have none: only IPv6 knows such packets
  bool fragments = false;      // -f
  bool is_goto = false;
  std::uint8_t inversions = 0;

  bool inverted(unsigned bit) const { return (inversions & bit) != 0; }
  // The only protocol whose packets can pass, or 0.
  std::uint16_t exact_protocol() const { return inverted(IPT_INV_PROTO) ? 0 : protocol; }
};

// Of an entry that view_entry accepted. Null, or what is wrong.
const char* read_head(const xt::Layout& layout, const std::uint8_t* entry, Head& out);
// Null, or what nf_tables cannot say.
const char* write_head(const Head& head, ExpressionWriter& out);

}  // namespace nf::nft
