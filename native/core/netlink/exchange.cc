// Batched request and answer.
#include "core/netlink/exchange.h"

#include <errno.h>

#include <algorithm>

namespace nf {
namespace {

// Real memory of one answer in the receive queue (skb truesize) is at most this for the sizes that
// ctnetlink sends: a 240-byte event was measured at 1280.
constexpr std::size_t kAnswerMemory = 2304;

}  // namespace

Exchange::Exchange(Socket& socket, const Cancel* cancel, const char* operation)
    : socket_(socket),
      cancel_(cancel),
      operation_(operation),
      buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveLength)) {}

std::size_t Exchange::window(std::size_t answers) const {
  const std::size_t fits = socket_.receive_buffer() / (kAnswerMemory * answers);
  return std::clamp<std::size_t>(fits, 1, 256);
}

std::uint32_t Exchange::next() {
  const std::uint32_t sequence = socket_.next_sequence();
  if (count_++ == 0) first_ = sequence;
  return sequence;
}

void Exchange::clear() {
  batch_.clear();
  count_ = 0;
}

Result<void> Exchange::run(const OnError& on_error) {
  return run([](std::size_t, const MessageView&) {}, on_error);
}

Result<void> Exchange::run(const OnMessage& on_message, const OnError& on_error) {
  Result<void> done = count_ == 0 ? Result<void>() : receive(on_message, on_error);
  clear();
  return done;
}

Result<void> Exchange::receive(const OnMessage& on_message, const OnError& on_error) {
  batch_.add_flags(NLM_F_ACK);
  if (auto sent = socket_.send(batch_.data(), batch_.size(), operation_); !sent) {
    return sent.error();
  }
  // Without the capability the kernel refuses the whole datagram with one error for its first
  // message (nfnetlink_rcv). If it refuses only the first message, the error looks the same. But
  // then the answers to the others are there too, because the kernel works during the send.
  bool first_refused = false;
  std::string why;
  for (;;) {
    if (first_refused && !socket_.readable()) return fail(EPERM, operation_, why);
    auto received = socket_.receive({buffer_.get(), kReceiveLength}, cancel_, operation_);
    if (!received) return received.error();
    MessageWalker walker(buffer_.get(), *received);
    for (MessageView message; walker.next(message);) {
      // An answer to an earlier batch, or an event, has an index beyond the last.
      const std::size_t index = message.header->nlmsg_seq - first_;
      if (message.header->nlmsg_type == NLMSG_ERROR) {
        if (index >= count_) continue;
        const Acknowledgement answer = read_acknowledgement(message);
        if (index == 0 && answer.code == EPERM) {
          first_refused = true;
          why = answer.text;
        }
        if (answer.code != 0) on_error(index, answer.code, answer.text);
        if (index == count_ - 1) return {};
      } else if (message.header->nlmsg_type >= NLMSG_MIN_TYPE) {
        on_message(index < count_ ? index : kNoIndex, message);
      }
    }
    if (!walker.intact()) return fail(EBADMSG, operation_, "malformed datagram");
  }
}

}  // namespace nf
