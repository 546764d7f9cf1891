// The order of a rule, and its target.
#include "core/nftables/write_rule.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_NFQUEUE.h>

#include <algorithm>
#include <limits>

#include "core/nftables/write_head.h"
#include "core/nftables/write_match.h"

namespace nf::nft {
namespace {

using xt::kHeader;

// The verdict QUEUE is a jump to queue 0, which NFQUEUE says too.
void write_queue(ExpressionWriter& out) {
  constexpr std::uint8_t kRevision = 3;  // the newest, which iptables takes every payload for
  std::array<std::uint8_t, XT_ALIGN(sizeof(xt_NFQ_info_v3))> payload{};
  xt_NFQ_info_v3 queue{};
  queue.queues_total = 1;
  std::memcpy(payload.data(), &queue, sizeof queue);
  out.target("NFQUEUE", kRevision, payload);
}

void write_nflog(Bytes payload, ExpressionWriter& out) {
  xt_nflog_info info{};
  if (payload.size() == XT_ALIGN(sizeof info)) {
    std::memcpy(&info, payload.data(), sizeof info);
    const std::size_t length = ::strnlen(info.prefix, sizeof info.prefix);
    if (length < sizeof info.prefix && (info.flags & ~XT_NFLOG_MASK) == 0) {
      ExpressionWriter::Log log;
      log.group = info.group;
      log.threshold = info.threshold;
      log.prefix = {info.prefix, length};
      if ((info.flags & XT_NFLOG_F_COPY_LEN) != 0) log.size = info.len;
      out.log(log);
      return;
    }
  }
  out.target("NFLOG", 0, payload);
}

const char* write_target(const xt::Part& part, Bytes payload, bool is_goto, const IsChain& is_chain,
                         ExpressionWriter& out) {
  const std::string_view name = part.name;
  const bool standard = part.size == xt::kStandardSize && part.revision == 0;
  if (xt::is_verdict(name) || name.empty()) {
    if (!standard) return "a verdict has a wrong size";
    if (name == "ACCEPT") out.verdict(NF_ACCEPT);
    if (name == "DROP") out.verdict(NF_DROP);
    if (name == "RETURN") out.verdict(static_cast<std::uint32_t>(NFT_RETURN));
    if (name == "QUEUE") write_queue(out);
    return nullptr;
  }
  const bool empty =
      std::all_of(payload.begin(), payload.end(), [](auto byte) { return byte == 0; });
  if (standard && empty && is_chain(name)) {
    out.verdict(static_cast<std::uint32_t>(is_goto ? NFT_GOTO : NFT_JUMP), name);
    return nullptr;
  }
  // The kernel has a target of this name for the heads of chains. No rule can use it.
  if (name == XT_ERROR_TARGET) return "ERROR is not a target of rules";
  if (name == "NFLOG" && part.revision == 0) {
    write_nflog(payload, out);
  } else if (name == "TRACE" && part.revision == 0 && payload.empty()) {
    out.trace();
  } else {
    out.target(name, part.revision, payload);
  }
  return nullptr;
}

const char* write_expressions(const xt::Layout& layout, const std::uint8_t* entry,
                              const xt::EntryView& view, const Head& head,
                              const xt::Counters& counters, const IsChain& is_chain,
                              ExpressionWriter& out) {
  if (const char* why = write_head(head, out); why != nullptr) return why;
  const auto payload = [&](const xt::Part& part) {
    return Bytes(entry + part.offset + kHeader, part.size - kHeader);
  };
  MatchWriter matches(head.exact_protocol(), out);
  const char* why = nullptr;
  xt::for_each_match(layout, entry, view, [&](const xt::Part& part) {
    if (why == nullptr) why = matches.write(part, payload(part));
  });
  if (why != nullptr) return why;
  // Before the target: a target can end the rule.
  out.counter(counters);
  const xt::Part target = xt::target_of(view);
  return write_target(target, payload(target), head.is_goto, is_chain, out);
}

}  // namespace

const char* write_rule(const xt::Layout& layout, const std::uint8_t* entry, std::size_t size,
                       const xt::Counters& counters, const IsChain& is_chain, MessageBuilder& out) {
  xt::EntryView view;
  if (const char* why = xt::view_entry(layout, entry, size, view); why != nullptr) return why;
  if (view.size != size) return "an entry is shorter than its bytes";
  Head head;
  if (const char* why = read_head(layout, entry, head); why != nullptr) return why;

  const std::size_t before = out.size();
  const std::size_t nest = out.open_nest(NFTA_RULE_EXPRESSIONS);
  ExpressionWriter expressions(out);
  const char* why = write_expressions(layout, entry, view, head, counters, is_chain, expressions);
  if (why == nullptr && out.size() - nest > std::numeric_limits<std::uint16_t>::max()) {
    why = "a rule is too long for nf_tables";
  }
  if (why != nullptr) {
    out.rewind(before, out.count());
    return why;
  }
  out.close_nest(nest);
  // The kernel does not keep it. It compares it with what each match and target needs.
  const std::size_t compat = out.open_nest(NFTA_RULE_COMPAT);
  out.be32(NFTA_RULE_COMPAT_PROTO, head.protocol);
  out.be32(NFTA_RULE_COMPAT_FLAGS, head.inverted(IPT_INV_PROTO) ? NFT_RULE_COMPAT_F_INV : 0);
  out.close_nest(compat);
  return nullptr;
}

}  // namespace nf::nft
