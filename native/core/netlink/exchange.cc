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

Result<void> Exchange::run(MessageBuilder& batch, std::uint32_t first, std::uint32_t last,
                           const OnMessage& on_message, const OnError& on_error) {
  batch.add_flags(NLM_F_ACK);
  if (auto sent = socket_.send(batch.data(), batch.size(), operation_); !sent) return sent.error();
  // Without the capability the kernel refuses the datagram as a whole, by one error for its first
  // message (nfnetlink_rcv). A first message that is refused by itself looks the same, but then the
  // answers to the others are there as well, for the kernel works while it is being sent to.
  bool first_refused = false;
  std::string why;
  for (;;) {
    if (first_refused && !socket_.readable()) return fail(EPERM, operation_, why);
    auto received = socket_.receive({buffer_.get(), kReceiveLength}, cancel_, operation_);
    if (!received) return received.error();
    MessageWalker walker(buffer_.get(), *received);
    for (MessageView message; walker.next(message);) {
      const std::uint32_t sequence = message.header->nlmsg_seq;
      if (message.header->nlmsg_type == NLMSG_ERROR) {
        if (sequence - first > last - first) continue;  // of an earlier batch
        const Acknowledgement answer = read_acknowledgement(message);
        if (sequence == first && answer.code == EPERM) {
          first_refused = true;
          why = answer.text;
        }
        if (answer.code != 0) on_error(sequence, answer.code, answer.text);
        if (sequence == last) return {};
      } else if (message.header->nlmsg_type >= NLMSG_MIN_TYPE) {
        on_message(message);
      }
    }
    if (!walker.intact()) return fail(EBADMSG, operation_, "malformed datagram");
  }
}

}  // namespace nf
