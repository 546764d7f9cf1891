// Messages of event sockets, for tests.
#pragma once

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <vector>

#include "core/netlink/socket.h"
#include "test/filters.h"
#include "test/messages.h"

namespace nf::test {

constexpr std::uint16_t kNewType = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
constexpr std::uint16_t kDeleteType = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
constexpr std::uint16_t kExpectDeleteType = NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_EXP_DELETE;

// An event of a flow from 10.0.0.`last`, unless the test says otherwise.
struct Event {
  explicit Event(std::uint16_t type = kNewType, std::uint16_t flags = NLM_F_CREATE | NLM_F_EXCL,
                 std::uint8_t last = 2)
      : payload(tcp_flow(AF_INET, last).payload()) {
    header.nlmsg_type = type;
    header.nlmsg_flags = flags;
  }
  MessageView view() const { return {&header, payload.data(), payload.size()}; }
  nlmsghdr header{};
  std::vector<std::uint8_t> payload;
};

}  // namespace nf::test
