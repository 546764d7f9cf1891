// Tests of transactions of nf_tables against a script in place of the kernel: what is sent, and
// what the answers mean, also when some of them are lost.
#include <errno.h>
#include <linux/netfilter/nf_tables.h>

#include <string>
#include <vector>

#include "core/nftables/batch.h"
#include "test/scripted.h"

namespace nf::test {
namespace {

constexpr std::uint16_t kNewGeneration = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN;
constexpr std::uint16_t kGetGeneration = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;

// Takes transactions as the kernel does.
class FakeTransactions final : public Script {
 public:
  struct Sent {
    std::uint16_t type;
    std::uint16_t flags;
    std::uint32_t sequence;
    std::uint8_t family;
  };
  std::vector<Sent> sent;
  std::uint32_t generation = 7;
  std::vector<std::pair<std::size_t, int>> refusals;  // message, errno
  int refused_whole = 0;                              // at the begin
  int refused_commit = 0;                             // at the end
  bool echoes = true;                                 // kernels of today report the new generation
  bool changes = true;                                // the messages do change something
  bool silent = false;                                // all answers are lost
  int others = 0;           // so many transactions of others come before the generation is read
  bool garbles = false;     // the answer is no message
  std::size_t endless = 0;  // a batch of so many messages has no end, so it is not committed

  void request(const MessageView& message) override {
    const nlmsghdr& header = *message.header;
    if (header.nlmsg_type == kGetGeneration) {
      generation += static_cast<std::uint32_t>(others);
      answers->push_back(generation_message(header.nlmsg_seq));
      return acknowledge(header, 0);
    }
    sent.push_back({header.nlmsg_type, header.nlmsg_flags, header.nlmsg_seq, message.payload[0]});
    if (header.nlmsg_type == NFNL_MSG_BATCH_BEGIN) {
      begin_ = header;
      std::uint32_t wanted = 0;
      AttributeCursor cursor(message.payload + sizeof(nfgenmsg), message.size - sizeof(nfgenmsg));
      for (Attribute a; cursor.next(a);) {
        if (a.type == NFNL_BATCH_GENID) wanted = a.be32();
      }
      if (wanted != 0 && wanted != generation) refused_whole = ERESTART;
    } else if (header.nlmsg_type == NFNL_MSG_BATCH_END) {
      if (!silent) finish(true);
      if (silent && good()) generation++;
      if (garbles) answers->push_back({1, 2, 3});
    } else {
      messages_.push_back(header);
      if (messages_.size() == endless && !silent) finish(false);
    }
  }

 private:
  bool good() const { return refusals.empty() && refused_whole == 0 && refused_commit == 0; }
  void finish(bool commits) {
    if (refused_whole != 0) return acknowledge(begin_, refused_whole);
    if (refused_commit != 0) acknowledge(begin_, refused_commit);
    if (commits && good() && changes) {
      generation++;
      if (echoes) answers->push_back(generation_message(begin_.nlmsg_seq));
    }
    for (std::size_t i = 0; i < messages_.size(); i++) {
      for (const auto& [index, code] : refusals) {
        if (index == i) acknowledge(messages_[i], code);
      }
      if ((messages_[i].nlmsg_flags & NLM_F_ACK) != 0) acknowledge(messages_[i], 0);
    }
  }
  Bytes generation_message(std::uint32_t sequence) const {
    MessageBuilder builder;
    builder.begin(kNewGeneration, 0, sequence, AF_UNSPEC);
    builder.be32(NFTA_GEN_ID, generation);
    builder.end();
    return {builder.data(), builder.data() + builder.size()};
  }

  nlmsghdr begin_{};
  std::vector<nlmsghdr> messages_;
};

void add_message(nft::Batch& batch) {
  batch.begin(NFT_MSG_NEWRULE, NLM_F_CREATE).u32(1, 1);
  batch.end();
}

Result<nft::BatchOutcome> transaction(FakeTransactions& fake, std::size_t count,
                                      std::uint32_t generation = 7) {
  Scripted scripted(fake);
  nft::Batch batch(scripted.socket, generation);
  batch.set_family(AF_INET);
  for (std::size_t i = 0; i < count; i++) add_message(batch);
  return batch.commit(nullptr, "test");
}

bool is_end(const Result<nft::BatchOutcome>& outcome, nft::BatchEnd end) {
  return outcome.ok() && outcome.value().end == end;
}

}  // namespace

TEST(nft_batch_sends_all_at_once) {
  FakeTransactions fake;
  Scripted scripted(fake);
  nft::Batch batch(scripted.socket, 7);
  batch.set_family(AF_INET6);
  CHECK_EQUAL(batch.count(), 0U);
  add_message(batch);
  const std::size_t before = batch.size();
  // A dropped message leaves nothing behind, at whatever place.
  batch.begin(NFT_MSG_NEWRULE, 0).string(1, "gone");
  batch.drop();
  CHECK_EQUAL(batch.size(), before);
  batch.set_family(AF_INET);
  add_message(batch);
  batch.begin(NFT_MSG_NEWRULE, 0).string(1, "gone");
  batch.drop();
  CHECK_EQUAL(batch.count(), 2U);
  CHECK(is_end(batch.commit(nullptr, "test"), nft::BatchEnd::kCommitted));
  CHECK_EQUAL(fake.sent.size(), 4U);
  if (fake.sent.size() != 4) return;
  CHECK_EQUAL(fake.sent[0].type, NFNL_MSG_BATCH_BEGIN);
  CHECK_EQUAL(fake.sent[0].flags, NLM_F_REQUEST | NLM_F_ECHO);
  CHECK_EQUAL(fake.sent[1].flags, NLM_F_REQUEST | NLM_F_CREATE);
  CHECK_EQUAL(fake.sent[2].flags, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK);
  CHECK_EQUAL(fake.sent[3].type, NFNL_MSG_BATCH_END);
  CHECK(fake.sent[1].family == AF_INET6 && fake.sent[2].family == AF_INET);
  for (std::size_t i = 1; i < 4; i++) {
    CHECK_EQUAL(fake.sent[i].sequence, fake.sent[0].sequence + i);
  }
  // The numbers are not used again on this socket.
  CHECK(scripted.socket.next_sequence() > fake.sent[3].sequence);
}

TEST(nft_batch_commits) {
  FakeTransactions fake;
  CHECK(is_end(transaction(fake, 3), nft::BatchEnd::kCommitted));
  CHECK_EQUAL(fake.generation, 8U);
  // An old kernel, and a transaction that changes nothing: only the last message is acknowledged.
  FakeTransactions old;
  old.echoes = false;
  CHECK(is_end(transaction(old, 3), nft::BatchEnd::kCommitted));
  FakeTransactions idle;
  idle.changes = false;
  CHECK(is_end(transaction(idle, 1), nft::BatchEnd::kCommitted));
  FakeTransactions empty;
  CHECK(is_end(transaction(empty, 0), nft::BatchEnd::kCommitted));
  CHECK(empty.sent.empty());
}

TEST(nft_batch_is_refused) {
  FakeTransactions fake;
  fake.refusals = {{1, ENOENT}, {2, EEXIST}};
  auto outcome = transaction(fake, 3);
  CHECK(is_end(outcome, nft::BatchEnd::kRefused));
  if (!outcome || outcome->refusals.size() != 2) return CHECK(false);
  CHECK_EQUAL(outcome->first().index, 1U);
  CHECK_EQUAL(outcome->first().code, ENOENT);
  CHECK_EQUAL(outcome->refusals[1].index, 2U);
  CHECK(outcome->complete);

  // The last message is acknowledged although the commit failed.
  FakeTransactions late;
  late.refused_commit = EINVAL;
  outcome = transaction(late, 2);
  CHECK(is_end(outcome, nft::BatchEnd::kRefused));
  if (outcome) CHECK_EQUAL(outcome->first().index, nft::BatchRefusal::kWhole);

  FakeTransactions early;
  early.refused_whole = EPERM;
  outcome = transaction(early, 2);
  CHECK(is_end(outcome, nft::BatchEnd::kRefused));
  if (outcome) CHECK_EQUAL(outcome->first().code, EPERM);

  FakeTransactions stale;
  CHECK(is_end(transaction(stale, 2, 6), nft::BatchEnd::kStale));
}

TEST(nft_batch_is_rehearsed) {
  const auto rehearse = [](FakeTransactions& fake, std::size_t count,
                           std::uint32_t generation = 7) {
    Scripted scripted(fake);
    nft::Batch batch(scripted.socket, generation);
    fake.endless = count;
    for (std::size_t i = 0; i < count; i++) add_message(batch);
    return batch.rehearse("test");
  };
  FakeTransactions fake;
  CHECK(is_end(rehearse(fake, 2), nft::BatchEnd::kCommitted));
  CHECK_EQUAL(fake.generation, 7U);
  CHECK(fake.sent.size() == 3 && fake.sent.back().type != NFNL_MSG_BATCH_END);
  FakeTransactions empty;
  CHECK(is_end(rehearse(empty, 0), nft::BatchEnd::kCommitted) && empty.sent.empty());
  FakeTransactions refused;
  refused.refusals = {{1, ENOENT}};
  auto outcome = rehearse(refused, 3);
  CHECK(is_end(outcome, nft::BatchEnd::kRefused));
  if (outcome) CHECK(outcome->first().index == 1 && outcome->first().code == ENOENT);
  FakeTransactions stale;
  CHECK(is_end(rehearse(stale, 1, 6), nft::BatchEnd::kStale));
  FakeTransactions silent;
  silent.silent = true;
  outcome = rehearse(silent, 1);
  CHECK(!outcome.ok() && outcome.error().detail == "the answer was lost");
}

TEST(nft_batch_answers_are_lost) {
  const auto lost = [](FakeTransactions& fake, std::uint32_t generation = 7) {
    auto outcome = transaction(fake, 2, generation);
    CHECK(!outcome.ok());
    return outcome.ok() ? std::string() : outcome.error().detail;
  };
  const std::string unknown = "the answer was lost: nobody knows whether the rules were changed";
  // It was committed.
  FakeTransactions silent;
  silent.silent = true;
  CHECK_EQUAL(lost(silent), unknown);
  // It was not.
  FakeTransactions refused;
  refused.silent = true;
  refused.refusals = {{0, EINVAL}};
  CHECK_EQUAL(lost(refused), "the answer was lost: nothing was changed");
  // It was not, but another program has changed something.
  FakeTransactions others;
  others.silent = true;
  others.refusals = {{0, EINVAL}};
  others.others = 1;
  CHECK_EQUAL(lost(others), unknown);
  // There is nothing to compare with.
  FakeTransactions any;
  any.silent = true;
  any.refusals = {{0, EINVAL}};
  CHECK_EQUAL(lost(any, 0), unknown);
  // Bytes that are no message, and a datagram that was cut: an acknowledgement alone does not
  // count.
  FakeTransactions garbled;
  garbled.echoes = false;
  garbled.garbles = true;
  CHECK_EQUAL(lost(garbled), unknown);
  FakeTransactions cut;
  cut.truncated = true;
  CHECK_EQUAL(lost(cut), unknown);
  // One refusal is enough to know that nothing was changed.
  FakeTransactions part;
  part.refusals = {{0, EINVAL}};
  part.garbles = true;
  auto outcome = transaction(part, 2);
  CHECK(is_end(outcome, nft::BatchEnd::kRefused));
  if (outcome) CHECK(!outcome->complete);
}

TEST(nft_batch_stops_before_the_send) {
  FakeTransactions fake;
  Scripted scripted(fake);
  nft::Batch batch(scripted.socket, 7);
  batch.set_family(AF_INET);
  add_message(batch);
  Cancel cancel;
  cancel.raise();
  auto outcome = batch.commit(&cancel, "test");
  CHECK(!outcome.ok() && outcome.error().kind == ErrorKind::kCancelled);
  CHECK(fake.sent.empty());
}

TEST(nft_generation) {
  FakeTransactions fake;
  fake.generation = 0xfffffff0;
  Scripted scripted(fake);
  auto generation = nft::read_generation(scripted.socket, nullptr, "test");
  CHECK(generation.ok());
  if (generation) CHECK_EQUAL(*generation, 0xfffffff0);
}

}  // namespace nf::test
