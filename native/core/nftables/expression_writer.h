// Writes the expressions of a rule of nf_tables, one after another, as the kernel's attributes.
// Only the kinds of expression that rules of iptables have. Loads go to one register, and
// comparisons read it. Knows the attributes, not what a rule says with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/netlink/message.h"
#include "core/nftables/bytes.h"
#include "core/xtables/layout.h"

namespace nf::nft {

class ExpressionWriter {
 public:
  // They are appended to the attribute that is open.
  explicit ExpressionWriter(MessageBuilder& out) : out_(out) {}

  // Loads: NFT_META_*, or bytes of the packet from an offset of a header (NFT_PAYLOAD_*).
  void load_meta(std::uint32_t key);
  void load_packet(std::uint32_t header, std::size_t offset, std::size_t size);
  // What was loaded, under a mask of the same size.
  void mask(Bytes mask);
  // Ends the rule unless what was loaded is so (NFT_CMP_*).
  void compare(std::uint32_t operation, Bytes value);
  // The same for a 16-bit number of the packet inside a range, or outside. Both ends belong to it.
  void compare_range(bool outside, std::uint16_t from, std::uint16_t to);

  // `count` packets in so many seconds.
  void limit(std::uint64_t count, std::uint64_t seconds, std::uint32_t burst);
  void counter(const xt::Counters& value);
  // A match or target of x_tables.
  void match(std::string_view name, std::uint8_t revision, Bytes payload);
  void target(std::string_view name, std::uint8_t revision, Bytes payload);

  struct Log {
    std::uint16_t group = 0;
    std::uint16_t threshold = 0;
    std::string_view prefix;
    std::optional<std::uint32_t> size;  // how much of the packet
  };
  // To a listener of nfnetlink_log.
  void log(const Log& log);
  // Marks the packet as traced.
  void trace();
  // Only NFT_JUMP and NFT_GOTO have a chain.
  void verdict(std::uint32_t code, std::string_view chain = {});

 private:
  template <typename Fill>
  void nest(std::uint16_t type, const Fill& fill);
  template <typename Fill>
  void expression(std::string_view name, const Fill& fill);
  void value(std::uint16_t type, Bytes bytes);

  MessageBuilder& out_;
};

}  // namespace nf::nft
