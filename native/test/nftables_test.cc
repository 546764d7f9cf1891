// Tests of reading nf_tables: each kind of object, whole and damaged. A script answers in place of
// the kernel: with a list that changes, a refusal, and bytes that are no attributes.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_CT.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/nftables/objects.h"
#include "core/nftables/tracking.h"
#include "test/scripted.h"

namespace nf::test {
namespace {

// Attributes of one message.
Bytes made(const std::function<void(MessageBuilder&)>& fill) {
  MessageBuilder builder;
  fill(builder);
  return {builder.data(), builder.data() + builder.size()};
}
AttributeCursor cursor(const Bytes& bytes) { return {bytes.data(), bytes.size()}; }

void nest(MessageBuilder& builder, std::uint16_t type,
          const std::function<void(MessageBuilder&)>& fill) {
  const auto at = builder.open_nest(type);
  fill(builder);
  builder.close_nest(at);
}

// An expression whose data `fill` makes.
void expression(MessageBuilder& builder, std::uint16_t type, const char* name,
                const std::function<void(MessageBuilder&)>& fill = {}) {
  nest(builder, type, [&](MessageBuilder& one) {
    one.string(NFTA_EXPR_NAME, name);
    if (fill) nest(one, NFTA_EXPR_DATA, fill);
  });
}

Bytes table(const char* name, std::uint32_t flags) {
  return made([&](MessageBuilder& b) {
    b.string(NFTA_TABLE_NAME, name);
    b.be32(NFTA_TABLE_FLAGS, flags);
  });
}

Bytes chain(const char* in, const char* name, const char* type) {
  return made([&](MessageBuilder& b) {
    b.string(NFTA_CHAIN_TABLE, in);
    b.string(NFTA_CHAIN_NAME, name);
    nest(b, NFTA_CHAIN_HOOK, [](MessageBuilder& hook) {
      hook.be32(NFTA_HOOK_HOOKNUM, 4);
      hook.be32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(-100));
    });
    b.be32(NFTA_CHAIN_POLICY, NF_DROP);
    b.be32(NFTA_CHAIN_USE, 7);
    b.string(NFTA_CHAIN_TYPE, type);
  });
}

Bytes rule(const char* in, const std::function<void(MessageBuilder&)>& fill) {
  return made([&](MessageBuilder& b) {
    b.string(NFTA_RULE_TABLE, in);
    nest(b, NFTA_RULE_EXPRESSIONS, fill);
  });
}

std::vector<std::string> names_of(const nft::Expressions& expressions, bool& intact) {
  std::vector<std::string> names;
  intact = expressions.each([&](const nft::Expression& one) { names.emplace_back(one.name); });
  return names;
}

// Every prefix of the attributes that cuts one in the middle is refused or read, never out of
// bounds (the sanitizer watches).
template <typename Kind>
void check_cut(const Bytes& whole) {
  for (std::size_t size = 0; size < whole.size(); size++) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    Kind out;
    (void)nft::parse(cursor(cut), out);
  }
  // A length that leads out of the message.
  Bytes longer = whole;
  const std::uint16_t length = 0xfffc;
  std::memcpy(longer.data(), &length, sizeof length);
  Kind out;
  CHECK(!nft::parse(cursor(longer), out));
}

// The kernel's answers to dumps, by the type of the request.
class FakeNft final : public Script {
 public:
  struct Message {
    std::uint8_t family;
    Bytes attributes;
  };
  std::map<std::uint16_t, std::vector<Message>> objects;
  std::map<std::uint16_t, int> refusals;
  int changes = 0;  // so many answers say that the list has changed meanwhile
  std::vector<std::pair<std::uint16_t, std::uint8_t>> asked;  // type, family

  void request(const MessageView& message) override {
    const nlmsghdr& header = *message.header;
    CHECK(header.nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES);
    const std::uint16_t type = header.nlmsg_type & 0xff;
    nfgenmsg generic{};
    std::memcpy(&generic, message.payload, sizeof generic);
    asked.emplace_back(type, generic.nfgen_family);
    const auto refusal = refusals.find(type);
    if (refusal != refusals.end()) return acknowledge(header, refusal->second);
    std::uint16_t flags = NLM_F_MULTI;
    if (changes > 0) {
      changes--;
      flags |= NLM_F_DUMP_INTR;
    }
    for (const Message& object : objects[type]) {
      MessageBuilder builder;
      builder.begin(NFNL_SUBSYS_NFTABLES << 8, flags, header.nlmsg_seq, object.family);
      builder.raw(object.attributes);
      builder.end();
      answers->push_back({builder.data(), builder.data() + builder.size()});
    }
    answers->push_back(end_of_dump(header.nlmsg_seq, flags));
  }
};

TrackingReport scan(FakeNft& fake) {
  Scripted scripted(fake);
  TrackingReport report;
  nft::scan_nft_rules(scripted.socket, nullptr, report);
  return report;
}

using Found = std::vector<std::string>;

}  // namespace

TEST(nft_table) {
  const Bytes bytes = table("filter", 1);
  nft::Table out;
  CHECK(nft::parse(cursor(bytes), out));
  CHECK(out.name == "filter" && out.dormant);
  nft::Table awake;
  const Bytes owned = table("filter", 2);
  CHECK(nft::parse(cursor(owned), awake) && !awake.dormant);
  check_cut<nft::Table>(bytes);
  const Bytes narrow = made([](MessageBuilder& b) { b.u8(NFTA_TABLE_FLAGS, 1); });
  CHECK(!nft::parse(cursor(narrow), out));
}

TEST(nft_chain) {
  const Bytes bytes = chain("nat", "POSTROUTING", "nat");
  nft::Chain out;
  CHECK(nft::parse(cursor(bytes), out));
  CHECK(out.table == "nat" && out.name == "POSTROUTING" && out.type == "nat");
  CHECK(out.hook && out.hook->number == 4 && out.hook->priority == -100);
  CHECK(out.policy == NF_DROP && out.use == 7);
  check_cut<nft::Chain>(bytes);

  nft::Chain plain;
  const Bytes no_base = made([](MessageBuilder& b) { b.string(NFTA_CHAIN_NAME, "mine"); });
  CHECK(nft::parse(cursor(no_base), plain) && !plain.hook && !plain.policy);
  for (const std::uint16_t type : {NFTA_CHAIN_POLICY, NFTA_CHAIN_USE}) {
    const Bytes narrow = made([&](MessageBuilder& b) { b.u8(type, 1); });
    CHECK(!nft::parse(cursor(narrow), out));
  }
  const Bytes hook = made([](MessageBuilder& b) {
    nest(b, NFTA_CHAIN_HOOK, [](MessageBuilder& in) { in.u8(NFTA_HOOK_PRIORITY, 1); });
  });
  CHECK(!nft::parse(cursor(hook), out));
}

TEST(nft_expressions) {
  const auto list = [](MessageBuilder& b) {
    expression(b, NFTA_LIST_ELEM, "ct");
    b.u32(9, 0);  // no element
    expression(b, NFTA_LIST_ELEM, "nat",
               [](MessageBuilder& data) { data.be32(NFTA_NAT_FAMILY, NFPROTO_IPV6); });
  };
  const Bytes bytes = rule("mine", list);
  nft::Rule out;
  CHECK(nft::parse(cursor(bytes), out) && out.table == "mine");
  bool intact = false;
  CHECK((names_of(out.expressions, intact) == Found{"ct", "nat"}) && intact);
  check_cut<nft::Rule>(bytes);

  // A single expression comes before a list.
  const Bytes both = made([&](MessageBuilder& b) {
    b.string(NFTA_SET_TABLE, "mine");
    nest(b, 18, list);
    expression(b, 17, "limit");
  });
  nft::Set set;
  CHECK(nft::parse(cursor(both), set));
  CHECK((names_of(set.expressions, intact) == Found{"limit", "ct", "nat"}) && intact);
  check_cut<nft::Set>(both);

  // An element whose length leads out of the list.
  const Bytes broken = rule("mine", [](MessageBuilder& b) {
    expression(b, NFTA_LIST_ELEM, "ct");
    const std::uint8_t bad[] = {0xff, 0, 1, 0};
    b.raw({std::begin(bad), std::end(bad)});
  });
  nft::Rule damaged;
  CHECK(nft::parse(cursor(broken), damaged));
  CHECK((names_of(damaged.expressions, intact) == Found{"ct"}) && !intact);
}

TEST(nft_reader) {
  FakeNft fake;
  fake.objects[NFT_MSG_GETTABLE] = {{NFPROTO_IPV4, table("a", 0)}, {NFPROTO_IPV6, table("b", 1)}};
  fake.changes = 2;
  Scripted scripted(fake);
  nft::Reader reader(scripted.socket, nullptr, "test");
  std::vector<std::string> seen;
  const auto read = [&](std::uint8_t family) {
    return reader.each<nft::Table>(
        family, [&] { seen.clear(); },
        [&](const nft::Table& one) {
          seen.push_back(std::string(one.name) + std::to_string(one.family));
        });
  };
  CHECK(read(NFPROTO_UNSPEC).ok());
  CHECK((seen == Found{"a2", "b10"}));
  CHECK_EQUAL(fake.asked.size(), 3U);
  CHECK(read(NFPROTO_IPV6).ok());
  CHECK((fake.asked.back() ==
         std::pair<std::uint16_t, std::uint8_t>{NFT_MSG_GETTABLE, NFPROTO_IPV6}));

  fake.objects[NFT_MSG_GETTABLE].push_back(
      {NFPROTO_IPV4, made([](MessageBuilder& b) { b.u8(NFTA_TABLE_FLAGS, 0); })});
  auto malformed = read(NFPROTO_UNSPEC);
  CHECK(!malformed.ok() && malformed.error().code == EBADMSG);

  fake.refusals[NFT_MSG_GETTABLE] = EINVAL;
  auto absent = read(NFPROTO_UNSPEC);
  CHECK(!absent.ok() && nft::is_absent(absent.error()));
  fake.refusals[NFT_MSG_GETTABLE] = EPERM;
  auto refused = read(NFPROTO_UNSPEC);
  CHECK(!refused.ok() && refused.error().code == EPERM && !nft::is_absent(refused.error()));
}

TEST(nft_tracking) {
  FakeNft fake;
  fake.objects[NFT_MSG_GETTABLE] = {{NFPROTO_IPV4, table("awake", 0)},
                                    {NFPROTO_IPV4, table("asleep", 1)}};
  fake.objects[NFT_MSG_GETCHAIN] = {{NFPROTO_IPV4, chain("asleep", "c", "nat")},
                                    {NFPROTO_IPV6, chain("asleep", "c", "nat")},
                                    {NFPROTO_IPV4, chain("awake", "c", "filter")}};
  const auto compat = [](const char* name, std::uint16_t flags) {
    return [name, flags](MessageBuilder& data) {
      data.string(NFTA_MATCH_NAME, name);
      data.bytes(NFTA_MATCH_INFO, &flags, sizeof flags);
    };
  };
  fake.objects[NFT_MSG_GETRULE] = {
      {NFPROTO_IPV4, rule("awake",
                          [&](MessageBuilder& b) {
                            expression(b, NFTA_LIST_ELEM, "payload", compat("ct", 0));
                            expression(b, NFTA_LIST_ELEM, "target", compat("CT", XT_CT_NOTRACK));
                            expression(b, NFTA_LIST_ELEM, "match", compat("conntrack", 0));
                          })},
      {NFPROTO_INET, rule("inet", [&](MessageBuilder& b) {
         expression(b, NFTA_LIST_ELEM, "nat",
                    [](MessageBuilder& data) { data.be32(NFTA_NAT_FAMILY, NFPROTO_IPV6); });
         expression(b, NFTA_LIST_ELEM, "dynset",
                    [](MessageBuilder& data) { expression(data, 7, "connlimit"); });
       })}};
  fake.objects[NFT_MSG_GETOBJ] = {{NFPROTO_IPV4, made([](MessageBuilder& b) {
                                     b.string(NFTA_OBJ_TABLE, "awake");
                                     b.be32(NFTA_OBJ_TYPE, 3);
                                   })}};
  const TrackingReport report = scan(fake);
  CHECK((report.tracking.found == Found{"nftables ip awake: conntrack", "nftables inet inet: nat",
                                        "nftables inet inet: connlimit",
                                        "nftables ip awake: ct helper object"}));
  CHECK((report.nat.found == Found{"nftables ip6 asleep: nat chain"}));
  CHECK(report.nat.ipv4 == Verdict::kNo && report.nat.ipv6 == Verdict::kYes);
  CHECK(report.unknown.empty());
}

TEST(nft_tracking_that_cannot_be_told) {
  FakeNft denied;
  denied.refusals[NFT_MSG_GETTABLE] = EPERM;
  CHECK_EQUAL(scan(denied).unknown.size(), 1U);
  CHECK_EQUAL(denied.asked.size(), 1U);

  FakeNft absent;
  absent.refusals[NFT_MSG_GETTABLE] = EOPNOTSUPP;
  CHECK(scan(absent).unknown.empty());
  CHECK_EQUAL(absent.asked.size(), 1U);

  // A kernel without objects. The rest is reported.
  FakeNft older;
  older.refusals[NFT_MSG_GETOBJ] = EINVAL;
  older.objects[NFT_MSG_GETRULE] = {
      {NFPROTO_IPV4, rule("t", [](MessageBuilder& b) { expression(b, NFTA_LIST_ELEM, "masq"); })}};
  const TrackingReport told = scan(older);
  CHECK((told.tracking.found == Found{"nftables ip t: masq"}) && told.unknown.empty());

  FakeNft broken;
  broken.objects[NFT_MSG_GETRULE] = {{NFPROTO_IPV4, rule("t", [](MessageBuilder& b) {
                                        const std::uint8_t bad[] = {0xff, 0, 1, 0};
                                        b.raw({std::begin(bad), std::end(bad)});
                                      })}};
  const TrackingReport unsure = scan(broken);
  CHECK(unsure.tracking.ipv4 == Verdict::kUnknown && unsure.unknown.size() == 1);
}

}  // namespace nf::test
