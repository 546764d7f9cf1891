// NETLINK_NETFILTER sockets.
#include "core/netlink/socket.h"

#include <errno.h>
#include <poll.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <optional>

#include "core/netlink/attribute.h"
#include "core/netlink/trace.h"

namespace nf {

Result<Socket> Socket::open(const char* operation, int protocol) {
  Socket socket;
  socket.fd_ = Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!socket.fd_.valid()) return fail(errno, operation);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return fail(errno, operation);
  }
  socklen_t length = sizeof address;
  if (::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return fail(errno, operation);
  }
  socket.port_ = address.nl_pid;
  // Each family of messages has port ids of its own, and only netfilter's come back in events.
  socket.netfilter_ = protocol == NETLINK_NETFILTER;
  if (socket.netfilter_) socket.netns_ = netns_key(socket.fd());
  // Both only improve errors: these have a text, and do not repeat the whole refused request.
  socket.set_option(NETLINK_EXT_ACK, 1);
  socket.set_option(NETLINK_CAP_ACK, 1);
  return socket;
}

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    std::destroy_at(this);
    std::construct_at(this, std::move(other));
  }
  return *this;
}

bool Socket::set_option(int option, int value) {
  return ::setsockopt(fd(), SOL_NETLINK, option, &value, sizeof value) == 0;
}

std::size_t Socket::receive_buffer() const {
  int value = 0;
  socklen_t length = sizeof value;
  if (::getsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &value, &length) != 0) return 0;
  return static_cast<std::size_t>(value);
}

std::size_t Socket::set_receive_buffer(std::size_t bytes) {
  // The kernel doubles the value that it is given; what is asked for here is the effective size.
  const int value = static_cast<int>(bytes / 2);
  if (::setsockopt(fd(), SOL_SOCKET, SO_RCVBUFFORCE, &value, sizeof value) != 0) {
    ::setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &value, sizeof value);
  }
  return receive_buffer();
}

Result<void> Socket::send(const void* data, std::size_t size, const char* operation) {
  if (netfilter_ && !requester_.entered()) requester_.enter(netns_, port_, fd());
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  for (;;) {
    const auto sent = ::sendto(fd(), data, size, MSG_NOSIGNAL,
                               reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
    if (sent == static_cast<ssize_t>(size)) {
      trace::sent(fd(), data, size);
      return {};
    }
    if (sent >= 0) return fail(EMSGSIZE, operation, "short send");
    if (errno != EINTR) return fail(errno, operation);
  }
}

Result<std::size_t> Socket::receive(std::span<std::uint8_t> buffer, const Cancel* cancel,
                                    const char* operation) {
  using Clock = std::chrono::steady_clock;
  std::optional<Clock::time_point> deadline;  // from the first sleep on
  for (;;) {
    if (cancel != nullptr && cancel->raised()) {
      return fail(ECANCELED, operation, {}, ErrorKind::kCancelled);
    }
    iovec vector{buffer.data(), buffer.size()};
    sockaddr_nl from{};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    const auto received = ::recvmsg(fd(), &message, MSG_DONTWAIT);
    if (received >= 0) {
      if ((message.msg_flags & MSG_TRUNC) != 0) return fail(EMSGSIZE, operation, "truncated");
      // Only the kernel (port 0) answers; any process may send to a netlink port.
      if (from.nl_pid != 0) continue;
      trace::received(fd(), buffer.data(), static_cast<std::size_t>(received));
      return static_cast<std::size_t>(received);
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return fail(errno, operation);
    const auto now = Clock::now();
    if (!deadline.has_value()) deadline = now + kAnswerWait;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - now).count();
    if (left <= 0) return fail(ETIMEDOUT, operation, "no answer");
    wait_readable(fd(), cancel, static_cast<int>(left));
  }
}

bool Socket::readable() const {
  pollfd wait{fd(), POLLIN, 0};
  return ::poll(&wait, 1, 0) > 0;
}

bool MessageWalker::next(MessageView& out) {
  if (left_ == 0) return false;
  nlmsghdr header{};
  if (left_ < sizeof header) {
    intact_ = false;
    return false;
  }
  std::memcpy(&header, at_, sizeof header);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > left_) {
    intact_ = false;
    return false;
  }
  out.header = reinterpret_cast<const nlmsghdr*>(at_);
  out.payload = at_ + NLMSG_HDRLEN;
  out.size = header.nlmsg_len - NLMSG_HDRLEN;
  const std::size_t step = align4(header.nlmsg_len);
  if (step >= left_) {
    left_ = 0;
  } else {
    at_ += step;
    left_ -= step;
  }
  return true;
}

Acknowledgement read_acknowledgement(const MessageView& message) {
  Acknowledgement result;
  std::int32_t code = 0;
  if (message.size < sizeof code) {
    // NLMSG_DONE of old kernels carries nothing: a normal end.
    result.code = message.header->nlmsg_type == NLMSG_DONE ? 0 : EBADMSG;
    return result;
  }
  std::memcpy(&code, message.payload, sizeof code);
  // The kernel's errors end at 4095 (MAX_ERRNO). Anything beyond is no code. It may have no
  // negative value.
  constexpr std::int32_t kMaxErrno = 4095;
  result.code = code >= 0 ? 0 : code >= -kMaxErrno ? -code : EBADMSG;
  if ((message.header->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return result;
  std::size_t skip = sizeof code;
  if (message.header->nlmsg_type == NLMSG_ERROR) {
    if (message.size < sizeof(nlmsgerr)) return result;
    skip = sizeof(nlmsgerr);
    if ((message.header->nlmsg_flags & NLM_F_CAPPED) == 0) {
      // The whole refused request follows the error code.
      nlmsghdr refused{};
      std::memcpy(&refused, message.payload + sizeof code, sizeof refused);
      if (refused.nlmsg_len < sizeof refused) return result;
      skip = sizeof code + align4(refused.nlmsg_len);
    }
  }
  if (skip >= message.size) return result;
  AttributeCursor cursor(message.payload + skip, message.size - skip);
  for (Attribute attribute; cursor.next(attribute);) {
    if (attribute.type != NLMSGERR_ATTR_MSG || attribute.size == 0) continue;
    const auto* text = reinterpret_cast<const char*>(attribute.data);
    result.text.assign(text, ::strnlen(text, attribute.size));
  }
  return result;
}

}  // namespace nf
