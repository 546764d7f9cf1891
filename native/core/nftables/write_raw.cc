// Copies the expressions of a rule.
#include "core/nftables/write_raw.h"

#include <linux/netfilter/nf_tables.h>

#include <limits>
#include <optional>
#include <utility>

#include "core/nftables/expression_writer.h"
#include "core/nftables/expressions.h"
#include "core/nftables/objects.h"

namespace nf::nft {
namespace {

struct Protocol {
  std::uint32_t number = 0;
  bool inverted = false;
};

// The kernel does not give back what NFTA_RULE_COMPAT said. It wants to know which protocol the
// matches of x_tables can rely on: the one that the rule compares with.
class ProtocolFinder {
 public:
  void see(const Expression& expression) {
    const std::uint32_t loaded = std::exchange(loaded_, 0);
    if (expression.name == "meta") {
      const MetaNest nest(expression.data);
      if (nest.be32(NFTA_META_KEY) == NFT_META_L4PROTO) {
        loaded_ = nest.be32(NFTA_META_DREG).value_or(0);
      }
    } else if (expression.name == "cmp" && loaded != 0 && !found_) {
      const CompareNest nest(expression.data);
      const auto value = nest.value(NFTA_CMP_DATA);
      if (nest.be32(NFTA_CMP_SREG) != loaded || !value || value->size() != 1) return;
      found_ = Protocol{(*value)[0], nest.be32(NFTA_CMP_OP) == NFT_CMP_NEQ};
    }
  }
  const std::optional<Protocol>& found() const { return found_; }

 private:
  std::uint32_t loaded_ = 0;  // the register that has the protocol; 0: none
  std::optional<Protocol> found_;
};

}  // namespace

const char* write_raw(std::span<const std::uint8_t> expressions,
                      std::span<const std::uint8_t> user_data,
                      const std::optional<xt::Counters>& counters, MessageBuilder& out) {
  constexpr const char* kMalformed = "malformed expressions";
  constexpr std::size_t kMost = std::numeric_limits<std::uint16_t>::max() - kAttributeHeader;
  if (expressions.size() > kMost || user_data.size() > kMost) return kMalformed;
  const std::size_t before = out.size();
  const std::size_t nest = out.open_nest(NFTA_RULE_EXPRESSIONS);
  ExpressionWriter writer(out);
  ProtocolFinder protocol;
  AttributeCursor elements(expressions.data(), expressions.size());
  bool intact = true;
  for (Attribute element; elements.next(element);) {
    Expression expression;
    intact = intact && parse(element, expression);
    if (!intact) break;
    protocol.see(expression);
    if (counters && expression.name == "counter") {
      writer.counter(*counters);
    } else {
      out.bytes(static_cast<std::uint16_t>(NFTA_LIST_ELEM | NLA_F_NESTED), element.data,
                element.size);
    }
  }
  if (!intact || !elements.intact()) {
    out.rewind(before, out.count());
    return kMalformed;
  }
  out.close_nest(nest);
  if (const auto& found = protocol.found()) {
    const std::size_t compat = out.open_nest(NFTA_RULE_COMPAT);
    out.be32(NFTA_RULE_COMPAT_PROTO, found->number);
    out.be32(NFTA_RULE_COMPAT_FLAGS, found->inverted ? NFT_RULE_COMPAT_F_INV : 0);
    out.close_nest(compat);
  }
  if (!user_data.empty()) out.bytes(NFTA_RULE_USERDATA, user_data.data(), user_data.size());
  return nullptr;
}

}  // namespace nf::nft
