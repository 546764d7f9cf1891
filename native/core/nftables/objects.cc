// Reading the objects of nf_tables.
#include "core/nftables/objects.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "core/netlink/walk.h"

namespace nf::nft {
namespace {

// linux/netfilter/nf_tables.h; headers before 5.11 lack the lists.
enum : std::uint16_t {
  kSetExpression = 17,     // NFTA_SET_EXPR
  kSetExpressions = 18,    // NFTA_SET_EXPRESSIONS
  kDynsetExpression = 7,   // NFTA_DYNSET_EXPR
  kDynsetExpressions = 10  // NFTA_DYNSET_EXPRESSIONS
};
constexpr std::uint32_t kTableDormant = 1;  // NFT_TABLE_F_DORMANT

// False if the attribute is too short for a number.
bool read(const Attribute& attribute, std::uint32_t& out) {
  if (attribute.size < sizeof out) return false;
  out = attribute.be32();
  return true;
}

bool read(const Attribute& attribute, std::uint64_t& out) {
  if (attribute.size < sizeof out) return false;
  out = attribute.be64();
  return true;
}

bool parse_counters(const Attribute& nest, Chain& out) {
  AttributeCursor attributes(nest);
  for (Attribute a; attributes.next(a);) {
    if (a.type == NFTA_COUNTER_PACKETS && !read(a, out.packets)) return false;
    if (a.type == NFTA_COUNTER_BYTES && !read(a, out.bytes)) return false;
  }
  return attributes.intact();
}

bool parse_hook(const Attribute& nest, BaseHook& out) {
  AttributeCursor attributes(nest);
  for (Attribute a; attributes.next(a);) {
    std::uint32_t value = 0;
    if (a.type != NFTA_HOOK_HOOKNUM && a.type != NFTA_HOOK_PRIORITY) continue;
    if (!read(a, value)) return false;
    if (a.type == NFTA_HOOK_HOOKNUM) out.number = value;
    if (a.type == NFTA_HOOK_PRIORITY) out.priority = static_cast<std::int32_t>(value);
  }
  return attributes.intact();
}

}  // namespace

bool parse(const Attribute& nest, Expression& out) {
  AttributeCursor attributes(nest);
  for (Attribute a; attributes.next(a);) {
    if (a.type == NFTA_EXPR_NAME) out.name = a.text();
    if (a.type == NFTA_EXPR_DATA) out.data = a;
  }
  return attributes.intact();
}

bool Expressions::each(const std::function<void(const Expression&)>& visit) const {
  const auto show = [&](const Attribute& nest) {
    Expression expression;
    if (!parse(nest, expression)) return false;
    visit(expression);
    return true;
  };
  if (one_ && !show(*one_)) return false;
  if (!list_) return true;
  AttributeCursor elements(*list_);
  for (Attribute element; elements.next(element);) {
    if (element.type == NFTA_LIST_ELEM && !show(element)) return false;
  }
  return elements.intact();
}

bool parse(AttributeCursor attributes, Table& out) {
  for (Attribute a; attributes.next(a);) {
    if (a.type == NFTA_TABLE_NAME) out.name = a.text();
    if (a.type == NFTA_TABLE_HANDLE && !read(a, out.handle)) return false;
    if (a.type != NFTA_TABLE_FLAGS) continue;
    std::uint32_t flags = 0;
    if (!read(a, flags)) return false;
    out.dormant = (flags & kTableDormant) != 0;
  }
  return attributes.intact();
}

bool parse(AttributeCursor attributes, Chain& out) {
  for (Attribute a; attributes.next(a);) {
    switch (a.type) {
      case NFTA_CHAIN_TABLE:
        out.table = a.text();
        break;
      case NFTA_CHAIN_NAME:
        out.name = a.text();
        break;
      case NFTA_CHAIN_TYPE:
        out.type = a.text();
        break;
      case NFTA_CHAIN_HOOK:
        if (!parse_hook(a, out.hook.emplace())) return false;
        break;
      case NFTA_CHAIN_POLICY:
        if (!read(a, out.policy.emplace())) return false;
        break;
      case NFTA_CHAIN_USE:
        if (!read(a, out.use)) return false;
        break;
      case NFTA_CHAIN_HANDLE:
        if (!read(a, out.handle)) return false;
        break;
      case NFTA_CHAIN_COUNTERS:
        if (!parse_counters(a, out)) return false;
        break;
      default:
        break;
    }
  }
  return attributes.intact();
}

bool parse(AttributeCursor attributes, Rule& out) {
  for (Attribute a; attributes.next(a);) {
    switch (a.type) {
      case NFTA_RULE_TABLE:
        out.table = a.text();
        break;
      case NFTA_RULE_CHAIN:
        out.chain = a.text();
        break;
      case NFTA_RULE_HANDLE:
        if (!read(a, out.handle)) return false;
        break;
      case NFTA_RULE_POSITION:
        if (!read(a, out.before)) return false;
        break;
      case NFTA_RULE_EXPRESSIONS:
        out.expressions.set_list(a);
        break;
      case NFTA_RULE_USERDATA:
        out.user_data = {a.data, a.size};
        break;
      default:
        break;
    }
  }
  return attributes.intact();
}

bool parse(AttributeCursor attributes, Set& out) {
  for (Attribute a; attributes.next(a);) {
    if (a.type == NFTA_SET_TABLE) out.table = a.text();
    if (a.type == kSetExpression) out.expressions.set_one(a);
    if (a.type == kSetExpressions) out.expressions.set_list(a);
  }
  return attributes.intact();
}

bool parse(AttributeCursor attributes, Object& out) {
  for (Attribute a; attributes.next(a);) {
    if (a.type == NFTA_OBJ_TABLE) out.table = a.text();
    if (a.type == NFTA_OBJ_TYPE && !read(a, out.type)) return false;
  }
  return attributes.intact();
}

Expressions expressions_of_dynset(const Attribute& data) {
  Expressions expressions;
  AttributeCursor attributes(data);
  for (Attribute a; attributes.next(a);) {
    if (a.type == kDynsetExpression) expressions.set_one(a);
    if (a.type == kDynsetExpressions) expressions.set_list(a);
  }
  return expressions;
}

// nfnetlink.c: EINVAL for a subsystem that nobody registered, and for a message that it lacks.
bool is_absent(const Error& error) { return error.code == EINVAL || error.code == EOPNOTSUPP; }

std::uint16_t Reader::message_of(const Table& /*kind*/) { return NFT_MSG_GETTABLE; }
std::uint16_t Reader::message_of(const Chain& /*kind*/) { return NFT_MSG_GETCHAIN; }
std::uint16_t Reader::message_of(const Rule& /*kind*/) { return NFT_MSG_GETRULE; }
std::uint16_t Reader::message_of(const Set& /*kind*/) { return NFT_MSG_GETSET; }
std::uint16_t Reader::message_of(const Object& /*kind*/) { return NFT_MSG_GETOBJ; }

Result<void> Reader::walk(const List& list, const std::function<void()>& restart,
                          const std::function<void(std::uint8_t, AttributeCursor)>& each) {
  WalkRequest request;
  request.type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | list.message);
  request.family = list.family;
  if (!list.where.chain.empty()) {
    request.attributes = [&](MessageBuilder& message) {
      message.string(NFTA_RULE_TABLE, list.where.table);
      message.string(NFTA_RULE_CHAIN, list.where.chain);
    };
  }
  return nf::walk(socket_, request, cancel_, operation_, restart, each);
}

Error Reader::malformed() const { return fail(EBADMSG, operation_, "malformed message"); }

}  // namespace nf::nft
