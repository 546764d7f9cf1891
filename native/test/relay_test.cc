// Datagrams between two threads: all arrive, in order and whole. No thread waits for an ended one.
#include "core/netlink/relay.h"

#include <numeric>
#include <vector>

#include "core/thread.h"
#include "test/check.h"

namespace nf {
namespace {

constexpr std::size_t kLength = 64;

// Sizes that differ, and bytes that tell the number.
std::size_t size_of(std::size_t number) { return number % kLength + 1; }

// How many found a buffer.
std::size_t send(Relay& relay, std::size_t count) {
  std::size_t sent = 0;
  for (; sent < count; sent++) {
    const std::size_t i = sent;
    const auto buffer = relay.free_buffer();
    if (buffer.empty()) break;
    CHECK_EQUAL(buffer.size(), kLength);
    std::iota(buffer.begin(), buffer.begin() + static_cast<long>(size_of(i)),
              static_cast<std::uint8_t>(i));
    relay.pass(size_of(i));
  }
  relay.close();
  return sent;
}

// How many came as they were sent, before the end or `limit`.
std::size_t receive(Relay& relay, std::size_t limit) {
  for (std::size_t i = 0; i < limit; i++) {
    const auto datagram = relay.next();
    if (datagram.empty()) return i;
    CHECK_EQUAL(datagram.size(), size_of(i));
    for (std::size_t at = 0; at < datagram.size(); at++) {
      CHECK_EQUAL(datagram[at], static_cast<std::uint8_t>(i + at));
    }
    relay.release();
  }
  relay.stop();
  return limit;
}

TEST(every_datagram_arrives_in_order) {
  for (const std::size_t count : {0UL, 1UL, 7UL, 8UL, 9UL, 16UL, 17UL, 5000UL}) {
    Relay relay(kLength);
    std::size_t received = 0;
    auto reader = Thread::start("reader", [&] { received = receive(relay, count + 1); });
    CHECK(reader.ok());
    CHECK_EQUAL(send(relay, count), count);
    reader->join();
    CHECK_EQUAL(received, count);
  }
}

TEST(a_reader_that_stops_lets_the_sender_go) {
  for (const std::size_t limit : {0UL, 1UL, 8UL, 100UL}) {
    Relay relay(kLength);
    std::size_t received = 0;
    auto reader = Thread::start("reader", [&] { received = receive(relay, limit); });
    CHECK(reader.ok());
    const std::size_t sent = send(relay, 5000);
    reader->join();
    CHECK_EQUAL(received, limit);
    // The sender is at most sixteen buffers ahead of the reader, and sends no more after the end.
    CHECK(sent >= limit && sent <= limit + 16);
  }
}

}  // namespace
}  // namespace nf
