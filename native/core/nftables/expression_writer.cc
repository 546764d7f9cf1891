// The attributes of each kind of expression.
#include "core/nftables/expression_writer.h"

#include <endian.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>

#include <array>

namespace nf::nft {
namespace {

// iptables uses this register for everything, and another one for the flag of a trace.
constexpr std::uint32_t kLoaded = NFT_REG_1;
constexpr std::uint32_t kFlag = NFT_REG32_01;

std::array<std::uint8_t, 2> big_endian(std::uint16_t value) {
  return {static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value & 0xff)};
}

}  // namespace

template <typename Fill>
void ExpressionWriter::nest(std::uint16_t type, const Fill& fill) {
  const std::size_t at = out_.open_nest(type);
  fill();
  out_.close_nest(at);
}

template <typename Fill>
void ExpressionWriter::expression(std::string_view name, const Fill& fill) {
  nest(NFTA_LIST_ELEM, [&] {
    out_.string(NFTA_EXPR_NAME, name);
    nest(NFTA_EXPR_DATA, fill);
  });
}

void ExpressionWriter::value(std::uint16_t type, Bytes bytes) {
  nest(type, [&] { out_.bytes(NFTA_DATA_VALUE, bytes.data(), bytes.size()); });
}

void ExpressionWriter::load_meta(std::uint32_t key) {
  expression("meta", [&] {
    out_.be32(NFTA_META_KEY, key);
    out_.be32(NFTA_META_DREG, kLoaded);
  });
}

void ExpressionWriter::load_packet(std::uint32_t header, std::size_t offset, std::size_t size) {
  expression("payload", [&] {
    out_.be32(NFTA_PAYLOAD_DREG, kLoaded);
    out_.be32(NFTA_PAYLOAD_BASE, header);
    out_.be32(NFTA_PAYLOAD_OFFSET, static_cast<std::uint32_t>(offset));
    out_.be32(NFTA_PAYLOAD_LEN, static_cast<std::uint32_t>(size));
  });
}

void ExpressionWriter::mask(Bytes mask) {
  constexpr std::array<std::uint8_t, NFT_REG_SIZE> nothing{};
  expression("bitwise", [&] {
    out_.be32(NFTA_BITWISE_SREG, kLoaded);
    out_.be32(NFTA_BITWISE_DREG, kLoaded);
    out_.be32(NFTA_BITWISE_LEN, static_cast<std::uint32_t>(mask.size()));
    value(NFTA_BITWISE_MASK, mask);
    value(NFTA_BITWISE_XOR, Bytes(nothing).first(mask.size()));
  });
}

void ExpressionWriter::compare(std::uint32_t operation, Bytes value) {
  expression("cmp", [&] {
    out_.be32(NFTA_CMP_SREG, kLoaded);
    out_.be32(NFTA_CMP_OP, operation);
    this->value(NFTA_CMP_DATA, value);
  });
}

void ExpressionWriter::compare_range(bool outside, std::uint16_t from, std::uint16_t to) {
  expression("range", [&] {
    out_.be32(NFTA_RANGE_SREG, kLoaded);
    out_.be32(NFTA_RANGE_OP, outside ? NFT_RANGE_NEQ : NFT_RANGE_EQ);
    value(NFTA_RANGE_FROM_DATA, big_endian(from));
    value(NFTA_RANGE_TO_DATA, big_endian(to));
  });
}

void ExpressionWriter::limit(std::uint64_t count, std::uint64_t seconds, std::uint32_t burst) {
  expression("limit", [&] {
    out_.be64(NFTA_LIMIT_RATE, count);
    out_.be64(NFTA_LIMIT_UNIT, seconds);
    out_.be32(NFTA_LIMIT_BURST, burst);
    out_.be32(NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
    out_.be32(NFTA_LIMIT_FLAGS, 0);
  });
}

void ExpressionWriter::counter(const xt::Counters& value) {
  expression("counter", [&] {
    out_.be64(NFTA_COUNTER_BYTES, value.bytes);
    out_.be64(NFTA_COUNTER_PACKETS, value.packets);
  });
}

void ExpressionWriter::match(std::string_view name, std::uint8_t revision, Bytes payload) {
  expression("match", [&] {
    out_.string(NFTA_MATCH_NAME, name);
    out_.be32(NFTA_MATCH_REV, revision);
    out_.bytes(NFTA_MATCH_INFO, payload.data(), payload.size());
  });
}

void ExpressionWriter::target(std::string_view name, std::uint8_t revision, Bytes payload) {
  expression("target", [&] {
    out_.string(NFTA_TARGET_NAME, name);
    out_.be32(NFTA_TARGET_REV, revision);
    out_.bytes(NFTA_TARGET_INFO, payload.data(), payload.size());
  });
}

void ExpressionWriter::log(const Log& log) {
  expression("log", [&] {
    if (!log.prefix.empty()) out_.string(NFTA_LOG_PREFIX, log.prefix);
    out_.be16(NFTA_LOG_GROUP, log.group);
    if (log.size) out_.be32(NFTA_LOG_SNAPLEN, *log.size);
    if (log.threshold != 0) out_.be16(NFTA_LOG_QTHRESHOLD, log.threshold);
  });
}

void ExpressionWriter::trace() {
  constexpr std::array<std::uint8_t, 1> on{1};
  expression("immediate", [&] {
    out_.be32(NFTA_IMMEDIATE_DREG, kFlag);
    value(NFTA_IMMEDIATE_DATA, on);
  });
  expression("meta", [&] {
    out_.be32(NFTA_META_KEY, NFT_META_NFTRACE);
    out_.be32(NFTA_META_SREG, kFlag);
  });
}

void ExpressionWriter::verdict(std::uint32_t code, std::string_view chain) {
  expression("immediate", [&] {
    out_.be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    nest(NFTA_IMMEDIATE_DATA, [&] {
      nest(NFTA_DATA_VERDICT, [&] {
        out_.be32(NFTA_VERDICT_CODE, code);
        if (!chain.empty()) out_.string(NFTA_VERDICT_CHAIN, chain);
      });
    });
  });
}

}  // namespace nf::nft
