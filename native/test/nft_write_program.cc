// Writes rules of iptables, given as entries, into nf_tables, and prints the kernel's expressions
// of rules. For tests that compare them with those of iptables-nft. nft_write_program FAMILY TABLE
// FAMILY is 4 or 6; standard input has one command in each line:
//   table | base CHAIN TYPE HOOK PRIORITY POLICY | chain CHAIN | rename HANDLE CHAIN
//   policy CHAIN POLICY PACKETS BYTES | remove CHAIN
//   known CHAIN                       a chain that rules can jump to
//   rule CHAIN PLACE HANDLE HEX       PLACE is append, prepend, before, after or replace
//   delete CHAIN HANDLE
//   generation                        prints it; the next batch is for this state only
//   stale                             the next batch is for a state before this one
//   commit                            "committed", "stale", or a line "refused INDEX ERRNO TEXT"
//   each dump CHAIN                        a line "HANDLE HEX" for each rule
// A rule that cannot be written prints "impossible NUMBER TEXT", with the number of its line.
#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/netlink/walk.h"
#include "core/nftables/batch.h"
#include "core/nftables/batch_messages.h"
#include "core/nftables/write_rule.h"

namespace {

using namespace nf;
using Place = nft::RulePlace;

[[noreturn]] void die(const std::string& why) {
  std::cout << "error " << why << std::endl;
  std::exit(2);
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  die("not hex");
}

// A block of exactly that size, so that the sanitizer sees a read past its end.
struct Block {
  std::unique_ptr<std::uint8_t[]> bytes;
  std::size_t size;
};
Block block_of(const std::string& hex) {
  Block block{std::make_unique<std::uint8_t[]>(hex.size() / 2), hex.size() / 2};
  for (std::size_t i = 0; i < block.size; i++) {
    block.bytes[i] = static_cast<std::uint8_t>(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
  }
  return block;
}

Place place_of(const std::string& word, std::uint64_t handle) {
  if (word == "append") return {Place::How::kAppend, handle};
  if (word == "prepend") return {Place::How::kPrepend, handle};
  if (word == "before") return {Place::How::kBefore, handle};
  if (word == "after") return {Place::How::kAfter, handle};
  if (word == "replace") return {Place::How::kReplace, handle};
  die("no such place");
}

class Program {
 public:
  Program(const xt::Layout& layout, std::string table, Socket socket)
      : layout_(layout), table_(std::move(table)), socket_(std::move(socket)) {
    begin(0);
  }

  void line(const std::string& text) {
    number_++;
    std::istringstream words(text);
    std::string verb;
    words >> verb;
    if (verb == "table") {
      nft::create_table(*batch_, table_);
    } else if (verb == "base") {
      base(words);
    } else if (verb == "chain") {
      const std::string chain = word(words);
      nft::create_chain(*batch_, table_, chain);
      known_.insert(chain);
    } else if (verb == "rename") {
      const auto handle = number<std::uint64_t>(words);
      nft::rename_chain(*batch_, table_, handle, word(words));
    } else if (verb == "policy") {
      const std::string chain = word(words);
      const auto policy = number<std::uint32_t>(words);
      const auto packets = number<std::uint64_t>(words);
      const auto bytes = number<std::uint64_t>(words);
      nft::change_policy(*batch_, table_, chain, policy, xt::Counters{packets, bytes});
    } else if (verb == "remove") {
      nft::delete_chain(*batch_, table_, word(words));
    } else if (verb == "known") {
      known_.insert(word(words));
    } else if (verb == "rule") {
      rule(words);
    } else if (verb == "delete") {
      const std::string chain = word(words);
      nft::delete_rule(*batch_, table_, chain, number<std::uint64_t>(words));
    } else if (verb == "generation") {
      std::cout << "generation " << renew(0) << '\n';
    } else if (verb == "stale") {
      renew(1);
    } else if (verb == "commit") {
      commit();
    } else if (verb == "dump") {
      dump(word(words));
    } else {
      die("no such command: " + verb);
    }
  }

 private:
  static std::string word(std::istringstream& words) {
    std::string one;
    if (!(words >> one)) die("a word is missing");
    return one;
  }
  template <typename Number>
  static Number number(std::istringstream& words) {
    Number one{};
    if (!(words >> one)) die("a number is missing");
    return one;
  }

  std::uint32_t renew(std::uint32_t older) {
    auto generation = nft::read_generation(socket_, nullptr, "generation");
    if (!generation) die("generation " + std::to_string(generation.error().code));
    begin(*generation - older);
    return *generation;
  }
  void begin(std::uint32_t generation) {
    const auto family = static_cast<std::uint8_t>(layout_.family);
    batch_ = std::make_unique<nft::Batch>(socket_, generation);
    batch_->set_family(family);
  }

  void base(std::istringstream& words) {
    const std::string chain = word(words);
    const std::string type = word(words);
    nft::BaseChain base;
    base.type = type;
    base.hook = number<std::uint32_t>(words);
    base.priority = number<std::int32_t>(words);
    base.policy = number<std::uint32_t>(words);
    nft::create_base_chain(*batch_, table_, chain, base);
  }

  void rule(std::istringstream& words) {
    const std::string chain = word(words);
    const std::string how = word(words);
    const Place place = place_of(how, number<std::uint64_t>(words));
    const Block block = block_of(word(words));
    xt::Counters counters;
    if (block.size >= layout_.entry_size) {
      counters = xt::load_counters(block.bytes.get() + layout_.counters);
    }
    const auto write = [&](MessageBuilder& message) {
      const auto is_chain = [&](std::string_view name) {
        return known_.contains(std::string(name));
      };
      return nft::write_rule(layout_, block.bytes.get(), block.size, counters, is_chain, message);
    };
    const char* why = nft::add_rule(*batch_, table_, chain, place, write);
    if (why != nullptr) std::cout << "impossible " << number_ << ' ' << why << '\n';
  }

  void commit() {
    auto outcome = batch_->commit(nullptr, "commit");
    if (!outcome) {
      die("commit " + std::to_string(outcome.error().code) + ' ' + outcome.error().detail);
    }
    if (outcome->end == nft::BatchEnd::kCommitted) std::cout << "committed\n";
    if (outcome->end == nft::BatchEnd::kStale) std::cout << "stale\n";
    if (outcome->end == nft::BatchEnd::kRefused) {
      for (const auto& refusal : outcome->refusals) {
        const bool whole = refusal.index == nft::BatchRefusal::kWhole;
        std::cout << "refused " << (whole ? "batch" : std::to_string(refusal.index)) << ' '
                  << refusal.code << ' ' << refusal.text << '\n';
      }
      if (!outcome->complete) std::cout << "more\n";
    }
    renew(0);
  }

  void dump(const std::string& chain) {
    WalkRequest request;
    request.type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE);
    request.family = static_cast<std::uint8_t>(layout_.family);
    std::vector<std::string> lines;
    auto walked = nf::walk(
        socket_, request, nullptr, "dump", [&] { lines.clear(); },
        [&](std::uint8_t, AttributeCursor attributes) {
          std::uint64_t handle = 0;
          Attribute expressions;
          bool here = true;
          for (Attribute a; attributes.next(a);) {
            if (a.type == NFTA_RULE_TABLE) here = here && a.text() == table_;
            if (a.type == NFTA_RULE_CHAIN) here = here && a.text() == chain;
            if (a.type == NFTA_RULE_HANDLE) handle = a.be64();
            if (a.type == NFTA_RULE_EXPRESSIONS) expressions = a;
          }
          if (here) lines.push_back(std::to_string(handle) + ' ' + hex_of(expressions));
        });
    if (!walked) die("dump " + std::to_string(walked.error().code));
    for (const std::string& one : lines) std::cout << one << '\n';
  }

  static std::string hex_of(const Attribute& attribute) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string hex;
    for (std::size_t i = 0; i < attribute.size; i++) {
      hex += kDigits[attribute.data[i] >> 4];
      hex += kDigits[attribute.data[i] & 15];
    }
    return hex;
  }

  const xt::Layout& layout_;
  std::string table_;
  Socket socket_;
  std::set<std::string> known_;
  std::unique_ptr<nft::Batch> batch_;
  std::size_t number_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  auto socket = Socket::open("open");
  if (!socket) die("socket");
  const xt::Layout& layout = std::string_view(argv[1]) == "6" ? xt::kIpv6 : xt::kIpv4;
  Program program(layout, argv[2], std::move(*socket));
  for (std::string text; std::getline(std::cin, text);) program.line(text);
  std::cout.flush();
  return 0;
}
