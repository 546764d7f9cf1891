// A NETLINK_NETFILTER socket. It is opened in the network namespace of the calling thread, and
// stays in it. A Cancel interrupts receiving. Also here: the walk over the messages of a datagram,
// and the kernel's errors with their extended-ack text. Knows nothing of conntrack.
#pragma once

#include <linux/netlink.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "core/fd.h"
#include "core/netlink/requesters.h"
#include "core/result.h"

namespace nf {

// The kernel never builds a dump chunk above this (af_netlink.c: SKB_WITH_OVERHEAD of 32 KiB), and
// builds it as large as the largest receive length that the socket has seen.
inline constexpr std::size_t kReceiveLength = 32768;

// How long to wait for an answer. The kernel answers during the send (nfnetlink_rcv). So an answer
// that is not there by then is lost, and nothing would ever wake the waiter.
inline constexpr std::chrono::seconds kAnswerWait{10};

class Socket {
 public:
  Socket() = default;
  Socket(Socket&&) noexcept = default;
  Socket& operator=(Socket&& other) noexcept;
  // `protocol` is NETLINK_NETFILTER, or another family of messages.
  static Result<Socket> open(const char* operation, int protocol = NETLINK_NETFILTER);

  bool valid() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }
  std::uint32_t port() const { return port_; }
  // Of NETLINK_NETFILTER sockets: the namespace that it was opened in; 0 if that is not known.
  NetnsKey netns() const { return netns_; }
  std::uint32_t next_sequence() { return ++sequence_; }

  // Asks for a receive buffer, by force where allowed; returns the effective size.
  std::size_t set_receive_buffer(std::size_t bytes);
  std::size_t receive_buffer() const;
  bool set_option(int option, int value);

  Result<void> send(const void* data, std::size_t size, const char* operation);
  // One datagram. Waits until there is one, `cancel` is raised (kind kCancelled) or kAnswerWait has
  // passed (ETIMEDOUT). A truncated datagram is EMSGSIZE, so that half a chunk never passes for a
  // whole one.
  Result<std::size_t> receive(std::span<std::uint8_t> buffer, const Cancel* cancel,
                              const char* operation);
  // Whether a datagram is there now.
  bool readable() const;

 private:
  Fd fd_;
  NetnsKey netns_ = 0;
  bool netfilter_ = false;
  std::uint32_t port_ = 0;
  std::uint32_t sequence_ = 0;
  Requester requester_;  // after fd_: it leaves the list while the descriptor is open
};

// One netlink message inside a datagram.
struct MessageView {
  const nlmsghdr* header = nullptr;  // 4-aligned inside the receive buffer
  const std::uint8_t* payload = nullptr;
  std::size_t size = 0;
};

class MessageWalker {
 public:
  MessageWalker(const std::uint8_t* data, std::size_t size) : at_(data), left_(size) {}
  bool next(MessageView& out);
  // False if bytes were left that are no message.
  bool intact() const { return intact_; }

 private:
  const std::uint8_t* at_;
  std::size_t left_;
  bool intact_ = true;
};

// errno (positive, 0 for an ACK) and extended-ack text of an NLMSG_ERROR or NLMSG_DONE message.
struct Acknowledgement {
  int code = 0;
  std::string text;
};
Acknowledgement read_acknowledgement(const MessageView& message);

}  // namespace nf
