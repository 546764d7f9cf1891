// Event filters as BPF programs. A small interpreter with the kernel's rules (net/core/filter.c)
// runs them over random flows. A program passes what Filter::matches passes. If it says that it is
// exact, it passes nothing else. It reads only the datagram, even if that is cut or changed. The
// tests against the real kernel use the kernel's own interpreter.
#include "core/conntrack/filter/event_filter.h"

#include <random>

#include "test/bpf_interpreter.h"
#include "test/check.h"
#include "test/filter_words.h"
#include "test/messages.h"

namespace nf::ct {
namespace {

using test::endpoint4;
using test::endpoint6;
using test::FlowMessage;
using test::Interpreter;

std::vector<std::uint8_t> datagram(FlowMessage& message) {
  message.builder.end();
  return {message.builder.data(), message.builder.data() + message.builder.size()};
}

class FilterMaker {
 public:
  explicit FilterMaker(unsigned seed) : random_(seed) {}

  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_() % limit); }
  bool chance(std::uint32_t percent) { return below(100) < percent; }

  FlowMessage flow() {
    const bool v6 = chance(40);
    FlowMessage message(v6 ? AF_INET6 : AF_INET);
    const std::uint8_t protocols[] = {6, 17, 1, 132, 47, 50};
    const std::uint8_t protocol = protocols[below(v6 ? 2 : 6)];
    const auto last = static_cast<std::uint8_t>(below(4));
    const auto src_port = static_cast<std::uint16_t>(below(4));
    const auto dst_port = static_cast<std::uint16_t>(below(4) * 256 + below(4));
    const auto orig =
        v6 ? endpoint6(last, src_port, dst_port) : endpoint4(last, src_port, dst_port);
    auto reply = test::reversed(orig);
    if (chance(30)) reply.dst[v6 ? 15 : 3] ^= 1;
    if (chance(20)) reply.src_port ^= 1;
    message.tuple(CTA_TUPLE_ORIG, protocol, orig, chance(20) ? static_cast<int>(below(3)) : -1);
    message.tuple(CTA_TUPLE_REPLY, protocol, reply, chance(20) ? static_cast<int>(below(3)) : -1);
    if (chance(30)) message.builder.be16(CTA_ZONE, static_cast<std::uint16_t>(below(3)));
    message.builder.be32(CTA_STATUS, below(16));
    if (protocol == 6 && chance(70)) message.tcp_state(static_cast<std::uint8_t>(below(10)));
    if (chance(50)) message.builder.be32(CTA_MARK, below(4));
    if (chance(30)) {
      const std::uint8_t labels[16] = {static_cast<std::uint8_t>(below(256))};
      message.builder.bytes(CTA_LABELS, labels, sizeof labels);
    }
    if (chance(40)) {
      const auto help = message.builder.open_nest(CTA_HELP);
      message.builder.string(CTA_HELP_NAME, chance(50) ? "ftp" : "ftp2");
      message.builder.close_nest(help);
    }
    return message;
  }

  // A filter that may have others in it, in up to `depth` levels.
  std::vector<std::uint32_t> nested(int depth) {
    std::vector<std::uint32_t> words;
    if (depth == 0 || chance(60)) words = filter();
    if (depth == 0) return words;
    const auto inner = [&] {
      const auto part = nested(depth - 1);
      words.push_back(static_cast<std::uint32_t>(part.size()));
      words.insert(words.end(), part.begin(), part.end());
    };
    if (words.empty() || chance(40)) {
      const std::uint32_t count = 1 + below(4);
      words.insert(words.end(), {static_cast<std::uint32_t>(FilterOp::any), count});
      for (std::uint32_t i = 0; i < count; i++) inner();
    }
    if (chance(40)) {
      words.push_back(static_cast<std::uint32_t>(FilterOp::excluded));
      inner();
    }
    return words;
  }

  std::vector<std::uint32_t> filter() {
    std::vector<std::uint32_t> words;
    const auto add = [&](FilterOp op, std::initializer_list<std::uint32_t> operands) {
      words.push_back(static_cast<std::uint32_t>(op));
      words.insert(words.end(), operands);
    };
    const bool v6 = chance(40);
    for (std::uint32_t i = 1 + below(3); i > 0; i--) {
      switch (below(17)) {
        case 0:
          add(FilterOp::protocol, {2, below(140), 6});
          break;
        case 1: {
          std::uint32_t address[4] = {};
          const auto wanted = v6 ? endpoint6(static_cast<std::uint8_t>(below(4)), 0, 0)
                                 : endpoint4(static_cast<std::uint8_t>(below(4)), 0, 0);
          std::memcpy(address, chance(50) ? wanted.src : wanted.dst, sizeof address);
          add(FilterOp::family, {v6 ? 10U : 2U});
          const std::uint32_t bits = v6 ? 120 + below(9) : 24 + below(9);
          if (chance(30)) {
            const std::uint32_t last = ntohl(address[v6 ? 3 : 0]);
            const std::uint32_t from = last - below(3);
            if (v6) {
              add(FilterOp::address, {below(4), 0, 0, 1, 10, 0, 0, 0, last, 0, 0, 0, 1 + below(7)});
            } else {
              add(FilterOp::address, {below(4), 2, 0, 0, 5, 9, from, from + below(3)});
            }
            break;
          }
          words =
              test::joined(words, test::prefix(below(4), v6 ? AF_INET6 : AF_INET, address, bits));
          break;
        }
        case 2: {
          const std::uint32_t from = below(600);
          if (chance(50)) {
            add(FilterOp::port, {below(4), 1, from, from + below(500)});
          } else {
            add(FilterOp::port, {below(4), 3, 0, below(2), 3, 3, 255, 256 + from});
          }
          break;
        }
        case 3:
          add(FilterOp::icmpType, {below(2), below(4)});
          break;
        case 4:
          add(FilterOp::icmpId, {below(2), below(4)});
          break;
        case 5:
          add(FilterOp::mark, {below(4), 1 + below(3)});
          break;
        case 6:
          add(FilterOp::status, {below(4), below(16), below(2) * 8});
          break;
        case 7:
          add(FilterOp::state, {below(1024), below(4), 0});
          break;
        case 8:
          add(FilterOp::zone, {below(3)});
          break;
        case 9:
          add(FilterOp::tupleZone, {below(2), below(3)});
          break;
        case 10:
          add(FilterOp::label, {1U << below(8), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
          break;
        case 13:
          add(FilterOp::label,
              {0, 0, 0, 0, chance(50) ? 1 + below(255) : 0, 0, 0, 0, 1 + below(255), 0, 0, 1});
          break;
        case 14: {
          const auto wanted = endpoint4(static_cast<std::uint8_t>(below(4)), 0, 0);
          const auto six = endpoint6(static_cast<std::uint8_t>(below(4)), 0, 0);
          if (chance(50)) {
            add(FilterOp::host, {1, 0, 0, ntohl(word(wanted.src, 0)), ntohl(word(wanted.src, 0))});
          } else {
            add(FilterOp::host,
                {0, 0, 1, 10, ntohl(word(six.dst, 0)), ntohl(word(six.dst, 1)),
                 ntohl(word(six.dst, 2)), ntohl(word(six.dst, 3)), ~0U, ~0U, ~0U, ~0U});
          }
          break;
        }
        case 15:
          add(FilterOp::anyPort, {2, 0, below(3), 256, 256 + below(600)});
          break;
        case 11:
          add(FilterOp::helper, {3, 'f' | 't' << 8 | 'p' << 16});
          break;
        case 12:
          add(FilterOp::icmpCode, {below(2), below(4)});
          break;
        default:
          add(FilterOp::nat, {1 + below(4)});
          break;
      }
    }
    return words;
  }

 private:
  static std::uint32_t word(const std::uint8_t* address, std::size_t i) {
    std::uint32_t value = 0;
    std::memcpy(&value, address + i * 4, sizeof value);
    return value;
  }

  std::mt19937 random_;
};

TEST(programs_pass_what_the_filter_passes_and_nothing_else) {
  FilterMaker maker(7);
  int passed = 0;
  int rejected = 0;
  for (int round = 0; round < 2000; round++) {
    auto filter = Filter::compile(maker.filter());
    CHECK(filter.ok());
    if (!filter) continue;
    const EventProgram program = compile_event_filter(*filter);
    CHECK(program.exact);
    for (int i = 0; i < 10; i++) {
      auto message = maker.flow();
      const auto bytes = datagram(message);
      Row row{};
      CHECK(parse(bytes.data() + NLMSG_HDRLEN, bytes.size() - NLMSG_HDRLEN, row));
      const bool wanted = filter->matches(row);
      CHECK_EQUAL(Interpreter(bytes).run(program.code) != 0, wanted);
      (wanted ? passed : rejected)++;
    }
  }
  CHECK(passed > 1000);
  CHECK(rejected > 1000);
}

TEST(programs_of_filters_with_filters_in_them) {
  FilterMaker maker(9);
  int passed = 0;
  int rejected = 0;
  for (int round = 0; round < 4000; round++) {
    auto filter = Filter::compile(maker.nested(3));
    CHECK(filter.ok());
    if (!filter) continue;
    const EventProgram program = compile_event_filter(*filter);
    for (int i = 0; i < 8; i++) {
      auto message = maker.flow();
      const auto bytes = datagram(message);
      Row row{};
      CHECK(parse(bytes.data() + NLMSG_HDRLEN, bytes.size() - NLMSG_HDRLEN, row));
      const bool wanted = filter->matches(row);
      const bool given = program.code.empty() || Interpreter(bytes).run(program.code) != 0;
      if (program.exact) {
        CHECK_EQUAL(given, wanted);
      } else {
        CHECK(given || !wanted);
      }
      (wanted ? passed : rejected)++;
    }
  }
  CHECK(passed > 4000);
  CHECK(rejected > 4000);
}

TEST(programs_end_inside_whatever_they_are_given) {
  FilterMaker maker(8);
  for (int round = 0; round < 300; round++) {
    auto filter = Filter::compile(maker.filter());
    if (!filter) continue;
    const EventProgram program = compile_event_filter(*filter);
    auto message = maker.flow();
    const auto bytes = datagram(message);
    for (std::size_t size = 0; size < bytes.size(); size++) {
      const std::vector<std::uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<long>(size));
      Interpreter(cut).run(program.code);
    }
    for (int i = 0; i < 100; i++) {
      auto bent = bytes;
      bent[maker.below(static_cast<std::uint32_t>(bent.size()))] =
          static_cast<std::uint8_t>(maker.below(256));
      Interpreter(bent).run(program.code);
    }
  }
}

TEST(an_empty_filter_makes_no_program_and_a_large_one_is_not_exact) {
  const auto compile = [](const std::vector<std::uint32_t>& words) {
    auto filter = Filter::compile(words);
    CHECK(filter.ok());
    return compile_event_filter(*filter);
  };
  const EventProgram none = compile({});
  CHECK(none.code.empty());
  CHECK(none.exact);
  std::vector<std::uint32_t> words = {static_cast<std::uint32_t>(FilterOp::protocol), 128};
  for (std::uint32_t p = 0; p < 256; p += 2) words.push_back(p);
  const EventProgram alone = compile(words);
  CHECK(alone.code.empty());
  CHECK(!alone.exact);
  words.insert(words.end(), {static_cast<std::uint32_t>(FilterOp::zone), 3});
  const EventProgram partial = compile(words);
  CHECK(!partial.code.empty());
  CHECK(!partial.exact);
}

// The kernel tests only the ends of a long list. Filter::matches tests all of it.
TEST(a_long_list_of_ports_or_addresses_passes_more_but_never_less) {
  constexpr auto op = [](FilterOp value) { return static_cast<std::uint32_t>(value); };
  std::vector<std::uint32_t> ports = {op(FilterOp::port), 1, 300};
  for (std::uint32_t i = 0; i < 300; i++) ports.insert(ports.end(), {100 + i * 2, 100 + i * 2});
  std::vector<std::uint32_t> addresses = {op(FilterOp::address), 0, 300, 0, 0};
  for (std::uint32_t i = 0; i < 300; i++) {
    addresses.insert(addresses.end(), {0x0a000001 + i * 2, 0x0a000001 + i * 2});
  }
  for (const auto& words : {ports, addresses}) {
    auto filter = Filter::compile(words);
    CHECK(filter.ok());
    const EventProgram program = compile_event_filter(*filter);
    CHECK(!program.exact);
    CHECK(!program.code.empty());
    CHECK(program.code.size() < 40);
  }
  auto filter = Filter::compile(ports);
  const EventProgram program = compile_event_filter(*filter);
  for (const std::uint16_t port :
       std::initializer_list<std::uint16_t>{99, 100, 101, 698, 699, 443}) {
    FlowMessage message;
    message.tuple(CTA_TUPLE_ORIG, IPPROTO_TCP, endpoint4(2, 40000, port));
    message.tuple(CTA_TUPLE_REPLY, IPPROTO_TCP, test::reversed(endpoint4(2, 40000, port)));
    const bool inside = port >= 100 && port <= 698;
    CHECK_EQUAL(Interpreter(datagram(message)).run(program.code) != 0, inside);
  }
}

// What the program tests only in part passes too much. In a filter that must not match, it would
// reject too much.
TEST(what_is_tested_in_part_is_never_excluded) {
  constexpr auto op = [](FilterOp value) { return static_cast<std::uint32_t>(value); };
  std::vector<std::uint32_t> ports = {op(FilterOp::port), 1, 300};
  for (std::uint32_t i = 0; i < 300; i++) ports.insert(ports.end(), {100 + i * 2, 100 + i * 2});
  const std::vector<std::uint32_t> zone = {op(FilterOp::zone), 1};
  const auto size = [](const std::vector<std::uint32_t>& words) {
    return std::vector<std::uint32_t>{static_cast<std::uint32_t>(words.size())};
  };
  const auto excluded = test::joined({op(FilterOp::excluded)}, test::joined(size(ports), ports));
  const auto one_of =
      test::joined(test::joined({op(FilterOp::any), 2}, test::joined(size(zone), zone)),
                   test::joined(size(ports), ports));
  for (const auto& words :
       {excluded, test::joined(zone, excluded), one_of,
        test::joined({op(FilterOp::excluded)}, test::joined(size(excluded), excluded))}) {
    auto filter = Filter::compile(words);
    CHECK(filter.ok());
    const EventProgram program = compile_event_filter(*filter);
    CHECK(!program.exact);
    for (const std::uint16_t port : std::initializer_list<std::uint16_t>{100, 101, 443, 699, 700}) {
      for (const int in_zone : {0, 1}) {
        FlowMessage message;
        message.tuple(CTA_TUPLE_ORIG, IPPROTO_TCP, endpoint4(2, 40000, port));
        message.tuple(CTA_TUPLE_REPLY, IPPROTO_TCP, test::reversed(endpoint4(2, 40000, port)));
        if (in_zone == 1) message.builder.be16(CTA_ZONE, 1);
        const auto bytes = datagram(message);
        Row row{};
        CHECK(parse(bytes.data() + NLMSG_HDRLEN, bytes.size() - NLMSG_HDRLEN, row));
        const bool passed = program.code.empty() || Interpreter(bytes).run(program.code) != 0;
        CHECK(passed || !filter->matches(row));
      }
    }
  }
  // Nothing of these can be tested: there is no program.
  std::vector<std::uint32_t> six = {op(FilterOp::host), 0, 2, 0};
  for (std::uint32_t i = 0; i < 4; i++) six.insert(six.end(), {1, 0, 0, i * 2});
  for (const auto& words :
       {excluded, six,
        test::joined(test::joined({op(FilterOp::any), 2}, test::joined(size(six), six)),
                     test::joined(size(zone), zone))}) {
    auto filter = Filter::compile(words);
    CHECK(filter.ok());
    CHECK(compile_event_filter(*filter).code.empty());
  }
}

// Then the conditions beside `any` are still tested.
TEST(a_program_that_is_too_long_leaves_out_the_filters_in_the_filter) {
  constexpr auto op = [](FilterOp value) { return static_cast<std::uint32_t>(value); };
  std::vector<std::uint32_t> words = {op(FilterOp::family), AF_INET, op(FilterOp::any), 2000};
  for (std::uint32_t i = 0; i < 2000; i++) {
    words.insert(words.end(), {5, op(FilterOp::port), 1, 1, i, i});
  }
  auto filter = Filter::compile(words);
  CHECK(filter.ok());
  const EventProgram program = compile_event_filter(*filter);
  CHECK(!program.exact);
  CHECK(!program.code.empty());
  CHECK(program.code.size() < 10);
}

// A message that no kernel sends must reach the reader, which counts it.
TEST(a_message_without_tuples_is_passed) {
  const std::vector<std::uint32_t> words = {static_cast<std::uint32_t>(FilterOp::port), 0, 1, 5, 5};
  auto filter = Filter::compile(words);
  CHECK(filter.ok());
  const EventProgram program = compile_event_filter(*filter);
  FlowMessage message;
  message.builder.be32(CTA_STATUS, 1);
  CHECK(Interpreter(datagram(message)).run(program.code) != 0);
}

}  // namespace
}  // namespace nf::ct
