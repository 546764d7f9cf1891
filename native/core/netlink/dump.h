// The one loop that sends a dump request and reads every message of the answer until the kernel
// says that it was the last. Knows nothing of what the messages mean.
#pragma once

#include <errno.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/netlink/message.h"
#include "core/netlink/socket.h"

namespace nf {

enum class DumpStep : std::uint8_t {
  kMore,     // another datagram will come
  kEnd,      // the kernel has said that this was all, or refused
  kStopped,  // `each` wants no more
};

// The answer to one dump request, datagram by datagram.
class DumpAnswer {
 public:
  explicit DumpAnswer(std::uint32_t sequence) : sequence_(sequence) {}

  // Calls `each(message)` for every message of the dump that a datagram holds, as long as that
  // returns true.
  template <typename Each>
  DumpStep datagram(std::span<const std::uint8_t> bytes, const Each& each) {
    MessageWalker walker(bytes.data(), bytes.size());
    for (MessageView message; walker.next(message);) {
      if (message.header->nlmsg_seq != sequence_) continue;
      if ((message.header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted_ = true;
      if (is_end(message)) {
        end_ = read_acknowledgement(message);
        return DumpStep::kEnd;
      }
      if (message.header->nlmsg_type < NLMSG_MIN_TYPE) continue;
      if (!each(message)) return DumpStep::kStopped;
    }
    if (!walker.intact()) malformed_ = true;
    return DumpStep::kMore;
  }

  // Whether a datagram has the end of the dump. Reads nothing else of it.
  bool ends(std::span<const std::uint8_t> bytes) const;

  // After the end: the errno of a refusal, or 0 for a complete dump.
  int code() const { return end_.code; }
  const std::string& text() const { return end_.text; }
  // The kernel's list changed during the dump: something may be missing or be there twice.
  bool interrupted() const { return interrupted_; }
  // Whether bytes that are no message have come since the last call.
  bool take_malformed() {
    const bool was = malformed_;
    malformed_ = false;
    return was;
  }

 private:
  static bool is_end(const MessageView& message) {
    const std::uint16_t type = message.header->nlmsg_type;
    return type == NLMSG_DONE || type == NLMSG_ERROR;
  }

  std::uint32_t sequence_;
  Acknowledgement end_;
  bool interrupted_ = false;
  bool malformed_ = false;
};

// Sends a dump request that has this sequence number, and reads its answer to the end on the
// calling thread. A refusal by the kernel is not an error here: it is in the answer. Bytes that are
// no message are an error (EBADMSG): nobody knows what was in them.
template <typename Each>
Result<DumpAnswer> dump(Socket& socket, const MessageBuilder& request, std::uint32_t sequence,
                        const Cancel* cancel, const char* operation, const Each& each) {
  if (auto sent = socket.send(request.data(), request.size(), operation); !sent) {
    return sent.error();
  }
  DumpAnswer answer(sequence);
  const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveLength);
  const auto every = [&](const MessageView& message) {
    each(message);
    return true;
  };
  for (;;) {
    auto received = socket.receive({buffer.get(), kReceiveLength}, cancel, operation);
    if (!received) return received.error();
    const DumpStep step = answer.datagram({buffer.get(), *received}, every);
    if (answer.take_malformed()) return fail(EBADMSG, operation, "malformed datagram");
    if (step == DumpStep::kEnd) return answer;
  }
}

}  // namespace nf
