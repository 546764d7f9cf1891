// A stand-in for the kernel on a socket: a script answers what is sent on it. The calls are this
// program's own (scripted.cc): the linker takes them before those of the C library. Sockets without
// a script go to the kernel.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>

#include "core/conntrack/schema/fields.h"
#include "core/netlink/message.h"
#include "core/netlink/socket.h"
#include "test/check.h"
#include "test/filters.h"
#include "test/messages.h"

namespace nf::test {

using Bytes = std::vector<std::uint8_t>;

// Answers a socket: with the datagrams that follow what was sent.
class Script {
 public:
  virtual ~Script() = default;
  virtual void request(const MessageView& message) = 0;

  std::deque<Bytes>* answers = nullptr;  // of the socket that asks
  bool truncated = false;                // every datagram

 protected:
  // Code 0 is success.
  void acknowledge(const nlmsghdr& request, int code) {
    Bytes bytes(NLMSG_HDRLEN + sizeof(nlmsgerr));
    const nlmsghdr header{static_cast<std::uint32_t>(bytes.size()), NLMSG_ERROR, 0,
                          request.nlmsg_seq, 0};
    const nlmsgerr error{-code, request};
    std::memcpy(bytes.data(), &header, sizeof header);
    std::memcpy(&bytes[NLMSG_HDRLEN], &error, sizeof error);
    answers->push_back(bytes);
  }
  static Bytes end_of_dump(std::uint32_t sequence, std::uint16_t flags) {
    Bytes bytes(NLMSG_HDRLEN + 4);
    const nlmsghdr header{NLMSG_HDRLEN + 4, NLMSG_DONE, flags, sequence, 0};
    std::memcpy(bytes.data(), &header, sizeof header);
    return bytes;
  }
};

struct Line {
  Script* script = nullptr;
  std::deque<Bytes> answers;
};

// The sockets that have a script.
extern std::map<int, Line> lines;

// A socket that the script answers as long as this lives.
struct Scripted {
  explicit Scripted(Script& script) {
    auto opened = Socket::open("test");
    CHECK(opened.ok());
    socket = std::move(*opened);
    lines[socket.fd()] = {&script, {}};
  }
  ~Scripted() { lines.erase(socket.fd()); }
  Scripted(const Scripted&) = delete;
  Scripted& operator=(const Scripted&) = delete;
  Socket socket;
};

struct FakeFlow {
  std::uint8_t last = 2;  // last byte of its address, which identifies it
  std::uint32_t id = 1;
  std::uint32_t status = IPS_CONFIRMED;
  std::uint64_t packets = 10;
  std::uint32_t mark = 0;
  std::uint64_t start = 0;  // 0: no timestamps
};

inline constexpr std::uint16_t kNewMessage = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
inline constexpr std::uint16_t kDeleteMessage = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;

// A table that answers dumps, and requests that name a tuple.
class FakeTable final : public Script {
 public:
  std::vector<FakeFlow> flows;
  bool echo = false;
  // Called before a request is answered. It may change the table, or return an errno.
  std::function<int(std::uint16_t type, std::uint8_t last)> before;
  // Called after the dump has been answered.
  std::function<void()> after_dump;
  // Changes the datagrams of a dump.
  std::function<void(std::deque<Bytes>&)> garble;
  // Changes the message of a flow that was asked for by tuple.
  std::function<void(Bytes&)> garble_one;
  std::vector<std::pair<std::uint16_t, std::uint8_t>> seen;
  std::vector<std::optional<std::uint32_t>> deleted_ids;  // named by deletions
  std::vector<std::uint32_t> statuses;                    // asked for by updates

  void request(const MessageView& message) override {
    const nlmsghdr& header = *message.header;
    const std::uint16_t verb = header.nlmsg_type & 0xff;
    if ((header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP) return dump(header.nlmsg_seq);
    // It does not say how many flows there are.
    if (verb == IPCTNL_MSG_CT_GET_STATS) return acknowledge(header, EOPNOTSUPP);
    const Request asked = request_of(message);
    const std::uint8_t last = asked.last;
    seen.emplace_back(verb, last);
    if (verb == IPCTNL_MSG_CT_DELETE) deleted_ids.push_back(asked.id);
    int code = before ? before(verb, last) : 0;
    const auto found = std::find_if(flows.begin(), flows.end(), [&](const FakeFlow& flow) {
      return flow.last == last && flow.id == asked.id.value_or(flow.id);
    });
    if (code == 0 && found == flows.end()) code = ENOENT;
    if (code == 0 && verb == IPCTNL_MSG_CT_NEW) {
      statuses.push_back(asked.status.value_or(0));
    }
    if (code == 0 && (verb == IPCTNL_MSG_CT_GET || verb == IPCTNL_MSG_CT_GET_CTRZERO)) {
      answers->push_back(flow_message(*found, kNewMessage, header.nlmsg_seq, 0));
      if (garble_one) garble_one(answers->back());
    }
    if (code == 0 && verb == IPCTNL_MSG_CT_DELETE) {
      if (echo && (header.nlmsg_flags & NLM_F_ECHO) != 0) {
        answers->push_back(flow_message(*found, kDeleteMessage, 0, 0));
      }
      flows.erase(found);
    }
    if (code != 0 || (header.nlmsg_flags & NLM_F_ACK) != 0) acknowledge(header, code);
  }
  std::size_t count(std::uint16_t verb) const {
    std::size_t sum = 0;
    for (const auto& one : seen) sum += one.first == verb ? 1 : 0;
    return sum;
  }

 private:
  // What a request names and asks for.
  struct Request {
    std::uint8_t last = 0;
    std::optional<std::uint32_t> id;
    std::optional<std::uint32_t> status;
  };
  static Request request_of(const MessageView& message) {
    Request asked;
    AttributeCursor cursor(message.payload + sizeof(nfgenmsg), message.size - sizeof(nfgenmsg));
    for (Attribute a; cursor.next(a);) {
      if (a.type == CTA_ID) asked.id = a.be32();
      if (a.type == CTA_STATUS) asked.status = a.be32();
      if (a.type != CTA_TUPLE_ORIG) continue;
      AttributeCursor tuple(a);
      for (Attribute part; tuple.next(part);) {
        if (part.type != CTA_TUPLE_IP) continue;
        AttributeCursor addresses(part);
        for (Attribute address; addresses.next(address);) {
          if (address.type == CTA_IP_V4_SRC) asked.last = address.data[3];
        }
      }
    }
    CHECK(asked.last != 0);
    return asked;
  }
  static Bytes flow_message(const FakeFlow& flow, std::uint16_t type, std::uint32_t sequence,
                            std::uint16_t flags) {
    FlowMessage message;
    message.tuples(IPPROTO_TCP, endpoint4(flow.last, 1000, 80));
    message.builder.be32(CTA_STATUS, flow.status);
    message.builder.be32(CTA_TIMEOUT, 100);
    message.counters(CTA_COUNTERS_ORIG, flow.packets, flow.packets * 100);
    message.counters(CTA_COUNTERS_REPLY, 0, 0);
    message.builder.u32(CTA_ID, htonl(flow.id));
    if (flow.mark != 0) message.builder.be32(CTA_MARK, flow.mark);
    if (flow.start != 0) {
      const auto nest = message.builder.open_nest(CTA_TIMESTAMP);
      message.be64(CTA_TIMESTAMP_START, flow.start);
      message.builder.close_nest(nest);
    }
    message.builder.end();
    Bytes bytes(message.builder.data(), message.builder.data() + message.builder.size());
    nlmsghdr header{};
    std::memcpy(&header, bytes.data(), sizeof header);
    header.nlmsg_type = type;
    header.nlmsg_seq = sequence;
    header.nlmsg_flags = flags;
    std::memcpy(bytes.data(), &header, sizeof header);
    return bytes;
  }
  void dump(std::uint32_t sequence) {
    std::deque<Bytes> datagrams;
    for (const FakeFlow& flow : flows) {
      datagrams.push_back(flow_message(flow, kNewMessage, sequence, NLM_F_MULTI));
    }
    datagrams.push_back(end_of_dump(sequence, NLM_F_MULTI));
    if (garble) garble(datagrams);
    for (Bytes& datagram : datagrams) answers->push_back(std::move(datagram));
    if (after_dump) after_dump();
  }
};

// A change of one field, as src/conntrack packs it: {size, field, payload}.
inline Bytes change_of(ct::Field field, std::uint32_t value) {
  Bytes bytes(8);
  const std::uint16_t header[] = {4, static_cast<std::uint16_t>(field)};
  std::memcpy(bytes.data(), header, sizeof header);
  std::memcpy(&bytes[4], &value, sizeof value);
  return bytes;
}
// A change that adds status bits.
inline Bytes status_change(std::uint32_t bits) { return change_of(ct::Field::status, bits); }

}  // namespace nf::test
