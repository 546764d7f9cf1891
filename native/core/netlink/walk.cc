// Reading the answers of a dump to their end.
#include "core/netlink/walk.h"

#include <errno.h>

#include <cstring>

#include "core/netlink/dump.h"

namespace nf {
namespace {

constexpr int kReadings = 8;

// True if the list stayed as it was while it was read.
Result<bool> read_once(Socket& socket, const WalkRequest& wanted, const Cancel* cancel,
                       const char* operation,
                       const std::function<void(std::uint8_t, AttributeCursor)>& each) {
  MessageBuilder request;
  const std::uint32_t sequence = socket.next_sequence();
  request.begin(wanted.type, NLM_F_REQUEST | NLM_F_DUMP, sequence, wanted.family);
  if (wanted.attributes) wanted.attributes(request);
  request.end();
  auto answer = dump(socket, request, sequence, cancel, operation, [&](const MessageView& message) {
    constexpr std::size_t skip = align4(sizeof(nfgenmsg));
    if (message.size < skip) return;
    nfgenmsg generic{};
    std::memcpy(&generic, message.payload, sizeof generic);
    each(generic.nfgen_family, AttributeCursor(message.payload + skip, message.size - skip));
  });
  if (!answer) return answer.error();
  if (answer->code() != 0) return fail(answer->code(), operation, answer->text());
  return !answer->interrupted();
}

}  // namespace

Result<void> walk(Socket& socket, const WalkRequest& request, const Cancel* cancel,
                  const char* operation, const std::function<void()>& restart,
                  const std::function<void(std::uint8_t, AttributeCursor)>& each) {
  for (int reading = 0; reading < kReadings; reading++) {
    restart();
    auto steady = read_once(socket, request, cancel, operation, each);
    if (!steady) return steady.error();
    if (*steady) return {};
  }
  return fail(EAGAIN, operation, "the list changed in every reading");
}

}  // namespace nf
