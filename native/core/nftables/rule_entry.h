// A rule while it is read: every condition, and the target, goes to the place that iptables has for
// it in an entry. Refuses what has no place there. Knows iptables' bytes, not nf_tables'
// expressions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/nftables/bytes.h"
#include "core/nftables/chain_names.h"
#include "core/nftables/entry_builder.h"
#include "core/xtables/layout.h"

namespace nf::nft {

struct Ports {
  std::uint16_t from = 0, to = 0;
  bool inverted = false;
};

// The methods return false if an entry cannot say it.
class RuleEntry {
 public:
  RuleEntry(const xt::Layout& layout, const IsChain& is_chain, std::vector<std::uint8_t>& entries)
      : layout_(layout), is_chain_(is_chain), builder_(layout, entries) {}

  bool ipv4() const { return layout_.family == AF_INET; }
  // Whether a condition may come next: nothing comes after the target, and what follows the counter
  // is not counted.
  bool may_match() const { return !counted_ && !ended_; }
  bool ended() const { return ended_; }
  // The protocol that every packet has that comes here; 0: any.
  std::uint8_t known_protocol() const { return protocol_; }

  // ---- the head ----
  // `name` has a NUL, or is the beginning of names.
  bool interface(bool input, Bytes name, bool inverted);
  // `-i +`; negated it matches no packet.
  bool any_interface(bool input, bool inverted);
  bool protocol(std::uint8_t number, bool inverted);
  // `-p all` of IPv6: the packet must have a protocol.
  bool any_protocol();
  // Without a mask the value may be shorter than an address.
  bool address(bool source, Bytes value, const std::optional<Bytes>& mask, bool inverted);
  bool fragment(bool inverted);

  // ---- matches ----
  bool port(bool source, const Ports& ports);
  bool tcp_flags(std::uint8_t mask, std::uint8_t flags, bool inverted);
  bool icmp(std::uint8_t type, std::optional<std::uint8_t> code, bool inverted);
  bool mark(std::uint32_t value, std::uint32_t mask, bool inverted);
  bool packet_type(std::uint8_t type, bool inverted);
  bool limit(std::uint64_t rate, std::uint64_t unit, std::uint32_t burst);
  bool comment(Bytes text);
  bool match(std::string_view name, std::uint8_t revision, Bytes info);

  // ---- what follows the matches ----
  bool count(const xt::Counters& counters);
  bool verdict(std::string_view name);
  bool jump(std::string_view chain, bool is_goto);
  bool target(std::string_view name, std::uint8_t revision, Bytes info);

  // Something that the rule is and the entry does not say.
  void lacks(std::string what) { lacking_ = std::move(what); }
  std::string& lacking() { return lacking_; }

  bool finish();
  // Forgets everything but the counters.
  void blank() { builder_.blank(counters_); }

 private:
  enum Field : std::uint8_t {
    kInput = 1,
    kOutput = 2,
    kProtocol = 4,
    kSource = 8,
    kDestination = 16,
    kFragment = 32
  };
  // The fields of -m tcp and -m udp in the order in which iptables-nft writes them. A field that
  // comes out of order belongs to another -m tcp.
  enum Stage : std::uint8_t { kFlags = 1, kSourcePort = 2, kDestinationPort = 3 };

  bool once(Field field);
  void put_interface(bool input, std::string_view name, std::size_t masked, bool inverted);
  std::uint8_t* ports_match(Stage stage);
  template <typename Info>
  void add(std::string_view name, std::uint8_t revision, const Info& info) {
    add(name, revision, Bytes(reinterpret_cast<const std::uint8_t*>(&info), sizeof info));
  }
  void add(std::string_view name, std::uint8_t revision, Bytes info);

  const xt::Layout& layout_;
  const IsChain& is_chain_;
  EntryBuilder builder_;
  std::uint8_t fields_ = 0;  // Field
  std::uint8_t protocol_ = 0;
  std::size_t open_ = 0;    // payload of the -m tcp or -m udp that may get more fields
  std::size_t last_ = 0;    // payload of the last match
  std::uint8_t stage_ = 0;  // Stage of the open match
  bool has_state_ = false;  // a match may have one
  xt::Counters counters_;
  bool counted_ = false;
  bool ended_ = false;
  std::string standard_;     // the verdict or the chain
  std::string target_name_;  // of an extension
  std::uint8_t target_revision_ = 0;
  std::vector<std::uint8_t> target_info_;
  std::string lacking_;
};

}  // namespace nf::nft
