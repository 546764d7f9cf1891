// Messages as text, and which values of NODE_DEBUG ask for it.
#include "core/netlink/trace.h"

#include <linux/netfilter/nfnetlink_conntrack.h>
#include <unistd.h>

#include <string>

#include "core/netlink/message.h"
#include "test/check.h"

namespace nf {
namespace {

TEST(node_debug_names_sections_as_node_reads_them) {
  for (const char* list : {"conntrack", "fs,conntrack", "CONNTRACK", "http,Conntrack,net", "*",
                           "conn*", "*track", "c*n*k", "**", "fs,*"}) {
    CHECK(trace::names_conntrack(list));
  }
  for (const char* list :
       {"", ",", "fs", "conntrac", "conntracks", "fs,http", "conn", "x*", "*x"}) {
    CHECK(!trace::names_conntrack(list));
  }
  // No pattern takes long.
  CHECK(trace::names_conntrack(std::string(10000, '*')));
}

std::string lead() { return "CONNTRACK " + std::to_string(::getpid()) + ": sent "; }

TEST(a_message_is_told_with_its_attributes) {
  MessageBuilder message;
  message.begin(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_DUMP, 7, 2);
  const auto nest = message.open_nest(CTA_TUPLE_ORIG);
  const auto ip = message.open_nest(CTA_TUPLE_IP);
  message.be32(CTA_IP_V4_SRC, 0x0a000001);
  message.close_nest(ip);
  message.close_nest(nest);
  message.be32(CTA_MARK, 0xff);
  message.end();
  CHECK_EQUAL(trace::describe("sent", message.data(), message.size()),
              lead() +
                  "ctnetlink message 1 flags request|0x300 sequence 7 family 2 "
                  "{1{1{1=0a000001}} 8=000000ff}\n");
}

TEST(several_messages_are_a_line_each) {
  MessageBuilder messages;
  for (const std::uint32_t sequence : {1U, 2U}) {
    messages.begin(NFNL_SUBSYS_CTNETLINK_EXP << 8 | 2, NLM_F_REQUEST | NLM_F_ACK, sequence, 10);
    messages.end();
  }
  const std::string line = "ctnetlink_exp message 2 flags request|ack sequence ";
  CHECK_EQUAL(trace::describe("sent", messages.data(), messages.size()),
              lead() + line + "1 family 10 {}\n" + lead() + line + "2 family 10 {}\n");
}

TEST(long_values_are_cut_and_broken_bytes_are_told) {
  MessageBuilder message;
  message.begin(NFNL_SUBSYS_NFTABLES << 8, 0, 3, 0);
  const std::string value(40, 'A');
  message.bytes(5, value.data(), value.size());
  message.end();
  std::string hex;
  for (int i = 0; i < 32; i++) hex += "41";
  const std::string line =
      lead() + "nftables message 0 flags 0 sequence 3 family 0 {5=" + hex + "... (40 bytes)}\n";
  CHECK_EQUAL(trace::describe("sent", message.data(), message.size()), line);
  // Trailing bytes that are no message.
  std::string bytes(reinterpret_cast<const char*>(message.data()), message.size());
  bytes += "xxxx";
  CHECK_EQUAL(trace::describe("sent", bytes.data(), bytes.size()),
              line + lead() + "bytes that are no message\n");
}

TEST(an_error_is_told_with_its_number) {
  struct {
    nlmsghdr header;
    nlmsgerr error;
  } refusal{};
  refusal.header.nlmsg_len = sizeof refusal;
  refusal.header.nlmsg_type = NLMSG_ERROR;
  refusal.header.nlmsg_seq = 9;
  refusal.error.error = -2;
  CHECK_EQUAL(trace::describe("sent", &refusal, sizeof refusal),
              lead() + "error flags 0 sequence 9 errno 2\n");
}

}  // namespace
}  // namespace nf
