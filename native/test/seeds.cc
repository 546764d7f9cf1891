// Writes what the fuzzers begin with: whole messages, so that they need not find out what a tuple
// is. Usage: seeds FOLDER
#include <filesystem>
#include <fstream>

#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_limit.h>

#include "core/nftables/transaction.h"
#include "test/commit_messages.h"
#include "test/messages.h"
#include "test/nft_messages.h"
#include "test/nft_rules.h"
#include "test/tables.h"

namespace nf::test {
namespace {

template <typename Bytes>
void write(const std::filesystem::path& path, const Bytes& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

std::vector<FlowMessage> messages() {
  std::vector<FlowMessage> all;
  all.push_back(tcp_flow());
  all.push_back(tcp_flow(AF_INET6));
  FlowMessage rare;
  rare.tuple(CTA_TUPLE_ORIG, IPPROTO_UDP, endpoint4(2, 1, 2), 11);
  rare.tuple(CTA_TUPLE_REPLY, IPPROTO_UDP, reversed(endpoint4(2, 1, 2)), 12);
  rare.tuple(CTA_TUPLE_MASTER, IPPROTO_TCP, endpoint4(2, 3, 4));
  const std::uint8_t labels[16] = {0xff, 1};
  rare.builder.bytes(CTA_LABELS, labels, sizeof labels);
  const auto help = rare.builder.open_nest(CTA_HELP);
  rare.builder.string(CTA_HELP_NAME, "ftp");
  rare.builder.close_nest(help);
  const auto info = rare.builder.open_nest(CTA_PROTOINFO);
  const auto sctp = rare.builder.open_nest(CTA_PROTOINFO_SCTP);
  rare.builder.u8(CTA_PROTOINFO_SCTP_STATE, 4);
  rare.builder.close_nest(sctp);
  rare.builder.close_nest(info);
  rare.be64(27, 1);
  all.push_back(std::move(rare));
  FlowMessage icmp;
  icmp.tuples(IPPROTO_ICMP, endpoint4(2, 1, 0x800));
  all.push_back(std::move(icmp));
  return all;
}

// An NLMSG_ERROR with the kernel's text, and the datagram of all messages.
std::vector<std::uint8_t> refusal() {
  MessageBuilder tlvs;
  tlvs.string(NLMSGERR_ATTR_MSG, "no");
  std::vector<std::uint8_t> bytes(NLMSG_HDRLEN + sizeof(nlmsgerr));
  bytes.insert(bytes.end(), tlvs.data(), tlvs.data() + tlvs.size());
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(bytes.size());
  header.nlmsg_type = NLMSG_ERROR;
  header.nlmsg_flags = NLM_F_ACK_TLVS | NLM_F_CAPPED;
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

void write_all(const std::filesystem::path& folder) {
  int number = 0;
  for (auto& message : messages()) {
    const auto payload = message.payload();
    write(folder / "fuzz_parse" / std::to_string(number), payload);
    const std::vector<std::uint8_t> whole(message.builder.data(),
                                          message.builder.data() + message.builder.size());
    write(folder / "fuzz_datagram" / std::to_string(number), whole);
    number++;
  }
  write(folder / "fuzz_datagram" / "refusal", refusal());
  // Words: family ipv4, one protocol, two ports, a range of addresses and a mask, a status.
  const std::uint32_t words[] = {0, 2, 1, 1, 6, 3, 1, 2, 80, 80, 443, 443, 2, 0, 1, 0,
                                 1, 9, 9, 2, 5, 0, 0, 0, 7,  0,  0,   0,   8, 4, 0, 0};
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(words);
  write(folder / "fuzz_filter" / "words", std::vector<std::uint8_t>(bytes, bytes + sizeof words));
  // Fields {size, number, payload}: family, protocol, addresses, ports, timeout.
  const std::uint8_t fields[] = {1, 0,  0, 0, 2, 0, 0, 0, 1, 0,  1, 0, 6,  0, 0,  0, 4, 0, 2,
                                 0, 10, 0, 0, 1, 4, 0, 3, 0, 10, 0, 0, 2,  2, 0,  4, 0, 1, 0,
                                 0, 0,  2, 0, 5, 0, 2, 0, 0, 0,  4, 0, 16, 0, 60, 0, 0, 0};
  write(folder / "fuzz_flow" / "fields", std::vector<std::uint8_t>(fields, fields + sizeof fields));
}

// A table of each family, and plans on it.
void write_tables(const std::filesystem::path& folder) {
  for (const Layout* layout : {&kIpv4, &kIpv6}) {
    const bool ipv6 = layout->family != AF_INET;
    const std::string name = ipv6 ? "ipv6" : "ipv4";
    const Blob blob = make_blob(*layout);
    std::vector<std::uint8_t> table(1 + sizeof blob.info);
    table[0] = ipv6 ? 1 : 0;
    std::memcpy(&table[1], &blob.info, sizeof blob.info);
    table.insert(table.end(), blob.bytes.begin(), blob.bytes.end());
    write(folder / "fuzz_table" / name, table);
    write(folder / "fuzz_adopt" / name, std::vector<std::uint8_t>{table[0], 0, 0, 0});
    PlanBuilder plan(*layout, "filter", {});
    plan.chain("INPUT", NF_INET_LOCAL_IN + 1, kPolicyAccept).keep(1, 1, true);
    plan.add(entry(*layout, 5, "CHAIN", {1, 2}, "new"), 0).keep(0, 1);
    plan.chain("CHAIN").keep(2, 1);
    plan.chain("OTHER").add(entry(*layout, 0, "RETURN"));
    write(folder / "fuzz_plan" / name, plan.bytes());
  }
  write(folder / "fuzz_diff" / "some", std::vector<std::uint8_t>{2, 5, 3, 0x81, 120, 4, 60, 0x80});
}

// Rules with every match and target that nf_tables says in its own words, behind a packet.
void write_rules(const std::filesystem::path& folder) {
  xt_tcp tcp{};
  tcp.spts[1] = 0xffff;
  tcp.dpts[0] = tcp.dpts[1] = 80;
  xt_udp udp{};
  udp.spts[0] = udp.spts[1] = 53;
  udp.dpts[0] = udp.dpts[1] = 99;
  udp.invflags = XT_UDP_INV_MASK;
  xt_mark_mtinfo1 mark{};
  mark.mark = mark.mask = 7;
  xt_rateinfo limit{};
  limit.avg = XT_LIMIT_SCALE;
  limit.burst = 5;
  xt_nflog_info log{};
  log.group = 3;
  const std::vector<std::pair<std::uint8_t, std::vector<RulePart>>> rules = {
      {0, {standard("")}},
      {IPPROTO_TCP, {part_of("tcp", 0, tcp), standard("ACCEPT")}},
      {IPPROTO_UDP, {part_of("udp", 0, udp), part_of("udp", 0, udp), standard("CHAIN")}},
      {0, {part_of("mark", 1, mark), part_of("limit", 0, limit), part_of("NFLOG", 0, log)}},
      {0, {{"comment", 0, Bytes(256)}, {"TRACE", 0, {}}}},
  };
  int number = 0;
  for (const Layout* layout : {&kIpv4, &kIpv6}) {
    for (const auto& [protocol, parts] : rules) {
      const std::vector<RulePart> matches(parts.begin(), parts.end() - 1);
      RuleBytes rule = rule_entry(*layout, matches, parts.back());
      const HeadAt at = head_at(*layout);
      rule[at.protocol] = protocol;
      std::memcpy(&rule[at.in], "eth0", 5);
      std::memset(&rule[at.in_mask], 0xff, 5);
      std::memcpy(&rule[at.out], "ppp+", 5);
      std::memset(&rule[at.out_mask], 0xff, 3);
      rule[at.source] = 10;
      rule[at.source_mask] = 0xff;
      rule[at.destination] = 0xf0;
      rule[at.destination_mask] = 0xf0;
      if (layout->family == AF_INET6 && protocol != 0) rule[at.flags] = IP6T_F_PROTO;
      Bytes input(102);
      input[0] = layout->family == AF_INET6 ? 1 : 0;
      input[1] = 0x1f;
      input.insert(input.end(), rule.begin(), rule.end());
      write(folder / "fuzz_nft_write" / std::to_string(number++), input);
    }
  }
}

// Rules as the kernel sends them, with every expression that iptables has, behind a packet.
void write_read_rules(const std::filesystem::path& folder) {
  const NftBytes device{'e', 't', 'h', '0', 0};
  std::vector<RuleMaker> rules(8);
  rules[0].counter().verdict(NF_ACCEPT);
  rules[1].meta(NFT_META_IIFNAME).equal(device).meta(NFT_META_OIFNAME).unequal({'p', 'p'});
  rules[1].network(9, 1).equal({IPPROTO_TCP}).network(12, 1).equal({10});
  rules[1].network(16, 4).mask({0xff, 0xf0, 0, 0}).unequal({10, 16, 0, 0});
  rules[1].counter().verdict(NFT_JUMP, "CHAIN");
  rules[2].protocol(IPPROTO_TCP).transport(13, 1).mask({0x17}).equal({2});
  rules[2].transport(0, 4).equal({0, 80, 0, 99}).counter().verdict(NFT_GOTO, "OTHER");
  rules[3].protocol(IPPROTO_UDP).transport(0, 2).compare(NFT_CMP_LTE, {0, 80});
  rules[3].transport(2, 2).range(NFT_RANGE_NEQ, {0, 7}, {1, 7}).counter().log(3, "prefix");
  rules[4].meta(NFT_META_MARK).mask({7, 0, 0, 0}).equal({3, 0, 0, 0}).limit(7, 60, 5);
  rules[4].counter().immediate({1}).set_meta(NFT_META_NFTRACE);
  rules[5].protocol(IPPROTO_ICMP).transport(0, 2).equal({8, 0}).meta(NFT_META_PKTTYPE);
  rules[5].equal({0}).match("comment", 0, NftBytes(256, 'c')).counter();
  rules[6].meta(NFT_META_IIFNAME).network(8, 16).equal(NftBytes(16, 9)).protocol(IPPROTO_ICMPV6);
  rules[6].transport(0, 1).unequal({128}).counter().target("MARK", 2, NftBytes(8));
  rules[7].network(6, 2).mask({0x1f, 0xff}).unequal({0, 0}).add("ct").counter();
  int number = 0;
  for (const RuleMaker& rule : rules) {
    for (const std::uint8_t family : {0, 1}) {
      NftBytes input(102);
      input[0] = family;
      input[1] = 0x1f;
      RuleMessage message;
      if (number % 4 == 0) message.user_data = user_comment("said");
      const NftBytes attributes = message(rule.list());
      input.insert(input.end(), attributes.begin(), attributes.end());
      write(folder / "fuzz_nft_read" / std::to_string(number++), input);
    }
  }
  // In the other form: tcp, a port, a counter, an end.
  for (const std::uint8_t family : {2, 3}) {
    NftBytes input(102);
    input[0] = family;
    input[1] = 0x1f;
    for (const int byte :
         {0, 0, 0, 6, 1, 0, 0, 9, 1, 0, 2, 1, 1, 6, 1, 0, 0, 80, 10, 1, 1, 12, 0}) {
      input.push_back(static_cast<std::uint8_t>(byte));
    }
    write(folder / "fuzz_nft_read" / std::to_string(number++), input);
  }
}

// Scripts with a step of each kind.
void write_scripts(const std::filesystem::path& folder) {
  using nft::ScriptHeader;
  using nft::ScriptStep;
  for (const Layout* layout : {&kIpv4, &kIpv6}) {
    const RuleBytes entry = rule_entry(*layout, {}, standard("CHAIN"));
    const NftBytes list = RuleMaker().protocol(IPPROTO_TCP).add("ct").counter().list();
    const std::string names("CHAIN\0INPUT\0", 12);
    constexpr std::uint32_t kSteps = 10;
    const auto tail =
        static_cast<std::uint32_t>(sizeof(ScriptHeader) + kSteps * sizeof(ScriptStep));
    const auto size = [](const auto& bytes) { return static_cast<std::uint32_t>(bytes.size()); };
    const nft::Slice all{tail, size(names)};
    const nft::Slice entries{all.at + all.size, size(entry)};
    const nft::Slice expressions{entries.at + entries.size, size(list)};
    ScriptHeader header{};
    header.magic = nft::kScriptMagic;
    header.family = static_cast<std::uint32_t>(layout->family);
    header.count = kSteps;
    std::memcpy(header.table, "filter", 7);
    header.chains = all;
    NftBytes script(tail);
    std::memcpy(script.data(), &header, sizeof header);
    for (std::uint32_t kind = 0; kind < kSteps; kind++) {
      ScriptStep step{};
      step.kind = kind;
      step.how = kind % 3;
      step.handle = 9;
      step.chain = kind == 1 ? nft::Slice{tail + 6, 5} : nft::Slice{tail, 5};
      step.name = {tail + 6, 5};
      if (kind == 8) step.content = entries;
      if (kind == 9) step.content = expressions;
      step.policy = kind % 3;
      step.has_counters = kind % 2;
      std::memcpy(&script[sizeof header + kind * sizeof step], &step, sizeof step);
    }
    script.insert(script.end(), names.begin(), names.end());
    script.insert(script.end(), entry.begin(), entry.end());
    script.insert(script.end(), list.begin(), list.end());
    write(folder / "fuzz_nft_script" / (layout->family == AF_INET ? "ipv4" : "ipv6"), script);
  }
}

// Commits with a message of each kind.
void write_commits(const std::filesystem::path& folder) {
  const RuleMaker rule = RuleMaker().protocol(IPPROTO_TCP).counter().verdict(NF_ACCEPT);
  const NftBytes messages[] = {
      table_message(NFT_MSG_NEWTABLE),
      chain_message(NFT_MSG_NEWCHAIN, "INPUT", 1, NF_INET_LOCAL_IN, NF_DROP),
      rule_message(NFT_MSG_NEWRULE, 5, rule, 4, NLM_F_APPEND),
      generation_message(1),
      rule_message(NFT_MSG_DELRULE, 5, rule),
      chain_message(NFT_MSG_DELCHAIN, "c", 3),
      table_message(NFT_MSG_DELTABLE),
      generation_message(2),
  };
  NftBytes input{0};
  for (const NftBytes& message : messages) {
    input.insert(input.end(), message.begin(), message.end());
  }
  write(folder / "fuzz_nft_commit" / "all", input);
}

}  // namespace
}  // namespace nf::test

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  nf::test::write_all(argv[1]);
  nf::test::write_tables(argv[1]);
  nf::test::write_rules(argv[1]);
  nf::test::write_read_rules(argv[1]);
  nf::test::write_scripts(argv[1]);
  nf::test::write_commits(argv[1]);
  return 0;
}
