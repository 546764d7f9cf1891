// Asking for the ids of namespaces.
#include "core/nsid.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sys/stat.h>

#include "core/fd.h"
#include "core/netlink/message.h"
#include "core/netlink/socket.h"

namespace nf {
namespace {

std::int32_t id_of(const MessageView& message) {
  constexpr std::size_t skip = align4(sizeof(rtgenmsg));
  if (message.header->nlmsg_type != RTM_NEWNSID || message.size < skip) return kNoNsid;
  AttributeCursor cursor(message.payload + skip, message.size - skip);
  for (Attribute a; cursor.next(a);) {
    if (a.type == NETNSA_NSID && a.size >= 4) return static_cast<std::int32_t>(a.u32());
  }
  return kNoNsid;
}

Result<std::int32_t> ask(Socket& socket, int fd, const char* operation) {
  // struct rtgenmsg, padded, and struct nfgenmsg are the same four bytes.
  MessageBuilder request;
  const std::uint32_t sequence = socket.next_sequence();
  request.begin(RTM_GETNSID, NLM_F_REQUEST, sequence, AF_UNSPEC);
  request.u32(NETNSA_FD, static_cast<std::uint32_t>(fd));
  request.end();
  if (auto sent = socket.send(request.data(), request.size(), operation); !sent) {
    return sent.error();
  }
  alignas(nlmsghdr) std::uint8_t buffer[1024];
  for (;;) {
    auto got = socket.receive(buffer, nullptr, operation);
    if (!got) return got.error();
    MessageWalker walker(buffer, *got);
    for (MessageView message; walker.next(message);) {
      if (message.header->nlmsg_seq == sequence) return id_of(message);
    }
    if (!walker.intact()) return fail(EBADMSG, operation, "malformed datagram");
  }
}

}  // namespace

Result<NamespaceIds> namespace_ids(const std::vector<std::string>& paths, const char* operation) {
  NamespaceIds result;
  struct stat here {};
  if (::stat("/proc/thread-self/ns/net", &here) != 0) return fail(errno, operation);
  result.own = here.st_ino;
  auto socket = Socket::open(operation, NETLINK_ROUTE);
  if (!socket) return socket.error();
  for (const std::string& path : paths) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd.valid()) {
      result.ids.push_back(kNoFile);
      continue;
    }
    auto id = ask(*socket, fd.get(), operation);
    if (!id) return id.error();
    result.ids.push_back(*id);
  }
  return result;
}

}  // namespace nf
