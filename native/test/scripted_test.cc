// What the core makes of answers that the real kernel hardly ever gives, or never twice: a stand-in
// answers what is sent on a socket, in place of the kernel. The calls are this program's own (the
// linker takes them before those of the C library); sockets that no script belongs to go to the
// kernel.
#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>

#include <atomic>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <optional>

#include "core/conntrack/bulk.h"
#include "core/conntrack/flow_request.h"
#include "core/conntrack/lookup.h"
#include "core/conntrack/table_dump.h"
#include "core/conntrack/tuple_request.h"
#include "test/check.h"
#include "test/messages.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

// What answers a socket: the datagrams that follow what was sent.
class Script {
 public:
  virtual ~Script() = default;
  virtual void request(const nf::MessageView& message) = 0;

  std::deque<Bytes>* answers = nullptr;  // of the socket that asks
  bool truncated = false;                // every datagram
};

struct Line {
  Script* script = nullptr;
  std::deque<Bytes> answers;
};
std::map<int, Line> lines;
std::atomic<std::int64_t> skipped{0};  // seconds: waiting for a silent script takes none

Line* line_of(int fd) {
  const auto found = lines.find(fd);
  return found == lines.end() ? nullptr : &found->second;
}

}  // namespace

extern "C" {

ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* to,
               socklen_t to_size) {
  Line* line = line_of(fd);
  if (line == nullptr) return ::syscall(SYS_sendto, fd, data, size, flags, to, to_size);
  nf::MessageWalker walker(static_cast<const std::uint8_t*>(data), size);
  line->script->answers = &line->answers;
  for (nf::MessageView message; walker.next(message);) line->script->request(message);
  return static_cast<ssize_t>(size);
}

ssize_t recvmsg(int fd, msghdr* message, int flags) {
  Line* line = line_of(fd);
  if (line == nullptr) return ::syscall(SYS_recvmsg, fd, message, flags);
  if (line->answers.empty()) {
    errno = EAGAIN;
    return -1;
  }
  const Bytes datagram = std::move(line->answers.front());
  line->answers.pop_front();
  std::memcpy(message->msg_iov->iov_base, datagram.data(), datagram.size());
  message->msg_flags = line->script->truncated ? MSG_TRUNC : 0;
  return static_cast<ssize_t>(datagram.size());
}

// glibc says that poll() only writes its first argument.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
int poll(pollfd* waits, nfds_t count, int timeout) {
  const Line* line = count > 0 ? line_of(waits[0].fd) : nullptr;
  if (line == nullptr) return static_cast<int>(::syscall(SYS_poll, waits, count, timeout));
  waits[0].revents = static_cast<short>(line->answers.empty() ? 0 : POLLIN);
  if (line->answers.empty() && timeout > 0) skipped += (timeout + 999) / 1000;
  return line->answers.empty() ? 0 : 1;
}
#pragma GCC diagnostic pop

int clock_gettime(clockid_t clock, timespec* now) {
  const int result = static_cast<int>(::syscall(SYS_clock_gettime, clock, now));
  if (clock == CLOCK_MONOTONIC) now->tv_sec += skipped;
  return result;
}

}  // extern "C"

namespace nf::ct {
namespace {

using test::endpoint4;
using test::FlowMessage;

struct FakeFlow {
  std::uint8_t last = 2;  // byte of its address, by which it is known
  std::uint32_t id = 1;
  std::uint32_t status = IPS_CONFIRMED;
  std::uint64_t packets = 10;
};

constexpr std::uint16_t kNewMessage = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
constexpr std::uint16_t kDeleteMessage = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;

// A table, and what is asked of it by tuple.
class FakeTable final : public Script {
 public:
  std::vector<FakeFlow> flows;
  bool echo = false;
  // Looked at before a request is answered: what happens to the table meanwhile, or an errno.
  std::function<int(std::uint16_t type, std::uint8_t last)> before;
  // Looked at after the dump has been answered.
  std::function<void()> after_dump;
  // Changes the datagrams of a dump.
  std::function<void(std::deque<Bytes>&)> garble;
  std::vector<std::pair<std::uint16_t, std::uint8_t>> seen;
  std::vector<std::uint32_t> statuses;  // that updates asked for

  void request(const MessageView& message) override {
    const nlmsghdr& header = *message.header;
    const std::uint16_t verb = header.nlmsg_type & 0xff;
    if ((header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP) return dump(header.nlmsg_seq);
    // How many flows there are is not told.
    if (verb == IPCTNL_MSG_CT_GET_STATS) return acknowledge(header, EOPNOTSUPP);
    const Request asked = request_of(message);
    const std::uint8_t last = asked.last;
    seen.emplace_back(verb, last);
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
    Bytes done(NLMSG_HDRLEN + 4);
    const nlmsghdr header{NLMSG_HDRLEN + 4, NLMSG_DONE, NLM_F_MULTI, sequence, 0};
    std::memcpy(done.data(), &header, sizeof header);
    datagrams.push_back(done);
    if (garble) garble(datagrams);
    for (Bytes& datagram : datagrams) answers->push_back(std::move(datagram));
    if (after_dump) after_dump();
  }
  void acknowledge(const nlmsghdr& request, int code) {
    Bytes bytes(NLMSG_HDRLEN + sizeof(nlmsgerr));
    const nlmsghdr header{static_cast<std::uint32_t>(bytes.size()), NLMSG_ERROR, 0,
                          request.nlmsg_seq, 0};
    const nlmsgerr error{-code, request};
    std::memcpy(bytes.data(), &header, sizeof header);
    std::memcpy(&bytes[NLMSG_HDRLEN], &error, sizeof error);
    answers->push_back(bytes);
  }
};

// A socket that the table answers, while it lives.
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

Filter everything() {
  auto filter = Filter::compile({});
  CHECK(filter.ok());
  return std::move(*filter);
}

// A change that adds status bits, as src/conntrack packs it: {size, field, payload}.
Bytes status_change(std::uint32_t bits) {
  Bytes bytes(8);
  const std::uint16_t header[] = {4, static_cast<std::uint16_t>(Field::status)};
  std::memcpy(bytes.data(), header, sizeof header);
  std::memcpy(&bytes[4], &bits, sizeof bits);
  return bytes;
}

Result<BulkStats> update_all(FakeTable& table, std::uint32_t bits) {
  Scripted dump(table);
  Scripted command(table);
  const Bytes fields = status_change(bits);
  return update_where({dump.socket, command.socket}, everything(), Cancel(), fields);
}

// The kernel refuses a status without a bit that came up meanwhile.
TEST(scripted_update_reads_a_busy_flow_again) {
  FakeTable table;
  table.flows = {{2, 1, IPS_CONFIRMED, 1}, {3, 2, IPS_CONFIRMED, 1}};
  int busy = 1;
  table.before = [&](std::uint16_t verb, std::uint8_t last) {
    if (verb != IPCTNL_MSG_CT_NEW || last != 3 || busy-- <= 0) return 0;
    table.flows[1].status |= IPS_SEEN_REPLY;
    return EBUSY;
  };
  auto done = update_all(table, IPS_ASSURED);
  CHECK(done.ok());
  if (!done.ok()) return;
  CHECK_EQUAL(done->done, 2U);
  CHECK_EQUAL(done->refused, 0U);
  // The second attempt has the bit that came up, and what was asked for.
  CHECK(!table.statuses.empty() &&
        table.statuses.back() == (IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
  CHECK_EQUAL(table.count(IPCTNL_MSG_CT_NEW), 3U);
}

TEST(scripted_update_gives_a_busy_flow_up_after_three_attempts) {
  FakeTable table;
  table.flows = {{2, 1, IPS_CONFIRMED, 1}};
  table.before = [](std::uint16_t verb, std::uint8_t) {
    return verb == IPCTNL_MSG_CT_NEW ? EBUSY : 0;
  };
  auto done = update_all(table, IPS_ASSURED);
  CHECK(done.ok());
  if (!done.ok()) return;
  CHECK_EQUAL(done->done, 0U);
  CHECK_EQUAL(done->refused, 1U);
  CHECK_EQUAL(done->first_refusal.code, EBUSY);
  CHECK_EQUAL(table.count(IPCTNL_MSG_CT_NEW), 3U);
}

// What took the tuple of a busy flow is read again as any match is, and changed as what it is now.
TEST(scripted_update_takes_the_successor_of_a_busy_flow_for_what_it_is) {
  FakeTable table;
  table.flows = {{2, 1, IPS_CONFIRMED, 1}};
  table.before = [&](std::uint16_t verb, std::uint8_t) {
    if (verb != IPCTNL_MSG_CT_NEW || table.flows[0].id == 9) return 0;
    table.flows[0].id = 9;
    table.flows[0].status = IPS_CONFIRMED | IPS_SEEN_REPLY;
    return EBUSY;
  };
  auto done = update_all(table, IPS_ASSURED);
  CHECK(done.ok());
  if (!done.ok()) return;
  CHECK_EQUAL(done->done, 1U);
  CHECK_EQUAL(table.count(IPCTNL_MSG_CT_NEW), 2U);
  CHECK(!table.statuses.empty() &&
        table.statuses.back() == (IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
}

// The last counts of a deleted flow: of the report where there is one, else of a reading right
// before.
TEST(scripted_delete_reads_before_it_deletes) {
  for (const bool echo : {false, true}) {
    FakeTable table;
    table.flows = {{2, 1, IPS_CONFIRMED, 10}, {3, 2, IPS_CONFIRMED, 10}};
    table.echo = echo;
    // Packets between the dump and the deletion.
    table.after_dump = [&] {
      for (FakeFlow& flow : table.flows) flow.packets = 70;
    };
    // And between the reading and the deletion, which only the report has.
    table.before = [&](std::uint16_t verb, std::uint8_t) {
      if (verb == IPCTNL_MSG_CT_DELETE) {
        for (FakeFlow& flow : table.flows) flow.packets = 75;
      }
      return 0;
    };
    Scripted dump(table);
    Scripted command(table);
    Columns deleted;
    auto done = delete_where({dump.socket, command.socket}, everything(), Cancel(), &deleted);
    CHECK(done.ok());
    if (!done.ok()) return;
    CHECK_EQUAL(done->done, 2U);
    CHECK_EQUAL(deleted.size(), 2U);
    CHECK(table.flows.empty());
    if (deleted.size() != 2) return;
    CHECK_EQUAL(deleted.get<std::uint64_t>(Column::origPackets, 0), echo ? 75U : 70U);
    CHECK_EQUAL(deleted.get<std::uint64_t>(Column::origPackets, 1), 75U);
  }
}

// Zeroing names the tuple: another flow that took it meanwhile is zeroed, and so belongs into the
// result, beside the one that the dump showed.
TEST(scripted_zeroing_tells_a_flow_from_its_successor) {
  FakeTable table;
  table.flows = {{2, 1, IPS_CONFIRMED, 10}, {3, 2, IPS_CONFIRMED, 10}};
  table.before = [&](std::uint16_t verb, std::uint8_t last) {
    if (verb != IPCTNL_MSG_CT_GET_CTRZERO || last != 3) return 0;
    table.flows[1] = {3, 9, IPS_CONFIRMED, 4};
    return 0;
  };
  table.after_dump = [&] { table.flows[0].packets = 15; };
  const Filter filter = everything();
  TableDumpRequest request;
  request.filter = &filter;
  request.zero_counters = true;
  std::vector<int> opened;
  auto dumped = dump_table(
      [&](const char* operation) {
        auto socket = Socket::open(operation);
        if (socket.ok()) opened.push_back(socket->fd());
        if (socket.ok()) lines[socket->fd()] = {&table, {}};
        return socket;
      },
      request, Cancel());
  for (const int fd : opened) lines.erase(fd);
  CHECK(dumped.ok());
  if (!dumped.ok()) return;
  CHECK_EQUAL(dumped->columns.size(), 3U);
  if (dumped->columns.size() != 3) return;
  const auto row = [&](std::size_t i) {
    return std::pair(dumped->columns.get<std::uint32_t>(Column::id, i),
                     dumped->columns.get<std::uint64_t>(Column::origPackets, i));
  };
  CHECK(row(0) == std::pair(1U, std::uint64_t{15}));
  CHECK(row(1) == std::pair(2U, std::uint64_t{10}));
  CHECK(row(2) == std::pair(9U, std::uint64_t{4}));
}

struct Dumped {
  Result<void> result;
  DumpStats stats;
  std::size_t rows = 0;
};
Dumped dump_of(FakeTable& table) {
  Scripted scripted(table);
  const Filter filter = everything();
  DumpRequest request;
  request.filter = &filter;
  Columns columns;
  ColumnsSink sink(columns);
  Dumped dumped;
  dumped.result = run_dump(scripted.socket, request, Cancel(), sink, dumped.stats);
  dumped.rows = columns.size();
  return dumped;
}
FakeTable three_flows() {
  FakeTable table;
  table.flows = {{2, 1, IPS_CONFIRMED, 1}, {3, 2, IPS_CONFIRMED, 1}, {4, 3, IPS_CONFIRMED, 1}};
  return table;
}

TEST(scripted_dump_counts_what_it_cannot_read) {
  FakeTable table = three_flows();
  table.garble = [](std::deque<Bytes>& datagrams) {
    // Not a message behind the first; a message that says to be longer than it is.
    datagrams[0].insert(datagrams[0].end(), {1, 2, 3});
    datagrams[1][0] = 0xff;
    datagrams[1][1] = 0xff;
  };
  const Dumped dumped = dump_of(table);
  CHECK(dumped.result.ok());
  CHECK_EQUAL(dumped.rows, 2U);
  CHECK_EQUAL(dumped.stats.undecodable, 2U);
}

TEST(scripted_dump_ends_with_an_error_in_the_middle) {
  FakeTable table = three_flows();
  table.garble = [](std::deque<Bytes>& datagrams) {
    nlmsghdr header{};
    std::memcpy(&header, datagrams[1].data(), sizeof header);
    header.nlmsg_type = NLMSG_ERROR;
    header.nlmsg_len = NLMSG_HDRLEN + 4;
    const std::int32_t code = -EIO;
    datagrams[1].resize(header.nlmsg_len);
    std::memcpy(datagrams[1].data(), &header, sizeof header);
    std::memcpy(&datagrams[1][NLMSG_HDRLEN], &code, sizeof code);
  };
  const Dumped dumped = dump_of(table);
  CHECK(!dumped.result.ok() && dumped.result.error().code == EIO);
}

TEST(scripted_dump_without_an_end_is_no_dump) {
  FakeTable table = three_flows();
  table.garble = [](std::deque<Bytes>& datagrams) { datagrams.pop_back(); };
  const Dumped dumped = dump_of(table);
  CHECK(!dumped.result.ok() && dumped.result.error().code == ETIMEDOUT);
}

TEST(scripted_dump_takes_no_answer_of_another_request) {
  FakeTable table = three_flows();
  table.garble = [](std::deque<Bytes>& datagrams) {
    // An end and a row with another sequence number come first.
    Bytes end = datagrams.back();
    Bytes row = datagrams.front();
    end[8] ^= 0x40;
    row[8] ^= 0x40;
    datagrams.push_front(end);
    datagrams.push_front(row);
  };
  const Dumped dumped = dump_of(table);
  CHECK(dumped.result.ok());
  CHECK_EQUAL(dumped.rows, 3U);
}

TEST(scripted_truncated_datagram_is_an_error) {
  FakeTable table = three_flows();
  table.truncated = true;
  const Dumped dumped = dump_of(table);
  CHECK(!dumped.result.ok() && dumped.result.error().code == EMSGSIZE);
}

// An answer that never comes: every kind of exchange gives up.
TEST(scripted_silence_times_out) {
  class Silent final : public Script {
    void request(const MessageView&) override {}
  } silent;
  Scripted scripted(silent);
  PackedTuple tuple{};
  Columns columns(1);
  Row row;
  CHECK(test::parse(test::tcp_flow().payload(), row) && columns.append(row));
  tuple = tuple_of(columns, 0);
  auto many = look_up(scripted.socket, nullptr, std::span(&tuple, 1), false);
  CHECK(!many.ok() && many.error().code == ETIMEDOUT);
  MessageBuilder builder;
  Bytes buffer(kReceiveLength);
  auto one = look_up_one(scripted.socket, tuple, builder, buffer, row);
  CHECK(!one.ok() && one.error().code == ETIMEDOUT);
  // A cancelled one ends as such, at once.
  Cancel cancel;
  cancel.raise();
  auto cancelled = look_up(scripted.socket, &cancel, std::span(&tuple, 1), false);
  CHECK(!cancelled.ok() && cancelled.error().kind == ErrorKind::kCancelled);
}

}  // namespace
}  // namespace nf::ct
