// Requests in batches on one socket: many messages in one send. Only the last asks for an
// acknowledgement. Answers and errors are matched by sequence number. Knows nothing of what the
// messages mean.
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

  // How many messages one send may have, so that all answers, at most `answers` datagrams each,
  // always fit into the receive buffer. If an answer is lost, nobody knows the outcome.
  std::size_t window(std::size_t answers) const;

  // The messages of the next send. Each begins with a sequence number of `next`. Nothing else is
  // sent on the socket until they are sent.
  MessageBuilder& batch() { return batch_; }
  std::uint32_t next();
  // How many messages there are so far.
  std::size_t count() const { return count_; }
  // Forgets them.
  void clear();

  // Sends the batch and receives until the last message is acknowledged or refused. Then the next
  // batch begins. `index` counts the messages from 0. `on_message` gets everything that is no
  // acknowledgement; the index of an event is kNoIndex, as it has no sequence number. `on_error`
  // gets each refusal.
  static constexpr std::size_t kNoIndex = ~std::size_t{0};
  using OnMessage = std::function<void(std::size_t index, const MessageView&)>;
  using OnError = std::function<void(std::size_t index, int code, const std::string& text)>;
  Result<void> run(const OnMessage& on_message, const OnError& on_error);
  // The same for callers that want no answer but a refusal.
  Result<void> run(const OnError& on_error);

 private:
  Result<void> receive(const OnMessage& on_message, const OnError& on_error);

  Socket& socket_;
  const Cancel* cancel_;
  const char* operation_;
  std::unique_ptr<std::uint8_t[]> buffer_;
  MessageBuilder batch_;
  std::uint32_t first_ = 0;
  std::size_t count_ = 0;
};

// The refusal of a single request. Code 0: there was none.
struct Refusal {
  int code = 0;
  std::string text;
};

// Sends one request, made by `build(message, sequence)`, and receives its answers. A refusal by the
// kernel is no error here.
template <typename Build>
Result<Refusal> request(Exchange& exchange, const Build& build,
                        const std::function<void(const MessageView&)>& on_message = {}) {
  exchange.clear();
  build(exchange.batch(), exchange.next());
  Refusal refusal;
  auto done = exchange.run(
      [&](std::size_t, const MessageView& message) {
        if (on_message) on_message(message);
      },
      [&](std::size_t, int code, const std::string& text) {
        refusal = {code, text};
      });
  if (!done) return done.error();
  return refusal;
}

}  // namespace nf
