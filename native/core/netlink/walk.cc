// Reading the answers of a dump to their end.
#include "core/netlink/walk.h"

#include <errno.h>

#include <memory>

namespace nf {
namespace {

constexpr int kReadings = 8;

// True when the list stayed as it was while it was read.
Result<bool> read_once(Socket& socket, const WalkRequest& wanted, const Cancel* cancel,
                       const char* operation, std::span<std::uint8_t> buffer,
                       const std::function<void(std::uint8_t, AttributeCursor)>& each) {
  MessageBuilder request;
  const std::uint32_t sequence = socket.next_sequence();
  request.begin(wanted.type, NLM_F_REQUEST | NLM_F_DUMP, sequence, wanted.family);
  if (wanted.attributes) wanted.attributes(request);
  request.end();
  if (auto sent = socket.send(request.data(), request.size(), operation); !sent) {
    return sent.error();
  }
  bool steady = true;
  for (;;) {
    auto got = socket.receive(buffer, cancel, operation);
    if (!got) return got.error();
    MessageWalker walker(buffer.data(), *got);
    for (MessageView message; walker.next(message);) {
      if (message.header->nlmsg_seq != sequence) continue;
      if ((message.header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) steady = false;
      if (message.header->nlmsg_type == NLMSG_DONE || message.header->nlmsg_type == NLMSG_ERROR) {
        const Acknowledgement end = read_acknowledgement(message);
        if (end.code != 0) return fail(end.code, operation, end.text);
        return steady;
      }
      constexpr std::size_t skip = align4(sizeof(nfgenmsg));
      if (message.size < skip) continue;
      nfgenmsg generic{};
      std::memcpy(&generic, message.payload, sizeof generic);
      each(generic.nfgen_family, AttributeCursor(message.payload + skip, message.size - skip));
    }
    if (!walker.intact()) return fail(EBADMSG, operation, "malformed datagram");
  }
}

}  // namespace

Result<void> walk(Socket& socket, const WalkRequest& request, const Cancel* cancel,
                  const char* operation, const std::function<void()>& restart,
                  const std::function<void(std::uint8_t, AttributeCursor)>& each) {
  const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveLength);
  for (int reading = 0; reading < kReadings; reading++) {
    restart();
    auto steady =
        read_once(socket, request, cancel, operation, {buffer.get(), kReceiveLength}, each);
    if (!steady) return steady.error();
    if (*steady) return {};
  }
  return fail(EAGAIN, operation, "the list changed in every reading");
}

}  // namespace nf
