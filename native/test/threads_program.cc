// Runs all thread code of the core in a program without Node. If it is built with ThreadSanitizer,
// every frame of every thread is instrumented. Dumps, streams and commits are real ones, in the
// network namespace in which the program is started.
//   threads_program FLOWS NETNS [scenario …]
// FLOWS is how many flows the table has at least. NETNS is the path of another namespace. The
// program prints a line for each scenario, and ends with 1 if something was wrong. With CANARY
// (core/meeting.h) it has a race.
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "core/conntrack/dump/lookup.h"
#include "core/conntrack/dump/table_dump.h"
#include "core/conntrack/events/event_queue.h"
#include "core/conntrack/events/events.h"
#include "core/conntrack/request/nfct_library.h"
#include "core/legacy/commit.h"
#include "core/legacy/iptc_library.h"
#include "core/legacy/lock.h"
#include "core/legacy/snapshot.h"
#include "core/netlink/relay.h"
#include "core/netns.h"
#include "core/nftables/commit_stream.h"
#include "core/work_pool.h"

namespace nf {
namespace {

std::atomic<int> failures{0};

void check(bool holds, const char* what) {
  if (holds) return;
  failures++;
  std::cout << "failed: " + std::string(what) + "\n";
}

template <typename T>
bool good(const Result<T>& result, const char* what) {
  if (result.ok()) return true;
  const Error& error = result.error();
  check(false, (std::string(what) + ": " + error.operation + ": " + std::to_string(error.code) +
                " " + error.detail)
                   .c_str());
  return false;
}

std::size_t flows = 0;
std::string elsewhere;
const ct::Filter& everything() {
  static const ct::Filter* filter = new ct::Filter(*ct::Filter::compile({}));
  return *filter;
}

// Runs the same work on `count` threads.
template <typename Work>
void at_once(int count, Work work) {
  std::vector<Thread> threads;
  for (int i = 0; i < count; i++) {
    auto thread = Thread::start("at-once", [&work, i] { work(i); });
    if (good(thread, "thread")) threads.push_back(std::move(*thread));
  }
}

// --- threads, flags, wake-ups

void test_threads() {
  for (int round = 0; round < 200; round++) {
    int inside = 0;
    auto ran = Thread::run_to_end("once", [&]() -> Result<void> {
      inside++;
      return {};
    });
    check(ran.ok() && inside == 1, "a thread that was waited for");
  }
}

void test_cancel() {
  for (int round = 0; round < 300; round++) {
    Cancel cancel;
    Signal signal;
    int seen = 0;
    auto waiter = Thread::start("waiter", [&] {
      while (!cancel.raised()) {
        if (wait_readable(signal.fd(), &cancel)) {
          signal.lower();
          seen++;
        }
      }
      cancel.retire();
      signal.retire();
    });
    if (!good(waiter, "waiter")) return;
    for (int i = 0; i < 5; i++) signal.raise();
    cancel.raise();
    cancel.raise();
    signal.raise();  // the other thread may have retired it
    waiter->join();
    check(cancel.raised() && seen <= 6, "a flag stays up");
  }
}

void test_relay() {
  for (const std::size_t stop_after : {SIZE_MAX, std::size_t{100}}) {
    constexpr std::size_t kCount = 20000;
    Relay relay(64);
    std::size_t received = 0;
    auto reader = Thread::start("reader", [&] {
      while (received < stop_after) {
        const auto datagram = relay.next();
        if (datagram.empty()) return;
        check(datagram.size() == received % 64 + 1 &&
                  datagram[0] == static_cast<std::uint8_t>(received),
              "a datagram is whole");
        received++;
        relay.release();
      }
      relay.stop();
    });
    if (!good(reader, "reader")) return;
    for (std::size_t i = 0; i < kCount; i++) {
      const auto buffer = relay.free_buffer();
      if (buffer.empty()) break;
      std::memset(buffer.data(), static_cast<int>(i & 0xff), i % 64 + 1);
      relay.pass(i % 64 + 1);
    }
    relay.close();
    reader->join();
    check(received == std::min(kCount, stop_after), "all datagrams that are wanted");
  }
}

void test_library() {
  at_once(4, [](int i) {
    check(ct::nfct_library().usable, "libnetfilter_conntrack");
    check(i % 2 == 0 ? xt::iptc4().usable : xt::iptc6().usable, "libiptc");
  });
}

// --- dumps

Result<Socket> open_socket(const char* operation) { return Socket::open(operation); }

Result<ct::TableDump> dump(int parallel, const Cancel& cancel) {
  ct::TableDumpRequest request;
  request.filter = &everything();
  request.parallel = parallel;
  return ct::dump_table(open_socket, request, cancel);
}

void test_dumps() {
  for (const int parallel : {1, 4}) {
    Cancel cancel;
    auto whole = dump(parallel, cancel);
    if (good(whole, "dump")) check(whole->columns.size() >= flows, "every flow");
    if (parallel > 1 && whole.ok()) check(whole->stats.sockets > 1, "several sockets");
  }
  // Another thread cancels at any moment.
  for (int round = 0; round < 10; round++) {
    Cancel cancel;
    auto dumper = Thread::start("dumper", [&] {
      auto result = dump(round % 2 == 0 ? 1 : 4, cancel);
      check(result.ok() || result.error().kind == ErrorKind::kCancelled, "whole or cancelled");
    });
    if (!good(dumper, "dumper")) return;
    for (int i = 0; i < round * 20; i++) ::sched_yield();
    cancel.raise();
  }
}

// --- events

// Each datagram makes a flow, which is an event.
void send_datagrams(std::uint16_t from, int count) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int i = 0; i < count; i++) {
    to.sin_port = htons(static_cast<std::uint16_t>(from + i));
    check(::sendto(socket.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof to) == 1,
          "a datagram is sent");
  }
}

enum class End : std::uint8_t { kDiscard, kDrain, kAbandon };

// A stream as the addon uses it: one thread reads, another takes, and then it ends.
void follow(bool reliable, End end, std::uint16_t from) {
  constexpr int kDatagrams = 300;
  ct::EventRequest request;
  request.kinds = ct::kEventNew;
  request.filter = &everything();
  request.receive_buffer = std::size_t{1} << 20;
  request.reliable = reliable;
  auto socket = ct::EventSocket::open(request);
  if (!good(socket, "event socket")) return;
  ct::EventQueue queue(reliable ? 20 : 10000);
  ct::EventControl control;
  std::atomic<std::uint64_t> rings{0};
  auto reader = Thread::start("events", [&] {
    auto read = ct::read_events(*socket, queue, control, reliable, [&] { rings++; });
    good(read, "reading events");
    *socket = ct::EventSocket();
    control.retire();
  });
  if (!good(reader, "event thread")) return;
  auto sender = Thread::start("sender", [from] { send_datagrams(from, kDatagrams); });
  if (!good(sender, "sender")) return;
  std::uint64_t taken = 0;
  const auto take = [&] {
    ct::EventSegment segment;
    const bool more = queue.take(segment);
    if (more && reliable) control.room.raise();
    taken += segment.events;
    return more;
  };
  while (taken < kDatagrams / 2) {
    if (!take()) ::sched_yield();
    queue.counts();
  }
  if (end == End::kDrain) sender->join();
  if (end == End::kDiscard) queue.discard();
  if (end == End::kDrain) queue.drain();
  if (end == End::kAbandon) {
    control.stop->raise();
  } else {
    control.end();
  }
  if (end == End::kDrain) reader->join();
  while (take()) continue;
  reader->join();
  while (take()) continue;
  const ct::EventCounts counts = queue.counts();
  check(end == End::kDiscard ? counts.kept >= taken : counts.kept == taken, "counts");
  check(counts.filtered == 0 && counts.undecodable == 0, "every event is one, and is wanted");
  if (end != End::kDrain) return;
  check(taken + counts.lost_in_kernel + counts.lost_in_queue >= kDatagrams, "drained to the last");
}

void test_events() {
  std::uint16_t from = 10000;
  for (const bool reliable : {false, true}) {
    for (const End end : {End::kDiscard, End::kDrain, End::kAbandon}) {
      follow(reliable, end, from);
      from = static_cast<std::uint16_t>(from + 1000);
    }
  }
}

// --- pools

ct::PackedTuple absent_tuple(int i) {
  ct::PackedTuple tuple{};
  tuple.family = AF_INET;
  tuple.protocol = IPPROTO_UDP;
  tuple.flags = ct::kTupleHasPorts;
  tuple.src_port = static_cast<std::uint16_t>(i);
  tuple.src[0] = 203;
  tuple.dst[0] = 203;
  return tuple;
}

Result<void> look_up_nothing(const Netns* netns, const Cancel* cancel, int i) {
  if (netns != nullptr) {
    if (auto entered = netns->enter("look up"); !entered) return entered;
  }
  auto socket = Socket::open("look up");
  if (!socket) return socket.error();
  const ct::PackedTuple tuple = absent_tuple(i);
  auto found = ct::look_up(*socket, cancel, {&tuple, 1});
  if (!found) return found.error();
  check(found->rows.size() == 1 && found->rows[0] == ct::kAbsent, "no such flow");
  return {};
}

// What an environment does: work for pooled threads and for threads of its own, in two namespaces,
// and an end in the middle of all that.
void test_pool() {
  auto other = Netns::at(elsewhere);
  if (!good(other, "the other namespace")) return;
  for (int round = 0; round < 10; round++) {
    std::atomic<int> done{0};
    WorkPool pool;
    constexpr int kWork = 60;
    for (int i = 0; i < kWork; i++) {
      auto cancel = std::make_shared<Cancel>();
      const bool moved = i % 5 == 0;
      const auto work = [&done, &other, moved, cancel, i] {
        auto found = look_up_nothing(moved ? &*other : nullptr, cancel.get(), i);
        check(found.ok() || found.error().kind == ErrorKind::kCancelled, "looked up or cancelled");
        done++;
      };
      auto given = i % 20 == 7 ? pool.run_alone(work, cancel) : pool.run(work, cancel);
      if (!good(given, "work is taken")) return;
      if (i % 10 == 0) cancel->raise();
      pool.reap();
    }
    // Something that sleeps until it is cancelled.
    auto sleeper = std::make_shared<Cancel>();
    const auto sleep = [sleeper] {
      while (!sleeper->raised()) wait_readable(-1, sleeper.get());
    };
    if (!good(pool.run_alone(sleep, sleeper), "a sleeper")) return;
    if (round % 2 == 0) {
      while (done < kWork) ::sched_yield();
    }
    pool.shut_down();
    check(!pool.run([] {}, nullptr).ok(), "nothing is taken after the end");
    check(round % 2 != 0 || done == kWork, "all work is done");
  }
}

// --- iptables

// Sets the policy of INPUT, through libiptc, and keeps every rule.
Result<xt::CommitOutcome> set_policy(std::uint32_t policy) {
  auto table = xt::read_table(xt::kIpv4, "filter", {.create = true});
  if (!table) return table.error();
  xt::PlanHeader header{};
  header.magic = xt::kPlanMagic;
  header.family = AF_INET;
  header.chain_count = table->chain_count();
  header.fingerprint = table->header().fingerprint;
  std::memcpy(header.name, "filter", 6);
  std::vector<std::uint8_t> bytes;
  const auto append = [&](const auto& part) {
    const auto* at = reinterpret_cast<const std::uint8_t*>(&part);
    bytes.insert(bytes.end(), at, at + sizeof part);
  };
  append(header);
  for (std::uint32_t i = 0; i < table->chain_count(); i++) {
    const xt::ChainRecord& record = table->chain(i);
    xt::PlanChain chain{};
    std::memcpy(chain.name, record.name, sizeof chain.name);
    chain.hook = record.hook;
    chain.policy = xt::chain_name(record.name) == "INPUT" ? policy : record.policy;
    append(chain);
  }
  auto plan = xt::Plan::parse(std::move(bytes));
  if (!plan) return plan.error();
  return xt::commit_plan(*plan, {});
}

// Two threads, each with a table of its own: the mutex protects what libiptc shares.
void test_iptables() {
  const std::string path =
      std::filesystem::temp_directory_path() / ("threads_program." + std::to_string(::getpid()));
  Cancel cancel;
  at_once(2, [&](int) {
    if (::unshare(CLONE_NEWNET) != 0) {
      check(false, "a namespace");
      return;
    }
    for (int round = 0; round < 20; round++) {
      auto lock = xt::take_lock(path, std::nullopt, cancel);
      if (!good(lock, "lock")) return;
      auto done = set_policy(round % 2 == 0 ? xt::kPolicyDrop : xt::kPolicyAccept);
      if (!good(done, "commit")) return;
      check(done->kind == xt::CommitOutcome::kCommitted, "committed");
    }
  });
  ::unlink(path.c_str());
}

// --- commits of nf_tables

// One thread adds, one takes, one loses.
void test_commits() {
  nft::CommitQueue queue(20 * sizeof(nft::Commit));
  std::atomic<bool> ended{false};
  at_once(3, [&](int which) {
    if (which == 0) {
      for (std::uint32_t i = 1; i <= 5000; i++) {
        nft::Commit commit;
        commit.generation = i;
        queue.add(std::move(commit));
      }
      ended = true;
    } else if (which == 1) {
      for (int i = 0; i < 100; i++) queue.lose();
    } else {
      nft::Commit commit;
      std::uint32_t last = 0;
      for (bool over = false; !over;) {
        over = ended.load();
        while (queue.take(commit)) {
          if (commit.lost) continue;
          check(commit.generation > last, "in order");
          last = commit.generation;
        }
      }
    }
  });
}

constexpr struct {
  const char* name;
  void (*run)();
} kScenarios[] = {
    {"threads", test_threads}, {"cancel", test_cancel},     {"relay", test_relay},
    {"library", test_library}, {"dumps", test_dumps},       {"events", test_events},
    {"pool", test_pool},       {"iptables", test_iptables}, {"commits", test_commits},
};

int run(int count, char** words) {
  if (count < 3) return 2;
  flows = std::strtoul(words[1], nullptr, 10);
  elsewhere = words[2];
  for (const auto& [name, scenario] : kScenarios) {
    bool wanted = count == 3;
    for (int i = 3; i < count; i++) wanted = wanted || std::strcmp(words[i], name) == 0;
    if (!wanted) continue;
    scenario();
    std::cout << name << '\n';
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace nf

int main(int count, char** words) { return nf::run(count, words); }
