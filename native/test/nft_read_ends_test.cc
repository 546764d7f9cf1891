// Tests of reading rules of nf_tables: how rules end, and their comments.
#include <linux/netfilter/xt_NFLOG.h>

#include <functional>
#include <string>
#include <vector>

#include "test/nft_reading.h"

namespace nf::test {
namespace {

using nft::Reading;
using xt::kIpv4;

}  // namespace

TEST(nft_read_ends) {
  const auto verdict = [](int code, const char* chain = "") {
    return [=](RuleMaker& rule) { rule.verdict(code, chain); };
  };
  const Change goes = [](RuleBytes& entry, const HeadAt& at) { entry[at.flags] |= IPT_F_GOTO; };
  CHECK(ends(verdict(NF_ACCEPT), standard("ACCEPT")));
  CHECK(ends(verdict(NF_DROP), standard("DROP")));
  CHECK(ends(verdict(NFT_RETURN), standard("RETURN")));
  CHECK(ends(verdict(NFT_JUMP, "CHAIN"), standard("CHAIN")));
  CHECK(ends(verdict(NFT_GOTO, "CHAIN"), standard("CHAIN"), goes));
  CHECK(foreign(RuleMaker().verdict(NF_QUEUE)));
  CHECK(foreign(RuleMaker().verdict(NFT_CONTINUE)));
  CHECK(foreign(RuleMaker().verdict(NFT_BREAK)));
  CHECK(foreign(RuleMaker().verdict(NFT_JUMP)));
  CHECK(foreign(RuleMaker().verdict(NFT_JUMP, "nowhere")));
  // A chain with the name of a verdict: in an entry it would be the verdict.
  CHECK(foreign(RuleMaker().verdict(NFT_JUMP, "RETURN")));
  CHECK(foreign(RuleMaker().verdict(NF_ACCEPT, {}, NFT_REG_1)));
  CHECK(foreign(RuleMaker().verdict(NF_ACCEPT).verdict(NF_ACCEPT)));
  CHECK(foreign(RuleMaker().verdict(NF_ACCEPT).network(12, 1).equal({10})));
  const auto chain_number = [](MessageBuilder& out) {
    out.be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    put_nest(out, NFTA_IMMEDIATE_DATA, [](MessageBuilder& data) {
      put_nest(data, NFTA_DATA_VERDICT, [](MessageBuilder& nest) {
        nest.be32(NFTA_VERDICT_CODE, NF_ACCEPT);
        nest.be32(3, 1);
      });
    });
  };
  CHECK(foreign(RuleMaker().add("immediate", chain_number)));
  CHECK(foreign(RuleMaker().add("immediate")));

  const auto trace = [](RuleMaker& rule) { rule.immediate({1}).set_meta(NFT_META_NFTRACE); };
  CHECK(ends(trace, {"TRACE", 0, {}}));
  CHECK(foreign(RuleMaker().immediate({0}).set_meta(NFT_META_NFTRACE)));
  CHECK(foreign(RuleMaker().immediate({1, 0}).set_meta(NFT_META_NFTRACE)));
  CHECK(foreign(RuleMaker().immediate({1}).set_meta(NFT_META_MARK)));
  CHECK(foreign(RuleMaker().immediate({1}).set_meta(NFT_META_NFTRACE, NFT_REG_2)));
  CHECK(foreign(RuleMaker().set_meta(NFT_META_NFTRACE)));
  CHECK(foreign(RuleMaker().immediate({1}).counter()));
  CHECK(foreign(RuleMaker().immediate({1}).set_meta(NFT_META_NFTRACE).verdict(NF_DROP)));
  CHECK(foreign(RuleMaker().meta(NFT_META_MARK).set_meta(NFT_META_NFTRACE, NFT_REG_1)));
}

TEST(nft_read_log) {
  const auto nflog = [](const std::function<void(xt_nflog_info&)>& fill) {
    xt_nflog_info info{};
    fill(info);
    return part_of("NFLOG", 0, info);
  };
  const std::string prefix(63, 'p');
  CHECK(ends([](RuleMaker& rule) { rule.log(3); }, nflog([](auto& info) { info.group = 3; })));
  CHECK(ends(
      [&](RuleMaker& rule) {
        rule.log(0x1234, prefix, [](MessageBuilder& out) {
          out.be32(NFTA_LOG_SNAPLEN, 99);
          out.be16(NFTA_LOG_QTHRESHOLD, 7);
        });
      },
      nflog([&](auto& info) {
        info.group = 0x1234;
        info.len = 99;
        info.flags = XT_NFLOG_F_COPY_LEN;
        info.threshold = 7;
        prefix.copy(info.prefix, 63);
      })));
  const auto more = [](int type) {
    return RuleMaker().log(3, {}, [=](MessageBuilder& out) {
      out.bytes(static_cast<std::uint16_t>(type), "\0\0\0\1", 4);
    });
  };
  CHECK(foreign(more(NFTA_LOG_LEVEL)));
  CHECK(foreign(more(NFTA_LOG_FLAGS)));
  CHECK(foreign(more(NFTA_LOG_FLAGS + 1)));
  CHECK(foreign(more(NFTA_LOG_QTHRESHOLD)));
  CHECK(
      foreign(RuleMaker().log(3, {}, [](MessageBuilder& out) { out.be16(NFTA_LOG_SNAPLEN, 1); })));
  CHECK(foreign(
      RuleMaker().add("log", [](MessageBuilder& out) { out.string(NFTA_LOG_PREFIX, "x"); })));
  CHECK(foreign(RuleMaker().log(3).verdict(NF_DROP)));
  const ReadBack cut = read_made(kIpv4, RuleMaker().log(3, std::string(127, 'p')));
  CHECK(cut.reading == Reading::kInexact && cut.note.ends_with(std::string(127, 'p')));
}

TEST(nft_read_comments) {
  const auto with = [](const NftBytes& user_data, const std::vector<RulePart>& matches) {
    const ReadBack back = read_made(kIpv4, tcp_rule().counter().verdict(NF_DROP), user_data);
    return back.reading == Reading::kExact &&
           back.entry == wanted_entry(kIpv4, with_protocol(6), matches, standard("DROP"));
  };
  CHECK(with(user_comment("said"), {said_comment("said")}));
  CHECK(with(user_comment(std::string(254, 'c')), {said_comment(std::string(254, 'c'))}));
  NftBytes two{9, 2, 1, 1};
  const NftBytes comment = user_comment("b");
  two.insert(two.end(), comment.begin(), comment.end());
  CHECK(with(two, {said_comment("b")}));
  CHECK(says(kIpv4, RuleMaker().match("comment", 0, said_comment("m").payload), {},
             {said_comment("m")}));
  for (const NftBytes& bad : {NftBytes{0}, NftBytes{0, 2, 'a'}, NftBytes{0, 1, 'a'}, NftBytes{0, 0},
                              NftBytes{9, 1, 1, 0}}) {
    CHECK(foreign(kIpv4, RuleMaker().counter(), bad));
  }
}

}  // namespace nf::test
