// The objects of nf_tables in the network namespace of a socket: tables, chains, rules, sets and
// stateful objects, as views of the kernel's messages. Knows the names of attributes, not what an
// object is for.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "core/cancel.h"
#include "core/netlink/attribute.h"
#include "core/netlink/socket.h"
#include "core/result.h"

namespace nf::nft {

// Every view points into the message that it was made of.

struct Table {
  std::uint8_t family = 0;  // NFPROTO_*
  std::string_view name;
  bool dormant = false;  // its chains have no hooks
  std::uint64_t handle = 0;
};

struct BaseHook {
  std::uint32_t number = 0;
  std::int32_t priority = 0;
};

struct Chain {
  std::uint8_t family = 0;
  std::string_view table;
  std::string_view name;
  // Only for a base chain.
  std::string_view type;  // "filter", "nat", "route"
  std::optional<BaseHook> hook;
  std::optional<std::uint32_t> policy;  // NF_ACCEPT, NF_DROP
  std::uint32_t use = 0;                // its rules, and the rules and elements that lead to it
  std::uint64_t handle = 0;
  // What reached the policy. Zero if the chain does not count.
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};

struct Expression {
  std::string_view name;
  std::optional<Attribute> data;  // the nest of its own attributes
};

// One expression from its nest; false if it is malformed.
bool parse(const Attribute& nest, Expression& out);

// The expressions of a rule, a set or another expression: one alone, a list, or none.
class Expressions {
 public:
  void set_one(const Attribute& one) { one_ = one; }
  void set_list(const Attribute& list) { list_ = list; }

  // False if they are malformed: those before the malformed one were visited then.
  bool each(const std::function<void(const Expression&)>& visit) const;
  // The list as it was sent.
  std::span<const std::uint8_t> list() const {
    if (!list_) return {};
    return {list_->data, list_->size};
  }

 private:
  std::optional<Attribute> one_;
  std::optional<Attribute> list_;
};

struct Rule {
  std::uint8_t family = 0;
  std::string_view table;
  std::string_view chain;
  std::uint64_t handle = 0;
  std::uint64_t before = 0;  // in an event: the handle of the rule before it, where that is told
  Expressions expressions;
  std::span<const std::uint8_t> user_data;  // of the program that made it
};

struct Set {
  std::uint8_t family = 0;
  std::string_view table;
  Expressions expressions;  // that each element gets
};

struct Object {
  std::uint8_t family = 0;
  std::string_view table;
  std::uint32_t type = 0;  // NFT_OBJECT_*
};

// One object from the attributes of its message; false if they are malformed.
bool parse(AttributeCursor attributes, Table& out);
bool parse(AttributeCursor attributes, Chain& out);
bool parse(AttributeCursor attributes, Rule& out);
bool parse(AttributeCursor attributes, Set& out);
bool parse(AttributeCursor attributes, Object& out);

// The expressions that a dynset expression gives each element that it adds.
Expressions expressions_of_dynset(const Attribute& data);

// Whether an error means that the kernel has no nf_tables, or no objects of that kind.
bool is_absent(const Error& error);

// Reads all objects of one kind. Needs CAP_NET_ADMIN in the namespace of the socket.
class Reader {
 public:
  Reader(Socket& socket, const Cancel* cancel, const char* operation)
      : socket_(socket), cancel_(cancel), operation_(operation) {}

  // `family` is one of NFPROTO_*, NFPROTO_UNSPEC for all. `restart` is called before each reading:
  // a list that changed while it was read is read again. EBADMSG if a message is malformed.
  template <typename Kind>
  Result<void> each(std::uint8_t family, const std::function<void()>& restart,
                    const std::function<void(const Kind&)>& visit) {
    return each<Kind>(family, Chained{}, restart, visit);
  }
  // The rules of one chain. The kernel sends about 32 KiB at a time, and looks for the place to go
  // on from the beginning of what was asked for. So a large table costs less chain by chain.
  Result<void> each_rule(std::uint8_t family, std::string_view table, std::string_view chain,
                         const std::function<void()>& restart,
                         const std::function<void(const Rule&)>& visit) {
    return each<Rule>(family, Chained{table, chain}, restart, [&](const Rule& rule) {
      if (rule.table == table && rule.chain == chain) visit(rule);
    });
  }

 private:
  // Where rules are; empty: anywhere. The kernel knows this of a list of rules only.
  struct Chained {
    std::string_view table;
    std::string_view chain;
  };

  template <typename Kind>
  Result<void> each(std::uint8_t family, const Chained& where, const std::function<void()>& restart,
                    const std::function<void(const Kind&)>& visit) {
    bool intact = true;
    auto walked = walk({message_of(Kind{}), family, where}, restart,
                       [&](std::uint8_t of, AttributeCursor attributes) {
                         Kind object;
                         object.family = of;
                         if (parse(attributes, object)) {
                           visit(object);
                         } else {
                           intact = false;
                         }
                       });
    if (walked && !intact) return malformed();
    return walked;
  }

  // NFT_MSG_GET*, by what is asked for.
  static std::uint16_t message_of(const Table& kind);
  static std::uint16_t message_of(const Chain& kind);
  static std::uint16_t message_of(const Rule& kind);
  static std::uint16_t message_of(const Set& kind);
  static std::uint16_t message_of(const Object& kind);

  struct List {
    std::uint16_t message;
    std::uint8_t family;
    Chained where;
  };
  Result<void> walk(const List& list, const std::function<void()>& restart,
                    const std::function<void(std::uint8_t, AttributeCursor)>& each);
  Error malformed() const;

  Socket& socket_;
  const Cancel* cancel_;
  const char* operation_;
};

}  // namespace nf::nft
