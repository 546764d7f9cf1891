// A transaction of nf_tables: messages that the kernel takes all together, or none of them. Knows
// nothing of what the messages mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "core/netlink/message.h"
#include "core/netlink/socket.h"
#include "core/result.h"

namespace nf::nft {

// The number of the present state: each transaction of any program in the namespace makes a new
// one.
Result<std::uint32_t> read_generation(Socket& socket, const Cancel* cancel, const char* operation);

struct BatchRefusal {
  // The whole batch was refused, not one message: a commit that fails, a missing privilege.
  static constexpr std::size_t kWhole = ~std::size_t{0};
  std::size_t index = kWhole;  // of the message
  int code = 0;
  std::string text;
};

enum class BatchEnd : std::uint8_t {
  kCommitted,
  kStale,    // the generation is another one now; nothing was changed
  kRefused,  // nothing was changed
};

struct BatchOutcome {
  BatchEnd end = BatchEnd::kCommitted;
  std::vector<BatchRefusal> refusals;  // in the order of the messages
  bool complete = true;                // false: more refusals did not fit into the receive buffer

  // Of a batch that was refused. The whole batch counts as the last message, as it is only refused
  // when no message was.
  const BatchRefusal& first() const { return refusals.front(); }
};

class Batch {
 public:
  // Nothing else is sent on the socket before the commit.
  // The kernel refuses the batch if its generation is not `generation`. 0: any will do, but then a
  // lost answer leaves the outcome unknown.
  Batch(Socket& socket, std::uint32_t generation);

  // Of the tables that the messages from now on are about: NFPROTO_IPV4 or NFPROTO_IPV6.
  void set_family(std::uint8_t family) { family_ = family; }

  // Begins a message (NFT_MSG_*, NLM_F_*). Its attributes are appended to what is returned. Then it
  // is ended, or dropped: as if it had never begun.
  MessageBuilder& begin(std::uint16_t verb, std::uint16_t flags);
  std::size_t end();  // returns its index
  void drop();

  // How many messages there are, and the bytes that they take.
  std::size_t count() const { return count_; }
  std::size_t size() const { return messages_.size(); }

  // Sends all at once, and tells what the kernel says of each message. Nothing is changed: the
  // kernel drops a batch without an end. It does not look for loops of chains here. kCommitted: it
  // would take them.
  Result<BatchOutcome> rehearse(const char* operation);
  // Sends all at once and tells what came of it. The batch is used up then. An error says whether
  // something was changed: nothing before the send, and nothing if the text says so. EMSGSIZE,
  // ENOBUFS and ENOMEM: the batch is too large for the socket or for the kernel.
  // `cancel` only has an effect before the send.
  Result<BatchOutcome> commit(const Cancel* cancel, const char* operation);

 private:
  struct Answers;
  // A dropped message has used up no number, so that a number tells the index.
  std::uint32_t sequence_of(std::size_t index) const {
    return first_ + 1 + static_cast<std::uint32_t>(index);
  }
  // Asks for an acknowledgement of the last message.
  Result<void> send(const char* operation);
  Error make_room(const char* operation);
  Answers receive(const char* operation);
  static BatchOutcome refusal(Answers& answers);
  Error judge(int code, const char* operation);

  Socket& socket_;
  std::uint8_t family_ = 0;
  std::uint32_t generation_;
  MessageBuilder messages_;
  std::size_t count_ = 0;
  std::uint32_t first_ = 0;   // sequence number of the batch's own header; those of messages follow
  std::size_t begun_ = 0;     // where the message that is open begins
  std::size_t previous_ = 0;  // where the last message that was ended begins
};

}  // namespace nf::nft
