// Sending a transaction, and finding out what came of it.
//
// The kernel works during the send (nfnetlink_rcv_batch), so every answer is there afterwards. It
// answers each message that it refuses. The header is answered if the batch as a whole is refused.
// Nothing is changed in both cases. The last message asks for an acknowledgement, which says only
// that this message was good. The header asks for an echo: then the kernel reports the new
// generation to this socket, and only after a commit. Answers that do not fit into the receive
// buffer are lost, the later ones first. After a commit there are only two.
//
// A batch without its last message (NFNL_MSG_BATCH_END) is not committed, but answered in the same
// way: nfnetlink_rcv_batch, NFNL_ABORT_VALIDATE.
#include "core/nftables/batch.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <sys/socket.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>

#include "core/netlink/exchange.h"

namespace nf::nft {
namespace {

constexpr std::uint16_t type_of(std::uint16_t verb) {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | verb);
}

// Of a refusal in the receive queue, with its text.
constexpr std::size_t kRefusalMemory = 1536;
// More refusals than fit in there help nobody.
constexpr std::size_t kMostReceiveMemory = std::size_t{4} << 20;

// The kernel's own header takes a part of the send buffer.
constexpr std::size_t kSendSpare = 4096;
// The kernel doubles the number that it is given, and keeps it as an int.
constexpr std::size_t kMostSend = std::numeric_limits<int>::max() / 2 - kSendSpare;

std::size_t send_buffer(const Socket& socket) {
  int value = 0;
  socklen_t length = sizeof value;
  if (::getsockopt(socket.fd(), SOL_SOCKET, SO_SNDBUF, &value, &length) != 0) return 0;
  return static_cast<std::size_t>(value);
}

std::optional<std::uint32_t> generation_in(const MessageView& message) {
  if (message.header->nlmsg_type != type_of(NFT_MSG_NEWGEN)) return std::nullopt;
  if (message.size < sizeof(nfgenmsg)) return std::nullopt;
  AttributeCursor attributes(message.payload + sizeof(nfgenmsg), message.size - sizeof(nfgenmsg));
  for (Attribute a; attributes.next(a);) {
    if (a.type == NFTA_GEN_ID && a.size >= sizeof(std::uint32_t)) return a.be32();
  }
  return std::nullopt;
}

}  // namespace

Result<std::uint32_t> read_generation(Socket& socket, const Cancel* cancel, const char* operation) {
  Exchange exchange(socket, cancel, operation);
  std::optional<std::uint32_t> generation;
  auto refusal = request(
      exchange,
      [](MessageBuilder& message, std::uint32_t sequence) {
        message.begin(type_of(NFT_MSG_GETGEN), NLM_F_REQUEST, sequence, AF_UNSPEC);
        message.end();
      },
      [&](const MessageView& message) {
        if (const auto found = generation_in(message)) generation = found;
      });
  if (!refusal) return refusal.error();
  if (refusal->code != 0) return fail(refusal->code, operation, refusal->text);
  if (!generation) return fail(EBADMSG, operation, "no generation");
  return *generation;
}

Batch::Batch(Socket& socket, std::uint32_t generation)
    : socket_(socket), generation_(generation), first_(socket.next_sequence()) {
  messages_.begin(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST | NLM_F_ECHO, first_, AF_UNSPEC, NFNETLINK_V0,
                  NFNL_SUBSYS_NFTABLES);
  if (generation != 0) messages_.be32(NFNL_BATCH_GENID, generation);
  messages_.end();
}

MessageBuilder& Batch::begin(std::uint16_t verb, std::uint16_t flags) {
  begun_ = messages_.size();
  messages_.begin(type_of(verb), static_cast<std::uint16_t>(NLM_F_REQUEST | flags),
                  sequence_of(count_), family_);
  return messages_;
}

std::size_t Batch::end() {
  messages_.end();
  previous_ = begun_;
  return count_++;
}

void Batch::drop() { messages_.rewind(begun_, count_ + 1, previous_); }

struct Batch::Answers {
  std::vector<BatchRefusal> refusals;
  bool committed = false;     // the kernel has reported a new generation
  bool acknowledged = false;  // the last message was good
  int lost = 0;               // an errno: answers are missing
};

// No error (code 0): the batch fits.
Error Batch::make_room(const char* operation) {
  const std::size_t size = messages_.size();
  if (size > kMostSend) return fail(EMSGSIZE, operation, "too many changes for one transaction");
  if (send_buffer(socket_) < size + kSendSpare) {
    const int wanted = static_cast<int>(size + kSendSpare);
    // Where force is not allowed, the system's limit (net.core.wmem_max) counts.
    if (::setsockopt(socket_.fd(), SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) != 0) {
      ::setsockopt(socket_.fd(), SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
    }
  }
  const std::size_t answers = std::min((count_ + 2) * kRefusalMemory, kMostReceiveMemory);
  if (socket_.receive_buffer() < answers) socket_.set_receive_buffer(answers);
  return {};
}

Batch::Answers Batch::receive(const char* operation) {
  Answers answers;
  const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveLength);
  while (socket_.readable()) {
    auto received = socket_.receive({buffer.get(), kReceiveLength}, nullptr, operation);
    if (!received) {
      answers.lost = received.error().code;
      // The kernel says this once, and what has arrived before is still there.
      if (answers.lost == ENOBUFS || answers.lost == EMSGSIZE) continue;
      break;
    }
    MessageWalker walker(buffer.get(), *received);
    for (MessageView message; walker.next(message);) {
      const std::uint32_t number = message.header->nlmsg_seq - first_;
      if (number > count_) continue;  // an answer to something else
      if (number == 0 && generation_in(message)) answers.committed = true;
      if (message.header->nlmsg_type != NLMSG_ERROR) continue;
      Acknowledgement answer = read_acknowledgement(message);
      if (answer.code == 0) {
        if (number == count_) answers.acknowledged = true;
        continue;
      }
      const std::size_t index = number == 0 ? BatchRefusal::kWhole : number - 1;
      answers.refusals.push_back({index, answer.code, std::move(answer.text)});
    }
    if (!walker.intact()) answers.lost = EBADMSG;
  }
  std::stable_sort(answers.refusals.begin(), answers.refusals.end(),
                   [](const auto& a, const auto& b) { return a.index < b.index; });
  return answers;
}

Error Batch::judge(int code, const char* operation) {
  constexpr const char* kUnknown =
      "the answer was lost: nobody knows whether the rules were changed";
  if (generation_ == 0) return fail(code, operation, kUnknown);
  const auto now = read_generation(socket_, nullptr, operation);
  // A new generation can be that of this batch, or that of another program.
  if (!now.ok() || now.value() != generation_) return fail(code, operation, kUnknown);
  return fail(code, operation, "the answer was lost: nothing was changed");
}

Result<void> Batch::send(const char* operation) {
  // The numbers of this batch are used up for the socket too.
  for (std::size_t i = 0; i <= count_; i++) socket_.next_sequence();
  if (Error error = make_room(operation); error.code != 0) return error;
  if (auto sent = socket_.send(messages_.data(), messages_.size(), operation); !sent) {
    Error error = sent.error();
    if (error.detail.empty() && (error.code == EMSGSIZE || error.code == ENOBUFS)) {
      error.detail = "a transaction of " + std::to_string(messages_.size()) + " bytes is too large";
    }
    return error;
  }
  return {};
}

BatchOutcome Batch::refusal(Answers& answers) {
  BatchOutcome outcome;
  outcome.refusals = std::move(answers.refusals);
  outcome.complete = answers.lost == 0;
  const BatchRefusal& first = outcome.first();
  const bool stale = first.index == BatchRefusal::kWhole && first.code == ERESTART;
  outcome.end = stale ? BatchEnd::kStale : BatchEnd::kRefused;
  return outcome;
}

Result<BatchOutcome> Batch::rehearse(const char* operation) {
  if (count_ == 0) return BatchOutcome{};
  messages_.add_flags(NLM_F_ACK);
  if (auto sent = send(operation); !sent) return sent.error();
  Answers answers = receive(operation);
  if (!answers.refusals.empty()) return refusal(answers);
  if (answers.acknowledged && answers.lost == 0) return BatchOutcome{};
  return fail(answers.lost != 0 ? answers.lost : ENOMSG, operation, "the answer was lost");
}

Result<BatchOutcome> Batch::commit(const Cancel* cancel, const char* operation) {
  if (count_ == 0) return BatchOutcome{};
  if (cancel != nullptr && cancel->raised()) {
    return fail(ECANCELED, operation, {}, ErrorKind::kCancelled);
  }
  messages_.add_flags(NLM_F_ACK);
  messages_.begin(NFNL_MSG_BATCH_END, NLM_F_REQUEST, sequence_of(count_), AF_UNSPEC, NFNETLINK_V0,
                  NFNL_SUBSYS_NFTABLES);
  messages_.end();
  if (auto sent = send(operation); !sent) return sent.error();
  Answers answers = receive(operation);
  if (!answers.refusals.empty()) return refusal(answers);
  // Without an echo nothing was changed because nothing had to be, or the kernel is too old for it:
  // then all answers say what one would say.
  if (answers.committed || (answers.acknowledged && answers.lost == 0)) return BatchOutcome{};
  return judge(answers.lost != 0 ? answers.lost : ENOMSG, operation);
}

}  // namespace nf::nft
