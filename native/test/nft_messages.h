// Rules, chains and tables of nf_tables as the kernel sends them, attribute by attribute. Unlike
// write_rule it can also make what iptables would never write.
#pragma once

#include <net/if.h>

#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/netlink/message.h"

namespace nf::test {

using NftBytes = std::vector<std::uint8_t>;
using FillNest = std::function<void(MessageBuilder&)>;

inline void put_nest(MessageBuilder& out, int type, const FillNest& fill) {
  const std::size_t at = out.open_nest(static_cast<std::uint16_t>(type));
  fill(out);
  out.close_nest(at);
}
inline void put_value(MessageBuilder& out, int type, const NftBytes& bytes) {
  put_nest(out, type,
           [&](MessageBuilder& data) { data.bytes(NFTA_DATA_VALUE, bytes.data(), bytes.size()); });
}
inline void put_be64(MessageBuilder& out, int type, std::uint64_t value) {
  value = htobe64(value);
  out.bytes(static_cast<std::uint16_t>(type), &value, sizeof value);
}
inline NftBytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }
inline NftBytes bytes_of(const MessageBuilder& out) {
  return {out.data(), out.data() + out.size()};
}

// The expressions of one rule. Everything uses the register 1 unless it is told otherwise.
class RuleMaker {
 public:
  RuleMaker& add(std::string_view name, const FillNest& fill = {}) {
    put_nest(out_, NFTA_LIST_ELEM, [&](MessageBuilder& out) {
      out.string(NFTA_EXPR_NAME, name);
      if (fill) put_nest(out, NFTA_EXPR_DATA, fill);
    });
    return *this;
  }
  RuleMaker& meta(std::uint32_t key, std::uint32_t reg = NFT_REG_1) {
    return add("meta", [=](MessageBuilder& out) {
      out.be32(NFTA_META_KEY, key);
      out.be32(NFTA_META_DREG, reg);
    });
  }
  RuleMaker& load(std::uint32_t base, std::uint32_t offset, std::uint32_t size,
                  std::uint32_t reg = NFT_REG_1) {
    return add("payload", [=](MessageBuilder& out) {
      out.be32(NFTA_PAYLOAD_DREG, reg);
      out.be32(NFTA_PAYLOAD_BASE, base);
      out.be32(NFTA_PAYLOAD_OFFSET, offset);
      out.be32(NFTA_PAYLOAD_LEN, size);
    });
  }
  RuleMaker& network(std::uint32_t offset, std::uint32_t size) {
    return load(NFT_PAYLOAD_NETWORK_HEADER, offset, size);
  }
  RuleMaker& transport(std::uint32_t offset, std::uint32_t size) {
    return load(NFT_PAYLOAD_TRANSPORT_HEADER, offset, size);
  }
  // `flip`: the other operand; empty for zeros.
  RuleMaker& mask(const NftBytes& mask, NftBytes flip = {}, std::uint32_t from = NFT_REG_1,
                  std::uint32_t to = NFT_REG_1) {
    flip.resize(mask.size());
    return add("bitwise", [&](MessageBuilder& out) {
      out.be32(NFTA_BITWISE_SREG, from);
      out.be32(NFTA_BITWISE_DREG, to);
      out.be32(NFTA_BITWISE_LEN, static_cast<std::uint32_t>(mask.size()));
      put_value(out, NFTA_BITWISE_MASK, mask);
      put_value(out, NFTA_BITWISE_XOR, flip);
    });
  }
  RuleMaker& compare(std::uint32_t operation, const NftBytes& value,
                     std::uint32_t reg = NFT_REG_1) {
    return add("cmp", [&](MessageBuilder& out) {
      out.be32(NFTA_CMP_SREG, reg);
      out.be32(NFTA_CMP_OP, operation);
      put_value(out, NFTA_CMP_DATA, value);
    });
  }
  RuleMaker& equal(const NftBytes& value) { return compare(NFT_CMP_EQ, value); }
  RuleMaker& unequal(const NftBytes& value) { return compare(NFT_CMP_NEQ, value); }
  RuleMaker& range(std::uint32_t operation, const NftBytes& from, const NftBytes& to) {
    return add("range", [&](MessageBuilder& out) {
      out.be32(NFTA_RANGE_SREG, NFT_REG_1);
      out.be32(NFTA_RANGE_OP, operation);
      put_value(out, NFTA_RANGE_FROM_DATA, from);
      put_value(out, NFTA_RANGE_TO_DATA, to);
    });
  }
  RuleMaker& protocol(std::uint8_t number) { return meta(NFT_META_L4PROTO).equal({number}); }
  RuleMaker& counter(std::uint64_t packets = 3, std::uint64_t bytes = 4) {
    return add("counter", [=](MessageBuilder& out) {
      put_be64(out, NFTA_COUNTER_BYTES, bytes);
      put_be64(out, NFTA_COUNTER_PACKETS, packets);
    });
  }
  RuleMaker& limit(std::uint64_t rate, std::uint64_t unit, std::uint32_t burst,
                   std::uint32_t type = NFT_LIMIT_PKTS, std::uint32_t flags = 0) {
    return add("limit", [=](MessageBuilder& out) {
      put_be64(out, NFTA_LIMIT_RATE, rate);
      put_be64(out, NFTA_LIMIT_UNIT, unit);
      out.be32(NFTA_LIMIT_BURST, burst);
      out.be32(NFTA_LIMIT_TYPE, type);
      out.be32(NFTA_LIMIT_FLAGS, flags);
    });
  }
  // `kind` is "match" or "target": both have the same numbers.
  RuleMaker& extension(std::string_view kind, std::string_view name, std::uint32_t revision,
                       const NftBytes& info) {
    return add(kind, [&](MessageBuilder& out) {
      out.string(NFTA_MATCH_NAME, name);
      out.be32(NFTA_MATCH_REV, revision);
      out.bytes(NFTA_MATCH_INFO, info.data(), info.size());
    });
  }
  RuleMaker& match(std::string_view name, std::uint32_t revision, const NftBytes& info) {
    return extension("match", name, revision, info);
  }
  RuleMaker& target(std::string_view name, std::uint32_t revision, const NftBytes& info) {
    return extension("target", name, revision, info);
  }
  RuleMaker& verdict(int code, std::string_view chain = {}, std::uint32_t reg = NFT_REG_VERDICT) {
    return add("immediate", [=](MessageBuilder& out) {
      out.be32(NFTA_IMMEDIATE_DREG, reg);
      put_nest(out, NFTA_IMMEDIATE_DATA, [=](MessageBuilder& data) {
        put_nest(data, NFTA_DATA_VERDICT, [=](MessageBuilder& nest) {
          nest.be32(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
          if (!chain.empty()) nest.string(NFTA_VERDICT_CHAIN, chain);
        });
      });
    });
  }
  RuleMaker& immediate(const NftBytes& value, std::uint32_t reg = NFT_REG32_01) {
    return add("immediate", [&](MessageBuilder& out) {
      out.be32(NFTA_IMMEDIATE_DREG, reg);
      put_value(out, NFTA_IMMEDIATE_DATA, value);
    });
  }
  RuleMaker& set_meta(std::uint32_t key, std::uint32_t reg = NFT_REG32_01) {
    return add("meta", [=](MessageBuilder& out) {
      out.be32(NFTA_META_KEY, key);
      out.be32(NFTA_META_SREG, reg);
    });
  }
  RuleMaker& log(std::uint16_t group, std::string_view prefix = {}, const FillNest& more = {}) {
    return add("log", [&](MessageBuilder& out) {
      if (!prefix.empty()) out.string(NFTA_LOG_PREFIX, prefix);
      out.be16(NFTA_LOG_GROUP, group);
      if (more) more(out);
    });
  }
  // Bytes that need not be an expression.
  RuleMaker& raw(const NftBytes& bytes) {
    out_.raw(bytes);
    return *this;
  }

  NftBytes list() const { return bytes_of(out_); }

 private:
  MessageBuilder out_;
};

// The attributes of a rule.
struct RuleMessage {
  std::string_view table = "filter";
  std::string_view chain = "INPUT";
  std::uint64_t handle = 7;
  NftBytes user_data;

  NftBytes operator()(const NftBytes& list) const {
    MessageBuilder out;
    out.string(NFTA_RULE_TABLE, table);
    out.string(NFTA_RULE_CHAIN, chain);
    put_be64(out, NFTA_RULE_HANDLE, handle);
    out.bytes(NFTA_RULE_EXPRESSIONS | NLA_F_NESTED, list.data(), list.size());
    if (!user_data.empty()) out.bytes(NFTA_RULE_USERDATA, user_data.data(), user_data.size());
    return bytes_of(out);
  }
};

// What programs of nf_tables keep as a comment.
inline NftBytes user_comment(std::string_view text) {
  NftBytes bytes{0, static_cast<std::uint8_t>(text.size() + 1)};
  bytes.insert(bytes.end(), text.begin(), text.end());
  bytes.push_back(0);
  return bytes;
}

}  // namespace nf::test
