// Ids of other namespaces. Kernel behaviour: net/core/net_namespace.c (rtnl_net_getid,
// rtnl_net_notifyid, unhash_nsid).
#include "core/netlink/peers.h"

#include <errno.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "core/netlink/attribute.h"
#include "core/netlink/message.h"

namespace nf {
namespace {

std::optional<std::int32_t> id_in(const MessageView& message) {
  constexpr std::size_t skip = align4(sizeof(rtgenmsg));
  if (message.size < skip) return std::nullopt;
  AttributeCursor cursor(message.payload + skip, message.size - skip);
  for (Attribute a; cursor.next(a);) {
    if (a.type == NETNSA_NSID && a.size >= 4) return static_cast<std::int32_t>(a.u32());
  }
  return std::nullopt;
}

}  // namespace

void Peers::open(const char* operation) {
  operation_ = operation;
  auto socket = Socket::open(operation, NETLINK_ROUTE);
  // Without the reports nobody could tell when an id means another namespace.
  if (socket.ok() && socket->set_option(NETLINK_ADD_MEMBERSHIP, RTNLGRP_NSID)) {
    socket_ = std::move(*socket);
  }
}

void Peers::before_receive() {
  if (!socket_.valid()) return;
  doubted_.merge(fresh_);
  fresh_.clear();
  alignas(nlmsghdr) std::uint8_t buffer[4096];
  for (;;) {
    const auto got = ::recv(socket_.fd(), buffer, sizeof buffer, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) lose_all();
      break;
    }
    if (static_cast<std::size_t>(got) > sizeof buffer) {
      lose_all();
      continue;
    }
    MessageWalker walker(buffer, static_cast<std::size_t>(got));
    for (MessageView message; walker.next(message);) take(message);
  }
  doubted_.merge(fresh_);
  fresh_.clear();
}

// What the kernel says without having been asked. Any process can send a false report: it only
// makes an id unknown for a moment.
void Peers::take(const MessageView& message) {
  if (message.header->nlmsg_type != RTM_DELNSID) return;
  const auto id = id_in(message);
  if (!id.has_value()) return;
  known_.erase(*id);
  fresh_.insert(*id);
}

void Peers::lose_all() {
  known_.clear();
  lost_ = true;
}

void Peers::drained() {
  doubted_.clear();
  lost_ = false;
}

std::optional<bool> Peers::is(std::int32_t nsid, NetnsKey netns) {
  if (!socket_.valid() || lost_ || netns == 0) return std::nullopt;
  const auto in_doubt = [&] { return doubted_.contains(nsid) || fresh_.contains(nsid); };
  if (in_doubt()) return std::nullopt;
  if (const auto known = known_.find(nsid); known != known_.end()) return known->second == netns;
  const Fd fd = requester_namespace(netns);
  if (!fd.valid()) return std::nullopt;
  const auto id = ask(fd.get());
  if (!id.has_value() || lost_ || in_doubt()) return std::nullopt;
  if (*id == nsid) known_[nsid] = netns;
  return *id == nsid;
}

// The id of a namespace; -1 if it has none. Empty if the kernel does not say.
std::optional<std::int32_t> Peers::ask(int netns) {
  // struct rtgenmsg, padded, and struct nfgenmsg are the same four bytes.
  MessageBuilder request;
  const std::uint32_t sequence = socket_.next_sequence();
  request.begin(RTM_GETNSID, NLM_F_REQUEST, sequence, AF_UNSPEC);
  request.u32(NETNSA_FD, static_cast<std::uint32_t>(netns));
  request.end();
  if (!socket_.send(request.data(), request.size(), operation_)) return std::nullopt;
  alignas(nlmsghdr) std::uint8_t buffer[4096];
  std::optional<std::int32_t> id;
  for (bool answered = false; !answered;) {
    auto got = socket_.receive(buffer, nullptr, operation_);
    if (!got) {
      lose_all();
      return std::nullopt;
    }
    MessageWalker walker(buffer, *got);
    for (MessageView message; walker.next(message);) {
      if (message.header->nlmsg_seq != sequence) {
        take(message);
        continue;
      }
      answered = true;
      if (message.header->nlmsg_type == RTM_NEWNSID) id = id_in(message);
    }
  }
  return id;
}

}  // namespace nf
