// Tests of gathering the messages of nf_tables' group to commits, and of their queue.
#include <cstring>
#include <string>
#include <vector>

#include "core/nftables/commit_stream.h"
#include "test/check.h"
#include "test/commit_messages.h"

namespace nf::test {
namespace {

using nft::Commit;
using nft::CommitReader;
using nft::NftEvent;
using nft::NftEventKind;

CommitReader reader_of(const xt::Layout& layout = xt::kIpv4) {
  return {layout, {nft::builtin_table("filter"), nft::builtin_table("nat")}};
}

// True if the last message ended a commit.
bool feed(CommitReader& reader, const std::vector<NftBytes>& messages) {
  bool ended = false;
  for (const NftBytes& bytes : messages) ended = reader.add(view_of_message(bytes));
  return ended;
}

template <typename T>
T value_at(const nft::NftImage& image, std::size_t offset) {
  T value{};
  CHECK(offset <= image.size && sizeof value <= image.size - offset);
  if (offset <= image.size && sizeof value <= image.size - offset) {
    std::memcpy(&value, image.memory.data() + offset, sizeof value);
  }
  return value;
}

nft::NftHeader own_of(const nft::NftImage& image) {
  return value_at<nft::NftHeader>(image, value_at<xt::ImageHeader>(image, 0).own);
}
NftEvent event_of(const nft::NftImage& image, std::uint32_t index) {
  const nft::NftHeader own = own_of(image);
  CHECK(index < own.event_count);
  return value_at<NftEvent>(image, own.events + index * sizeof(NftEvent));
}
std::string text_of(const nft::NftImage& image, const nft::Slice& slice) {
  if (slice.at > image.size || slice.size > image.size - slice.at) return "out of bounds";
  return {reinterpret_cast<const char*>(image.memory.data()) + slice.at, slice.size};
}

const RuleMaker kRule = RuleMaker().protocol(6).counter(3, 4).verdict(NF_ACCEPT);

}  // namespace

TEST(commit_of_every_message) {
  CommitReader reader = reader_of();
  CHECK(feed(reader,
             {table_message(NFT_MSG_NEWTABLE),
              chain_message(NFT_MSG_NEWCHAIN, "INPUT", 1, NF_INET_LOCAL_IN, NF_DROP),
              chain_message(NFT_MSG_NEWCHAIN, "mine", 2, NF_INET_LOCAL_IN, NF_ACCEPT, 7),
              rule_message(NFT_MSG_NEWRULE, 5, kRule, 4, NLM_F_APPEND),
              rule_message(NFT_MSG_DELRULE, 6, kRule), chain_message(NFT_MSG_DELCHAIN, "old", 3),
              table_message(NFT_MSG_DELTABLE), generation_message(9, "iptables-nft")}));
  const Commit commit = reader.take();
  CHECK(!commit.lost);
  CHECK_EQUAL(commit.generation, 9U);
  CHECK(commit.process.has_value());
  CHECK_EQUAL(commit.process->pid, 4321U);
  CHECK_EQUAL(commit.process->name, "iptables-nft");
  CHECK_EQUAL(commit.images.size(), 1U);
  const nft::NftImage& image = commit.images[0];
  const auto header = value_at<xt::ImageHeader>(image, 0);
  CHECK_EQUAL(std::string(header.name), "filter");
  CHECK_EQUAL(header.rule_count, 2U);
  CHECK_EQUAL(header.chain_count, 0U);
  CHECK_EQUAL(header.size, image.size);
  CHECK_EQUAL(own_of(image).event_count, 7U);
  CHECK_EQUAL(own_of(image).generation, 9U);
  const NftEventKind kinds[] = {NftEventKind::kTableAdded,  NftEventKind::kChainSet,
                                NftEventKind::kChainSet,    NftEventKind::kRuleAdded,
                                NftEventKind::kRuleDeleted, NftEventKind::kChainDeleted,
                                NftEventKind::kTableDeleted};
  for (std::uint32_t i = 0; i < 7; i++) {
    CHECK_EQUAL(event_of(image, i).kind, static_cast<std::uint32_t>(kinds[i]));
  }
  CHECK_EQUAL(event_of(image, 1).flags, nft::kNftEventDrops);
  CHECK_EQUAL(event_of(image, 1).hook, NF_INET_LOCAL_IN + 1U);
  CHECK_EQUAL(text_of(image, event_of(image, 2).chain), "mine");
  CHECK_EQUAL(text_of(image, event_of(image, 2).type), "filter");
  CHECK_EQUAL(event_of(image, 2).flags, nft::kNftEventForeign);
  CHECK_EQUAL(event_of(image, 2).priority, 7);
  const NftEvent added = event_of(image, 3);
  CHECK_EQUAL(added.handle, 5U);
  CHECK_EQUAL(added.before, 4U);
  CHECK_EQUAL(added.rule, 0U);
  CHECK_EQUAL(added.flags, nft::kNftEventAppends | nft::kNftEventHasRule);
  CHECK_EQUAL(text_of(image, added.chain), "INPUT");
  CHECK_EQUAL(event_of(image, 4).rule, 1U);
  CHECK_EQUAL(text_of(image, event_of(image, 5).chain), "old");
  // The next commit has nothing of this one.
  CHECK(feed(reader, {rule_message(NFT_MSG_DELRULE, 7, kRule), generation_message(10)}));
  CHECK_EQUAL(own_of(reader.take().images[0]).event_count, 1U);
}

TEST(commit_of_two_tables_and_of_none) {
  CommitReader reader = reader_of();
  CHECK(feed(reader,
             {rule_message(NFT_MSG_NEWRULE, 5, kRule),
              rule_message(NFT_MSG_NEWRULE, 5, kRule, 0, 0, "nat"),
              rule_message(NFT_MSG_NEWRULE, 5, kRule, 0, 0, "mangle"), generation_message(9)}));
  CHECK_EQUAL(reader.take().images.size(), 2U);
  // Tables that are not followed, other families and other objects cost nothing.
  CHECK(!feed(reader,
              {rule_message(NFT_MSG_NEWRULE, 5, kRule, 0, 0, "mangle"),
               group_message(NFT_MSG_NEWSET, {1, 2, 3}),
               group_message(NFT_MSG_NEWRULE, {1, 2, 3}, 0, AF_INET6), generation_message(10)}));
  CHECK(feed(reader, {rule_message(NFT_MSG_NEWRULE, 5, kRule), generation_message(11)}));
  CHECK(!reader.take().lost);
}

TEST(commit_that_is_missing_is_lost) {
  CommitReader reader = reader_of();
  CHECK(!feed(reader, {generation_message(9)}));
  CHECK(feed(reader, {generation_message(11)}));
  CHECK(reader.take().lost);
  CHECK(!feed(reader, {generation_message(12)}));
  // The kernel leaves out 0.
  CHECK(feed(reader, {generation_message(0xffffffff)}));
  CHECK(reader.take().lost);
  CHECK(!feed(reader, {generation_message(1)}));
  reader.lose();
  CHECK(feed(reader, {rule_message(NFT_MSG_NEWRULE, 5, kRule), generation_message(2)}));
  const Commit commit = reader.take();
  CHECK(commit.lost);
  CHECK(commit.images.empty());
  CHECK(!feed(reader, {generation_message(3)}));
}

TEST(commit_with_a_malformed_message_is_lost) {
  const NftBytes whole[] = {table_message(NFT_MSG_NEWTABLE),
                            table_message(NFT_MSG_DELTABLE),
                            chain_message(NFT_MSG_NEWCHAIN, "INPUT", 1, NF_INET_LOCAL_IN),
                            chain_message(NFT_MSG_DELCHAIN, "c", 1),
                            rule_message(NFT_MSG_NEWRULE, 5, kRule, 4),
                            rule_message(NFT_MSG_DELRULE, 5, kRule),
                            generation_message(1)};
  for (const NftBytes& message : whole) {
    // Every length: a message that ends within an attribute is malformed, and none is read beyond.
    for (std::size_t size = sizeof(nlmsghdr); size < message.size(); size++) {
      NftBytes cut(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(size));
      const auto length = static_cast<std::uint32_t>(size);
      std::memcpy(cut.data(), &length, sizeof length);
      CommitReader reader = reader_of();
      if (!feed(reader, {cut})) feed(reader, {generation_message(9)});
      const Commit commit = reader.take();
      if (size < sizeof(nlmsghdr) + sizeof(nfgenmsg)) CHECK(commit.lost);
    }
    // The length of the first attribute is too large, or too small.
    for (const std::uint16_t wrong : {std::uint16_t{3}, std::uint16_t{0xfff0}}) {
      NftBytes damaged = message;
      std::memcpy(damaged.data() + sizeof(nlmsghdr) + sizeof(nfgenmsg), &wrong, sizeof wrong);
      CommitReader reader = reader_of();
      if (!feed(reader, {damaged})) feed(reader, {generation_message(9)});
      CHECK(reader.take().lost);
    }
  }
}

TEST(commit_with_a_target_that_may_be_a_chain) {
  CommitReader reader = reader_of();
  const RuleMaker target = RuleMaker().counter().target("CLASSIFY", 0, NftBytes(8, 1));
  CHECK(feed(reader,
             {rule_message(NFT_MSG_NEWRULE, 5, target),
              rule_message(NFT_MSG_NEWRULE, 6, RuleMaker().counter().verdict(NFT_JUMP, "c")),
              rule_message(NFT_MSG_NEWRULE, 7, RuleMaker().counter().verdict(NFT_JUMP, "INPUT")),
              generation_message(9)}));
  const Commit commit = reader.take();
  const nft::NftImage& image = commit.images[0];
  const auto rule = [&](std::uint32_t index) {
    return value_at<nft::NftRule>(image, own_of(image).rules + index * sizeof(nft::NftRule));
  };
  CHECK_EQUAL(rule(0).unsure, 1U);
  CHECK_EQUAL(rule(0).reading, static_cast<std::uint32_t>(nft::Reading::kExact));
  CHECK_EQUAL(rule(1).unsure, 0U);
  CHECK_EQUAL(rule(1).reading, static_cast<std::uint32_t>(nft::Reading::kExact));
  CHECK_EQUAL(rule(2).reading, static_cast<std::uint32_t>(nft::Reading::kForeign));
}

TEST(queue_of_commits_is_bounded) {
  CommitReader reader = reader_of();
  const auto commit = [&](std::uint32_t generation) {
    CHECK(feed(reader, {rule_message(NFT_MSG_NEWRULE, 5, kRule), generation_message(generation)}));
    return reader.take();
  };
  Commit first = commit(1);
  nft::CommitQueue queue(2 * first.bytes());
  queue.add(std::move(first));
  queue.add(commit(2));
  Commit taken;
  CHECK(queue.take(taken));
  CHECK_EQUAL(taken.generation, 1U);
  queue.add(commit(3));
  // One too many: those that wait are dropped, and this is told before what comes after.
  queue.add(commit(4));
  queue.add(commit(5));
  CHECK(queue.take(taken));
  CHECK(taken.lost);
  CHECK(queue.take(taken));
  CHECK(!taken.lost);
  CHECK_EQUAL(taken.generation, 5U);
  CHECK(!queue.take(taken));
  queue.add(commit(6));
  queue.lose();
  CHECK(queue.take(taken));
  CHECK(taken.lost);
  CHECK(!queue.take(taken));
}

}  // namespace nf::test
