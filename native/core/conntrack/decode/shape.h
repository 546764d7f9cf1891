// Where a message has what: learnt from one message, and true of every other whose attribute
// headers are the same.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/conntrack/row.h"
#include "core/netlink/attribute.h"

namespace nf::ct {

class Shape {
 public:
  // Learns from a message that parse() has read into `row`. False where it has anything that is
  // not a plain field: such messages are left to parse().
  bool learn(const std::uint8_t* payload, std::size_t size, const Row& row);
  // Is it of this shape? Then `read` gives what parse() would.
  bool fits(const std::uint8_t* payload, std::size_t size) const {
    return size == size_ && same_headers(payload);
  }
  void read(const std::uint8_t* payload, Row& row) const;

 private:
  // What has a place in a message.
  static constexpr unsigned kStatus = 0;
  static constexpr unsigned kTimeout = 1;
  static constexpr unsigned kMark = 2;
  static constexpr unsigned kUse = 3;
  static constexpr unsigned kId = 4;
  static constexpr unsigned kZone = 5;
  static constexpr unsigned kProtocol = 6;
  static constexpr unsigned kState = 7;
  static constexpr unsigned kWscale = 8;     // two: original, reply
  static constexpr unsigned kTcpFlags = 10;  // two
  static constexpr unsigned kAddress = 12;   // four, as the sides of a Row
  static constexpr unsigned kPort = 16;      // four; ICMP: the id is the source
  static constexpr unsigned kIcmpType = 20;  // two
  static constexpr unsigned kIcmpCode = 22;  // two
  static constexpr unsigned kCounters = 24;  // four, as in a Row
  static constexpr unsigned kStart = 28;
  static constexpr unsigned kStop = 29;
  static constexpr unsigned kPlaces = 30;
  // Larger messages have something rare in them.
  static constexpr std::size_t kLongest = 512;
  static constexpr std::size_t kStep = 16;

  bool same_headers(const std::uint8_t* payload) const;
  bool learn_attribute(const Attribute& a);
  bool learn_tuple(const Attribute& nest, Direction direction);
  bool learn_ip(const Attribute& nest, Direction direction);
  bool learn_protocol(const Attribute& nest, Direction direction);
  bool learn_counters(const Attribute& nest, Direction direction);
  bool learn_protoinfo(const Attribute& nest);
  bool learn_tcp(const Attribute& nest);
  bool learn_timestamp(const Attribute& nest);
  // The header of an attribute must be the same in every message of this shape; these bytes too.
  void fix_header(const Attribute& a) { fix(a.data - kAttributeHeader, kAttributeHeader); }
  void fix(const std::uint8_t* bytes, std::size_t size);
  bool place(unsigned where, const Attribute& a, std::size_t size);

  std::uint16_t number16(const std::uint8_t* payload, unsigned where) const;
  std::uint32_t number32(const std::uint8_t* payload, unsigned where) const;
  std::uint64_t number64(const std::uint8_t* payload, unsigned where) const;
  std::uint8_t number8(const std::uint8_t* payload, unsigned where) const;
  void read_address(const std::uint8_t* payload, unsigned side, Row& row) const;

  std::size_t size_ = 0;
  std::uint64_t presence_ = 0;
  std::uint8_t family_ = 0;
  std::array<std::uint16_t, kPlaces> at_{};  // offsets; 0: not in these messages
  const std::uint8_t* begin_ = nullptr;      // of the message that is being learnt from
  alignas(kStep) std::array<std::uint8_t, kLongest> mask_{};
  alignas(kStep) std::array<std::uint8_t, kLongest> want_{};
};

}  // namespace nf::ct
