// The attributes of single nf_tables expressions, with every length checked. Knows what an
// attribute is, not what an expression means for a rule.
#pragma once

#include <linux/netfilter/nf_tables.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/netlink/attribute.h"
#include "core/nftables/bytes.h"

namespace nf::nft {

// The attributes of one nest by their number, which is at most `Last`.
template <std::size_t Last>
class Nest {
 public:
  explicit Nest(const std::optional<Attribute>& nest) {
    if (!nest) return;
    AttributeCursor attributes(*nest);
    for (Attribute a; attributes.next(a);) {
      if (a.type > Last) {
        strange_ = true;
      } else {
        found_[a.type] = a;
      }
    }
    if (!attributes.intact()) strange_ = true;
  }

  // It is malformed, or has an attribute that is not known here: its meaning is not known.
  bool strange() const { return strange_; }
  bool has(std::size_t type) const { return found_[type].has_value(); }
  const std::optional<Attribute>& at(std::size_t type) const { return found_[type]; }

  std::optional<std::uint16_t> be16(std::size_t type) const {
    if (!has(type) || found_[type]->size != 2) return std::nullopt;
    return found_[type]->be16();
  }
  std::optional<std::uint32_t> be32(std::size_t type) const {
    if (!has(type) || found_[type]->size != 4) return std::nullopt;
    return found_[type]->be32();
  }
  std::optional<std::uint64_t> be64(std::size_t type) const {
    if (!has(type) || found_[type]->size != 8) return std::nullopt;
    return found_[type]->be64();
  }
  std::optional<std::string_view> text(std::size_t type) const {
    if (!has(type)) return std::nullopt;
    return found_[type]->text();
  }
  // The bytes of an attribute.
  std::optional<Bytes> bytes(std::size_t type) const {
    if (!has(type)) return std::nullopt;
    return Bytes(found_[type]->data, found_[type]->size);
  }
  // The bytes of an NFTA_DATA_VALUE in a nest of this type.
  std::optional<Bytes> value(std::size_t type) const {
    if (!has(type)) return std::nullopt;
    const Nest<NFTA_DATA_VERDICT> data(found_[type]);
    if (data.strange()) return std::nullopt;
    return data.bytes(NFTA_DATA_VALUE);
  }

 private:
  std::array<std::optional<Attribute>, Last + 1> found_{};
  bool strange_ = false;
};

using MetaNest = Nest<NFTA_META_SREG>;
using PayloadNest = Nest<NFTA_PAYLOAD_LEN>;
using BitwiseNest = Nest<6>;  // NFTA_BITWISE_OP, which headers before 5.6 lack
using CompareNest = Nest<NFTA_CMP_DATA>;
using RangeNest = Nest<NFTA_RANGE_TO_DATA>;
using ImmediateNest = Nest<NFTA_IMMEDIATE_DATA>;
using VerdictNest = Nest<NFTA_VERDICT_CHAIN>;
using CounterNest = Nest<NFTA_COUNTER_PAD>;
using LimitNest = Nest<NFTA_LIMIT_PAD>;
using LogNest = Nest<NFTA_LOG_FLAGS>;
// A match and a target have the same numbers (nf_tables_compat.h): name, revision, bytes.
inline constexpr std::size_t kExtensionName = 1, kExtensionRevision = 2, kExtensionInfo = 3;
using ExtensionNest = Nest<kExtensionInfo>;

}  // namespace nf::nft
