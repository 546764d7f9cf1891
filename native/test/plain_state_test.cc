// The state of common fields: for random fields the bytes are those that libnetfilter_conntrack
// makes of them. Everything else is left to the library.
#include "core/conntrack/request/plain_state.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <random>

#include "core/conntrack/request/library_state.h"
#include "core/conntrack/request/packed_fields.h"
#include "test/check.h"

namespace nf::ct {
namespace {

class Fields {
 public:
  template <typename T>
  Fields& put(Field field, T value) {
    return bytes(field, reinterpret_cast<const std::uint8_t*>(&value), sizeof value);
  }
  Fields& bytes(Field field, const std::uint8_t* data, std::size_t size) {
    const std::uint16_t header[2] = {static_cast<std::uint16_t>(size),
                                     static_cast<std::uint16_t>(field)};
    const auto* raw = reinterpret_cast<const std::uint8_t*>(header);
    packed_.insert(packed_.end(), raw, raw + sizeof header);
    packed_.insert(packed_.end(), data, data + size);
    packed_.resize(align4(packed_.size()));
    return *this;
  }
  const std::vector<std::uint8_t>& packed() const { return packed_; }

 private:
  std::vector<std::uint8_t> packed_;
};

class FieldMaker {
 public:
  explicit FieldMaker(unsigned seed) : random_(seed) {}

  Fields make() {
    const bool v6 = chance(50);
    const std::uint8_t protocols[] = {
        IPPROTO_TCP,  IPPROTO_TCP,
        IPPROTO_UDP,  v6 ? std::uint8_t{IPPROTO_ICMPV6} : std::uint8_t{IPPROTO_ICMP},
        IPPROTO_SCTP, 250};
    const std::uint8_t protocol = protocols[random_() % std::size(protocols)];
    Fields fields;
    fields.put<std::uint8_t>(Field::family, v6 ? AF_INET6 : AF_INET);
    fields.put(Field::protocol, protocol);
    const bool icmp = protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
    const bool ports = !icmp && protocol != 250;
    for (const Field side : {Field::origSrc, Field::origDst}) address(fields, side, v6);
    if (ports) u16(fields, Field::origSrcPort), u16(fields, Field::origDstPort);
    if (icmp) {
      u8(fields, Field::icmpType), u8(fields, Field::icmpCode), u16(fields, Field::icmpId);
    }
    if (chance(20)) u16(fields, Field::origZone);
    for (const Field side : {Field::replySrc, Field::replyDst}) address(fields, side, v6);
    if (ports) u16(fields, Field::replySrcPort), u16(fields, Field::replyDstPort);
    if (icmp) {
      u8(fields, Field::replyIcmpType), u8(fields, Field::replyIcmpCode);
      u16(fields, Field::replyIcmpId);
    }
    if (chance(20)) u16(fields, Field::replyZone);
    if (chance(80)) u32(fields, Field::timeout);
    if (protocol == IPPROTO_TCP && chance(80)) {
      u8(fields, Field::state);
      if (chance(30)) {
        for (const Field field :
             {Field::tcpFlagsOrig, Field::tcpMaskOrig, Field::tcpFlagsReply, Field::tcpMaskReply,
              Field::tcpWscaleOrig, Field::tcpWscaleReply}) {
          u8(fields, field);
        }
      }
    }
    if (chance(30)) u16(fields, Field::zone);
    if (chance(50)) u32(fields, Field::mark);
    if (chance(70)) u32(fields, Field::status);
    return fields;
  }

  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_()) % limit; }

 private:
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  void u8(Fields& fields, Field field) { fields.put(field, static_cast<std::uint8_t>(random_())); }
  void u16(Fields& fields, Field field) {
    fields.put(field, static_cast<std::uint16_t>(random_()));
  }
  void u32(Fields& fields, Field field) {
    fields.put(field, static_cast<std::uint32_t>(random_()));
  }
  void address(Fields& fields, Field field, bool v6) {
    std::uint8_t bytes[16];
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random_());
    fields.bytes(field, bytes, v6 ? 16 : 4);
  }
  std::mt19937 random_;
};

std::vector<std::uint8_t> contents(const MessageBuilder& message) {
  return {message.data(), message.data() + message.size()};
}

std::uint8_t protocol_of(std::span<const std::uint8_t> fields) {
  FieldCursor cursor(fields);
  for (PackedField field; cursor.next(field);) {
    if (field.field == Field::protocol) return field.value[0];
  }
  return 0;
}

bool plain(std::span<const std::uint8_t> fields, MessageBuilder& message) {
  return append_plain_state(protocol_of(fields), fields, message);
}

bool by_library(std::span<const std::uint8_t> fields, MessageBuilder& message) {
  return append_library_state(AF_INET, protocol_of(fields), fields, true, message).ok();
}

TEST(plain_state_is_what_the_library_makes) {
  if (!require_nfct("test")) return;  // the environment of core.test.ts has it
  FieldMaker maker(1);
  for (int i = 0; i < 20000; i++) {
    const Fields fields = maker.make();
    MessageBuilder ours;
    MessageBuilder theirs;
    CHECK(plain(fields.packed(), ours));
    CHECK(by_library(fields.packed(), theirs));
    CHECK(contents(ours) == contents(theirs));
  }
}

TEST(what_is_not_plain_is_left_alone) {
  const auto refused = [](std::span<const std::uint8_t> fields) {
    MessageBuilder message;
    CHECK(!plain(fields, message));
    CHECK_EQUAL(message.size(), std::size_t{0});
  };
  FieldMaker maker(2);
  const std::uint8_t bytes[16] = {};
  for (std::uint16_t i = 0; i < static_cast<std::uint16_t>(Field::count); i++) {
    const auto field = static_cast<Field>(i);
    // flow_tuples.h checks the fields of tuples.
    if (field < Field::zone || field == Field::origZone || field == Field::replyZone) continue;
    // A size that no field has.
    Fields wrong = maker.make();
    refused(wrong.bytes(field, bytes, 3).packed());
    // Fields that only the library writes, in their right size.
    if (field < Field::sctpVtagOrig && field != Field::markMask) continue;
    for (const std::size_t size : {1, 2, 4, 8, 12, 16}) {
      Fields other = maker.make();
      refused(other.bytes(field, bytes, size).packed());
    }
  }
  refused(maker.make().put(Field::markMask, std::uint32_t{1}).packed());
  // State without TCP; flags without their masks, and without a state.
  Fields udp;
  udp.put<std::uint8_t>(Field::family, AF_INET).put<std::uint8_t>(Field::protocol, IPPROTO_UDP);
  MessageBuilder message;
  CHECK(plain(udp.packed(), message));
  refused(Fields(udp).put<std::uint8_t>(Field::state, 1).packed());
  Fields tcp;
  tcp.put<std::uint8_t>(Field::protocol, IPPROTO_TCP);
  refused(Fields(tcp).put<std::uint8_t>(Field::tcpWscaleOrig, 1).packed());
  tcp.put<std::uint8_t>(Field::state, 1);
  CHECK(plain(tcp.packed(), message));
  refused(Fields(tcp).put<std::uint8_t>(Field::tcpFlagsOrig, 1).packed());
}

TEST(fields_that_end_too_early_have_no_plain_state) {
  FieldMaker maker(3);
  for (int i = 0; i < 500; i++) {
    const Fields fields = maker.make();
    const auto& packed = fields.packed();
    // A copy of exactly that size, so that the sanitizer sees a read behind it.
    const std::vector<std::uint8_t> part(
        packed.begin(), packed.begin() + maker.below(static_cast<std::uint32_t>(packed.size())));
    MessageBuilder message;
    MessageBuilder theirs;
    if (!plain(part, message)) {
      CHECK_EQUAL(message.size(), std::size_t{0});
    } else if (require_nfct("test")) {
      CHECK(by_library(part, theirs));
      CHECK(contents(message) == contents(theirs));
    }
  }
}

}  // namespace
}  // namespace nf::ct
