// Requests in batches on one socket: many messages in one send, the acknowledgement asked for on
// the last only, answers and errors matched by sequence number. Knows nothing of what the messages
// mean.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/netlink/message.h"
#include "core/netlink/socket.h"

namespace nf {

class Exchange {
 public:
  // `operation` names errors and must outlive the exchange (a literal).
  Exchange(Socket& socket, const Cancel* cancel, const char* operation);

  // Messages that one send may carry so that all answers, at most `answers` datagrams each, fit
  // into the receive buffer whatever happens: an answer lost is an outcome unknown.
  std::size_t window(std::size_t answers) const;

  // Reserves the sequence number of the next message of the batch.
  std::uint32_t sequence() { return socket_.next_sequence(); }

  // Sends what the builder holds (its sequence numbers end with the last one reserved) and receives
  // until the last message is acknowledged or refused. `on_message` gets everything that is no
  // acknowledgement, `on_error` each refusal.
  using OnMessage = std::function<void(const MessageView&)>;
  using OnError = std::function<void(std::uint32_t sequence, int code, const std::string& text)>;
  Result<void> run(MessageBuilder& batch, std::uint32_t first, std::uint32_t last,
                   const OnMessage& on_message, const OnError& on_error);

 private:
  Socket& socket_;
  const Cancel* cancel_;
  const char* operation_;
  std::unique_ptr<std::uint8_t[]> buffer_;
};

}  // namespace nf
