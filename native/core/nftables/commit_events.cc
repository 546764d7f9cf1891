// Gathering messages to commits. Kernel behaviour: net/netfilter/nf_tables_api.c (nf_tables_commit,
// nf_tables_rule_notify, nf_tables_gen_notify). Commits never mix. The message with the new
// generation ends each.
#include "core/nftables/commit_events.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <cstring>

#include "core/xtables/image.h"

namespace nf::nft {
namespace {

// linux/netfilter/nf_tables.h; headers before 6.3 lack them.
constexpr std::uint16_t kDestroyTable = 26;  // NFT_MSG_DESTROYTABLE
constexpr std::uint16_t kDestroyChain = 27;  // NFT_MSG_DESTROYCHAIN
constexpr std::uint16_t kDestroyRule = 28;   // NFT_MSG_DESTROYRULE

struct Generation {
  std::optional<std::uint32_t> id;
  std::optional<std::uint32_t> pid;
  std::string_view name;
};

std::optional<Generation> read_generation_message(AttributeCursor attributes) {
  Generation found;
  for (Attribute a; attributes.next(a);) {
    if (a.type == NFTA_GEN_PROC_NAME) found.name = a.text();
    if (a.type != NFTA_GEN_ID && a.type != NFTA_GEN_PROC_PID) continue;
    if (a.size < sizeof(std::uint32_t)) return std::nullopt;
    (a.type == NFTA_GEN_ID ? found.id : found.pid) = a.be32();
  }
  if (!attributes.intact() || !found.id) return std::nullopt;
  return found;
}

}  // namespace

CommitReader::CommitReader(const xt::Layout& layout, const std::vector<const BuiltinTable*>& tables)
    : layout_(layout) {
  for (const BuiltinTable* builtin : tables) tables_.push_back({builtin, RuleList(layout), {}});
}

bool CommitReader::add(const MessageView& message) {
  if (message.header->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES) return false;
  constexpr std::size_t skip = align4(sizeof(nfgenmsg));
  if (message.size < skip) {
    lose();
    return false;
  }
  nfgenmsg generic{};
  std::memcpy(&generic, message.payload, sizeof generic);
  const AttributeCursor attributes(message.payload + skip, message.size - skip);
  const std::uint16_t verb = message.header->nlmsg_type & 0xff;
  if (verb == NFT_MSG_NEWGEN) return end(attributes);
  if (lost_ || generic.nfgen_family != static_cast<std::uint8_t>(layout_.family)) return false;
  if (!add_event(verb, message.header->nlmsg_flags, attributes)) lose();
  return false;
}

void CommitReader::lose() {
  lost_ = true;
  last_.reset();
  clear();
}

void CommitReader::clear() {
  for (TableEvents& table : tables_) {
    table.rules.clear();
    table.events.clear();
  }
}

// False if the message is malformed, or if there is too much.
bool CommitReader::add_event(std::uint16_t verb, std::uint16_t flags, AttributeCursor attributes) {
  switch (verb) {
    case NFT_MSG_NEWTABLE:
      return add_table(NftEventKind::kTableAdded, attributes);
    case NFT_MSG_DELTABLE:
    case kDestroyTable:
      return add_table(NftEventKind::kTableDeleted, attributes);
    case NFT_MSG_NEWCHAIN:
      return add_chain(NftEventKind::kChainSet, attributes);
    case NFT_MSG_DELCHAIN:
    case kDestroyChain:
      return add_chain(NftEventKind::kChainDeleted, attributes);
    case NFT_MSG_NEWRULE:
      return add_rule(NftEventKind::kRuleAdded, flags, attributes);
    case NFT_MSG_DELRULE:
    case kDestroyRule:
      return add_rule(NftEventKind::kRuleDeleted, flags, attributes);
    default:
      return true;
  }
}

CommitReader::TableEvents* CommitReader::events_of(std::string_view table) {
  for (TableEvents& one : tables_) {
    if (one.builtin->name == table) return &one;
  }
  return nullptr;
}

bool CommitReader::add_table(NftEventKind kind, AttributeCursor attributes) {
  Table table;
  if (!parse(attributes, table)) return false;
  TableEvents* events = events_of(table.name);
  if (events == nullptr) return true;
  NftEvent event{};
  event.kind = static_cast<std::uint32_t>(kind);
  events->events.push_back(event);
  return true;
}

bool CommitReader::add_chain(NftEventKind kind, AttributeCursor attributes) {
  Chain chain;
  if (!parse(attributes, chain)) return false;
  TableEvents* events = events_of(chain.table);
  if (events == nullptr) return true;
  NftEvent event{};
  event.kind = static_cast<std::uint32_t>(kind);
  event.handle = chain.handle;
  event.chain = events->rules.keep(chain.name);
  event.type = events->rules.keep(chain.type);
  event.hook = chain.hook ? chain.hook->number + 1 : 0;
  event.priority = chain.hook ? chain.hook->priority : 0;
  if (chain.policy == NF_DROP) event.flags |= kNftEventDrops;
  if (!is_iptables_chain(*events->builtin, chain)) event.flags |= kNftEventForeign;
  events->events.push_back(event);
  return true;
}

bool CommitReader::add_rule(NftEventKind kind, std::uint16_t flags, AttributeCursor attributes) {
  Rule rule;
  if (!parse(attributes, rule)) return false;
  TableEvents* events = events_of(rule.table);
  if (events == nullptr) return true;
  NftEvent event{};
  event.kind = static_cast<std::uint32_t>(kind);
  event.handle = rule.handle;
  event.before = rule.before;
  event.chain = events->rules.keep(rule.chain);
  if ((flags & NLM_F_APPEND) != 0) event.flags |= kNftEventAppends;
  if (!rule.expressions.list().empty()) event.flags |= kNftEventHasRule;
  event.rule = events->rules.add(rule, *events->builtin);
  events->events.push_back(event);
  return events->rules.bytes() <= kMostBytes;
}

bool CommitReader::follows(std::uint32_t generation) const {
  if (!last_) return true;
  // The kernel leaves out 0.
  const std::uint32_t next = *last_ + 1 == 0 ? 1 : *last_ + 1;
  return generation == next;
}

bool CommitReader::end(AttributeCursor attributes) {
  const auto generation = read_generation_message(attributes);
  ended_ = Commit();
  if (!generation || !follows(*generation->id)) lost_ = true;
  if (generation) ended_.generation = *generation->id;
  if (generation && generation->pid) {
    ended_.process = CommitProcess{*generation->pid, std::string(generation->name)};
  }
  for (TableEvents& table : tables_) {
    if (lost_ || table.events.empty()) continue;
    if (!write(table, ended_.generation)) lost_ = true;
  }
  ended_.lost = lost_;
  if (lost_) ended_.images.clear();
  clear();
  lost_ = false;
  last_.reset();
  if (generation) last_ = generation->id;
  return ended_.lost || !ended_.images.empty();
}

// False if there is no memory, or a set could not be named.
bool CommitReader::write(TableEvents& table, std::uint32_t generation) {
  RuleList& rules = table.rules;
  NftImage image;
  if (!rules.begin(image.memory, rules.count())) return false;
  xt::ImageWriter writer(layout_, image.memory);
  if (!writer.begin({rules.entries_end(), 0, rules.count()})) return false;
  for (std::size_t i = 0; i < rules.count(); i++) {
    rules.write(writer, static_cast<std::uint32_t>(i));
  }
  const std::size_t rules_size = rules.count() * sizeof(NftRule);
  const std::size_t events_size = table.events.size() * sizeof(NftEvent);
  const auto tail = rules.tail();
  auto header = writer.finish(std::string(table.builtin->name),
                              sizeof(NftHeader) + rules_size + events_size + tail.size());
  if (!header) return false;
  header->registered = 1;
  NftHeader own{};
  own.generation = generation;
  own.rules = static_cast<std::uint32_t>(header->own + sizeof own);
  own.events = static_cast<std::uint32_t>(own.rules + rules_size);
  own.event_count = static_cast<std::uint32_t>(table.events.size());
  const auto bytes = static_cast<std::uint32_t>(own.events + events_size);
  own.foreign_chains = own.handles = own.events;
  for (NftEvent& event : table.events) {
    event.chain.at += bytes;
    event.type.at += bytes;
  }
  std::uint8_t* memory = image.memory.data();
  std::memcpy(memory, &*header, sizeof *header);
  std::memcpy(memory + header->own, &own, sizeof own);
  rules.write_records(memory + own.rules, bytes);
  std::memcpy(memory + own.events, table.events.data(), events_size);
  if (!tail.empty()) std::memcpy(memory + bytes, tail.data(), tail.size());
  image.size = header->size;
  ended_.images.push_back(std::move(image));
  return true;
}

}  // namespace nf::nft
