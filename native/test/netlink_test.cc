// Attributes, messages and acknowledgements: what is built reads back. What is malformed is
// noticed, and nothing beyond its end is read.
#include <errno.h>

#include "core/netlink/message.h"
#include "core/netlink/socket.h"
#include "test/check.h"

namespace nf {
namespace {

std::vector<std::uint8_t> copy(const MessageBuilder& builder) {
  return {builder.data(), builder.data() + builder.size()};
}

TEST(attributes_read_back) {
  MessageBuilder builder;
  builder.u8(1, 7);
  builder.be16(2, 0x1234);
  builder.be32(3, 0x12345678);
  builder.u32(4, 0x9abcdef0);
  builder.string(5, "abc");
  const auto nest = builder.open_nest(6);
  builder.u8(1, 9);
  builder.close_nest(nest);
  const auto bytes = copy(builder);
  CHECK_EQUAL(bytes.size() % 4, 0U);
  AttributeCursor cursor(bytes.data(), bytes.size());
  Attribute a;
  CHECK(cursor.next(a) && a.type == 1 && a.size == 1 && a.u8() == 7);
  CHECK(cursor.next(a) && a.type == 2 && a.be16() == 0x1234);
  CHECK(cursor.next(a) && a.type == 3 && a.be32() == 0x12345678);
  CHECK(cursor.next(a) && a.type == 4 && a.u32() == 0x9abcdef0);
  CHECK(cursor.next(a) && a.type == 5 && a.size == 4);
  CHECK(std::memcmp(a.data, "abc", 4) == 0);
  CHECK(cursor.next(a) && a.type == 6 && a.size == 8);  // without the NESTED bit
  AttributeCursor inner(a);
  CHECK(inner.next(a) && a.u8() == 9);
  CHECK(!inner.next(a) && inner.intact());
  CHECK(!cursor.next(a) && cursor.intact());
}

TEST(attribute_of_bad_length_ends_the_walk) {
  constexpr std::uint16_t lengths[] = {0, 1, 3, 9, 12, 65535};
  for (const std::uint16_t length : lengths) {
    std::vector<std::uint8_t> bytes(8);
    std::memcpy(bytes.data(), &length, sizeof length);
    AttributeCursor cursor(bytes.data(), bytes.size());
    Attribute a;
    CHECK(!cursor.next(a));
    CHECK(!cursor.intact());
  }
}

TEST(attribute_may_end_without_its_padding) {
  const std::vector<std::uint8_t> bytes = {5, 0, 1, 0, 42};
  AttributeCursor cursor(bytes.data(), bytes.size());
  Attribute a;
  CHECK(cursor.next(a) && a.size == 1 && a.u8() == 42);
  CHECK(!cursor.next(a) && cursor.intact());
}

TEST(messages_read_back) {
  MessageBuilder builder;
  for (std::uint32_t i = 1; i <= 3; i++) {
    builder.begin(0x100, NLM_F_REQUEST, i, AF_INET6, 1);
    for (std::uint32_t k = 0; k < i; k++) builder.u8(1, 2);
    builder.end();
  }
  builder.add_flags(NLM_F_ACK);
  CHECK_EQUAL(builder.count(), 3U);
  const auto bytes = copy(builder);
  MessageWalker walker(bytes.data(), bytes.size());
  MessageView view;
  for (std::uint32_t i = 1; i <= 3; i++) {
    CHECK(walker.next(view));
    CHECK_EQUAL(view.header->nlmsg_seq, i);
    CHECK_EQUAL((view.header->nlmsg_flags & NLM_F_ACK) != 0, i == 3);
    CHECK_EQUAL(view.size, 4 + 8 * i);
    CHECK_EQUAL(view.payload[0], AF_INET6);
    CHECK_EQUAL(view.payload[1], 1);
  }
  CHECK(!walker.next(view) && walker.intact());
}

TEST(rewind_forgets_a_message) {
  MessageBuilder builder;
  builder.begin(0x100, 0, 1, AF_INET);
  builder.end();
  const auto size = builder.size();
  const auto count = builder.count();
  builder.begin(0x100, 0, 2, AF_INET);
  builder.be32(1, 2);
  builder.rewind(size, count);
  CHECK_EQUAL(builder.size(), size);
  CHECK_EQUAL(builder.count(), 1U);
}

TEST(datagram_of_bad_length_ends_the_walk) {
  MessageBuilder builder;
  builder.begin(0x100, 0, 1, AF_INET);
  builder.be32(1, 2);
  builder.end();
  const auto whole = copy(builder);
  MessageView view;
  for (std::size_t size = 1; size < whole.size(); size++) {
    const std::vector<std::uint8_t> part(whole.begin(), whole.begin() + static_cast<long>(size));
    MessageWalker walker(part.data(), part.size());
    CHECK(!walker.next(view));
    CHECK(!walker.intact());
  }
  for (const std::uint32_t length : {0U, 15U, 4000U, 0xffffffffU}) {
    auto bad = whole;
    std::memcpy(bad.data(), &length, sizeof length);
    MessageWalker walker(bad.data(), bad.size());
    CHECK(!walker.next(view));
    CHECK(!walker.intact());
  }
}

std::vector<std::uint8_t> error_message(std::int32_t code, std::uint16_t flags, bool whole_request,
                                        const char* text) {
  std::vector<std::uint8_t> bytes(NLMSG_HDRLEN + sizeof(nlmsgerr));
  if (whole_request) bytes.resize(bytes.size() + 8);  // the payload of the refused request
  const std::size_t tlvs = bytes.size();
  if (text != nullptr) {
    const std::size_t size = std::strlen(text) + 1;
    bytes.resize(tlvs + align4(kAttributeHeader + size));
    const std::uint16_t header[] = {static_cast<std::uint16_t>(kAttributeHeader + size),
                                    NLMSGERR_ATTR_MSG};
    std::memcpy(&bytes[tlvs], header, sizeof header);
    std::memcpy(&bytes[tlvs + kAttributeHeader], text, size);
  }
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(bytes.size());
  header.nlmsg_type = NLMSG_ERROR;
  header.nlmsg_flags = flags;
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(&bytes[NLMSG_HDRLEN], &code, sizeof code);
  nlmsghdr request{};
  request.nlmsg_len = NLMSG_HDRLEN + 8;
  std::memcpy(&bytes[NLMSG_HDRLEN + sizeof code], &request, sizeof request);
  return bytes;
}

Acknowledgement acknowledgement(const std::vector<std::uint8_t>& bytes) {
  MessageWalker walker(bytes.data(), bytes.size());
  MessageView view;
  CHECK(walker.next(view));
  return read_acknowledgement(view);
}

TEST(acknowledgement_and_refusal) {
  CHECK_EQUAL(acknowledgement(error_message(0, 0, true, nullptr)).code, 0);
  CHECK_EQUAL(acknowledgement(error_message(-ENOENT, 0, true, nullptr)).code, ENOENT);
  for (const std::int32_t no_code : {-4096, INT32_MIN}) {
    CHECK_EQUAL(acknowledgement(error_message(no_code, 0, true, nullptr)).code, EBADMSG);
  }
  for (const bool capped : {false, true}) {
    const auto flags = static_cast<std::uint16_t>(NLM_F_ACK_TLVS | (capped ? NLM_F_CAPPED : 0));
    const auto ack = acknowledgement(error_message(-EINVAL, flags, !capped, "Unknown thing"));
    CHECK_EQUAL(ack.code, EINVAL);
    CHECK_EQUAL(ack.text, "Unknown thing");
  }
}

TEST(truncated_acknowledgement_is_read_as_far_as_it_goes) {
  const auto whole = error_message(-EINVAL, NLM_F_ACK_TLVS, true, "text");
  for (std::size_t size = NLMSG_HDRLEN; size < whole.size(); size++) {
    std::vector<std::uint8_t> part(whole.begin(), whole.begin() + static_cast<long>(size));
    const auto length = static_cast<std::uint32_t>(size);
    std::memcpy(part.data(), &length, sizeof length);
    const auto ack = acknowledgement(part);
    CHECK_EQUAL(ack.code, size < NLMSG_HDRLEN + 4 ? EBADMSG : EINVAL);
  }
}

}  // namespace
}  // namespace nf
