// Fuzzes reading rules of nf_tables. Whatever the kernel sent, the entry is well-formed. A packet
// passes the entry of an exact rule exactly if it passes the expressions. Such an entry can be
// written, and is the same when it is read again. Input: family and form; which parts of the packet
// are what the entry names; 100 bytes of the packet; the rule: the attributes of the kernel's
// message, or a list of small numbers that say which expressions it has.
#include "test/nft_fuzz.h"
#include "test/nft_messages.h"

using namespace nf;
using namespace nf::test;

namespace {

// The bytes of the input one after the other; zeros when they are used up.
class Numbers {
 public:
  Numbers(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}

  bool ended() const { return at_ == end_; }
  std::uint8_t next() { return ended() ? std::uint8_t{0} : *at_++; }
  std::uint8_t below(std::uint8_t limit) { return static_cast<std::uint8_t>(next() % limit); }
  std::uint16_t word() { return static_cast<std::uint16_t>(next() << 8 | next()); }
  NftBytes some(std::size_t size) {
    NftBytes bytes(size);
    for (std::uint8_t& byte : bytes) byte = next();
    return bytes;
  }
  template <typename T, std::size_t N>
  T one_of(const T (&list)[N]) {
    return list[next() % N];
  }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

// Expressions that mostly fit together: a comparison has the size of what was loaded.
class Composer {
 public:
  explicit Composer(Numbers& numbers) : in_(numbers) {}

  NftBytes rule() {
    for (int i = 0; i < 24 && !in_.ended(); i++) step(in_.next());
    return RuleMessage{"filter", "INPUT", 7, user_data_}(out_.list());
  }

 private:
  void step(std::uint8_t choice) {
    switch (choice % 16) {
      case 0:
      case 1:
        return meta();
      case 2:
      case 3:
      case 4:
        return load();
      case 5:
        return mask();
      case 6:
      case 7:
      case 8:
        return compare();
      case 9:
        out_.range(in_.below(3), in_.some(2), in_.some(2));
        return;
      case 10:
        out_.counter(in_.next(), in_.next());
        return;
      case 11:
        return limit();
      case 12:
        return verdict();
      case 13:
        return extension();
      case 14:
        return log();
      default:
        return other();
    }
  }

  void meta() {
    constexpr std::uint32_t kKeys[] = {NFT_META_L4PROTO, NFT_META_IIFNAME, NFT_META_OIFNAME,
                                       NFT_META_MARK,    NFT_META_PKTTYPE, NFT_META_IIF};
    key_ = in_.one_of(kKeys);
    size_ = key_ == NFT_META_MARK ? 4 : 1;
    const bool name = key_ == NFT_META_IIFNAME || key_ == NFT_META_OIFNAME;
    if (name) size_ = in_.below(17);
    out_.meta(key_, in_.below(32) == 31 ? NFT_REG_2 : NFT_REG_1);
  }
  void load() {
    constexpr std::uint8_t kOffsets[] = {0, 2, 6, 8, 9, 12, 13, 16, 24, 40};
    constexpr std::uint8_t kSizes[] = {1, 2, 4, 16, 2, 3, 8, 0};
    const std::uint8_t how = in_.next();
    key_ = 0;
    size_ = in_.one_of(kSizes);
    out_.load(how % 4 + (how == 0xff ? 2U : 0U), in_.one_of(kOffsets), size_);
  }
  // A size that mostly fits.
  std::size_t fitting() { return in_.below(16) == 15 ? in_.below(20) : size_; }
  void mask() {
    NftBytes mask = in_.some(fitting());
    NftBytes flip(mask.size());
    if (!flip.empty() && in_.below(16) == 15) flip[0] = in_.next();
    out_.mask(mask, flip);
  }
  void compare() {
    constexpr std::uint8_t kProtocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6,
                                           0};
    const std::uint32_t operation = in_.below(3) != 0 ? in_.below(2) : in_.below(7);
    NftBytes value = in_.some(fitting());
    if (key_ == NFT_META_L4PROTO && !value.empty() && in_.below(4) != 0) {
      value[0] = in_.one_of(kProtocols);
    }
    out_.compare(operation, value);
  }
  void limit() {
    constexpr std::uint64_t kUnits[] = {1, 60, 3600, 86400, 604800, 0, 7};
    out_.limit(in_.word(), in_.one_of(kUnits), in_.next(), in_.below(16) == 15 ? 1 : 0,
               in_.below(16) == 15 ? 1 : 0);
  }
  void verdict() {
    constexpr int kCodes[] = {NF_ACCEPT, NF_DROP, NFT_RETURN, NFT_JUMP, NFT_GOTO, NFT_CONTINUE, 3};
    constexpr const char* kChains[] = {"CHAIN", "", "OTHER", "NONE", "ACCEPT"};
    const int code = in_.one_of(kCodes);
    const bool leads = code == NFT_JUMP || code == NFT_GOTO;
    out_.verdict(code, leads ? in_.one_of(kChains) : "");
  }
  void extension() {
    constexpr const char* kMatches[] = {"tcp", "udp", "mark", "comment", "icmp", "pkttype", "x"};
    constexpr const char* kTargets[] = {"NFLOG", "TRACE", "CHAIN", "DROP", "MARK", "", "ERROR"};
    const std::uint8_t how = in_.next();
    const std::size_t size = std::size_t{8} * in_.below(4) + (how == 0xff ? 1 : 0);
    const std::uint32_t revision = in_.below(3);
    if (how % 2 == 0) {
      out_.match(in_.one_of(kMatches), revision, in_.some(size));
    } else {
      out_.target(in_.one_of(kTargets), revision, in_.some(size));
    }
  }
  void log() {
    const std::uint8_t how = in_.next();
    const std::string prefix(how % 80, 'p');
    out_.log(in_.word(), prefix, [&](MessageBuilder& more) {
      if ((how & 64) != 0) more.be32(NFTA_LOG_SNAPLEN, in_.word());
      if ((how & 32) != 0) more.be16(NFTA_LOG_QTHRESHOLD, in_.word());
      if (how == 0xff) more.be32(NFTA_LOG_LEVEL, 4);
    });
  }
  void other() {
    constexpr const char* kNames[] = {"lookup", "ct", "quota", "notrack", "dynset"};
    const std::uint8_t how = in_.next();
    if (how < 64) {
      out_.immediate({static_cast<std::uint8_t>(in_.below(3))}).set_meta(NFT_META_NFTRACE);
    } else if (how < 128) {
      user_data_ = user_comment(std::string(in_.next(), 'c'));
    } else {
      out_.add(in_.one_of(kNames));
    }
  }

  Numbers& in_;
  RuleMaker out_;
  NftBytes user_data_;
  std::uint32_t key_ = 0;
  std::uint32_t size_ = 0;  // of what was loaded
};

// Whether every element of the list is one: readers skip others, and the packet model does not.
bool only_elements(const nft::Rule& rule) {
  const auto list = rule.expressions.list();
  AttributeCursor cursor(list.data(), list.size());
  for (Attribute element; cursor.next(element);) {
    if (element.type != NFTA_LIST_ELEM) return false;
  }
  return cursor.intact();
}

// Whether it has a match or target of x_tables that is written in words of its own. These leave out
// the bytes that mean nothing.
bool loses_padding(const nft::Rule& rule) {
  bool loses = false;
  rule.expressions.each([&](const nft::Expression& expression) {
    if (!expression.data || (expression.name != "match" && expression.name != "target")) return;
    const Nest data(*expression.data);
    const std::string_view name = data[NFTA_MATCH_NAME].text();
    for (const char* own : {"tcp", "udp", "mark", "limit", "NFLOG"}) loses |= name == own;
  });
  return loses;
}

void check_exact(const xt::Layout& layout, const nft::Rule& rule, const RuleBytes& entry,
                 const RulePacket& packet) {
  const auto list = rule.expressions.list();
  Attribute nest;
  nest.data = list.data();
  nest.size = static_cast<std::uint16_t>(list.size());
  if (only_elements(rule)) {
    const auto passes = expressions_pass(nest, packet);
    if (passes && *passes != entry_passes(layout, entry, packet)) __builtin_trap();
  }
  // It can be written, unless iptables has no such rule.
  MessageBuilder out;
  const xt::Counters counters = xt::load_counters(&entry[layout.counters]);
  const auto write = [&](const RuleBytes& given) {
    out.clear();
    return nft::write_rule(layout, given.data(), given.size(), counters, is_test_chain, out);
  };
  if (write(entry) != nullptr) return;
  const NftBytes first = bytes_of(out);
  const auto again = read_written(layout, first.data(), first.size());
  if (!again || again->reading != nft::Reading::kExact) __builtin_trap();
  if (entry_passes(layout, again->entry, packet) != entry_passes(layout, entry, packet)) {
    __builtin_trap();
  }
  if (write(again->entry) != nullptr || bytes_of(out) != first) __builtin_trap();
  if (!loses_padding(rule) && again->entry != entry) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 + kPacket) return 0;
  const xt::Layout& layout = (data[0] & 1) != 0 ? xt::kIpv6 : xt::kIpv4;
  NftBytes message(data + 2 + kPacket, data + size);
  if ((data[0] & 2) != 0) {
    Numbers numbers(data + 2 + kPacket, size - 2 - kPacket);
    message = Composer(numbers).rule();
  }
  nft::Rule rule;
  if (!nft::parse(AttributeCursor(message.data(), message.size()), rule)) return 0;
  const ReadEntry read = read_entry(layout, rule);
  const RulePacket packet = packet_of(layout, data[1], data + 2, read.entry);
  if (read.reading == nft::Reading::kExact) check_exact(layout, rule, read.entry, packet);
  if (read.reading == nft::Reading::kInexact && only_elements(rule)) {
    // What the entry says is no more than the rule: a packet that passes the entry passes the rule.
    Attribute nest;
    nest.data = rule.expressions.list().data();
    nest.size = static_cast<std::uint16_t>(rule.expressions.list().size());
    const auto passes = expressions_pass(nest, packet);
    if (passes && !*passes && entry_passes(layout, read.entry, packet)) __builtin_trap();
  }
  return 0;
}
