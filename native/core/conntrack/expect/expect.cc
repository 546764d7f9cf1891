// Requests about expectations (net/netfilter/nf_conntrack_netlink.c, from "EXPECT" on).
//
// Traps of that file:
//  - A DELETE without a tuple is a flush, so a tuple that does not encode must end the request.
//  - A dump of the expectations of a flow without a helper ends without NLMSG_DONE. It ends with
//    the acknowledgement, if one was asked for.
//  - A new expectation gets the helper's timeout, whatever the request says. The timeout has to be
//    changed afterwards.
#include "core/conntrack/expect/expect.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include "core/conntrack/events/event_queue.h"
#include "core/conntrack/request/flow_request.h"
#include "core/conntrack/request/nfct_library.h"
#include "core/conntrack/request/tuple.h"
#include "core/netlink/dump.h"
#include "core/netlink/exchange.h"
#include "core/netlink/message.h"
#include "core/operation.h"

namespace nf::ct {
namespace {

constexpr std::uint16_t type_of(int message) {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK_EXP << 8 | message);
}

bool append_message(const MessageView& message, GrowBuffer& out) {
  const MessageHeader header{static_cast<std::uint32_t>(message.size), -1, 0, 0, 0};
  const std::uint8_t padding[4] = {};
  return out.append(&header, sizeof header) && out.append(message.payload, message.size) &&
         out.append(padding, align4(message.size) - message.size);
}

// One request that names an expectation by its tuple; `on_message` gets the answer.
Result<bool> by_tuple(Socket& socket, const Cancel* cancel, const char* operation, int verb,
                      const PackedTuple& tuple,
                      const std::function<void(const MessageView&)>& on_message = {}) {
  if (!is_whole(tuple)) return fail(EINVAL, operation, "tuple");
  Exchange exchange(socket, cancel, operation);
  auto refusal = request(
      exchange,
      [&](MessageBuilder& message, std::uint32_t sequence) {
        message.begin(type_of(verb), NLM_F_REQUEST, sequence, tuple.family);
        append_tuple(CTA_EXPECT_TUPLE, tuple, message);
        if (tuple.zone != 0) message.be16(CTA_EXPECT_ZONE, tuple.zone);
        if ((tuple.flags & kTupleHasId) != 0) message.be32(CTA_EXPECT_ID, tuple.id);
        message.end();
      },
      on_message);
  if (!refusal) return refusal.error();
  if (refusal->code == ENOENT) return false;
  if (refusal->code != 0) return fail(refusal->code, operation, refusal->text);
  return true;
}

class FlowObject {
 public:
  explicit FlowObject(const PackedTuple& tuple) : library_(nfct_library()), flow_(library_.make()) {
    if (flow_ == nullptr) return;
    const bool v6 = tuple.family == AF_INET6;
    library_.set_attr_u8(flow_, ATTR_ORIG_L3PROTO, tuple.family);
    library_.set_attr_u8(flow_, ATTR_ORIG_L4PROTO, tuple.protocol);
    library_.set_attr(flow_, v6 ? ATTR_ORIG_IPV6_SRC : ATTR_ORIG_IPV4_SRC, tuple.src);
    library_.set_attr(flow_, v6 ? ATTR_ORIG_IPV6_DST : ATTR_ORIG_IPV4_DST, tuple.dst);
    if ((tuple.flags & kTupleHasPorts) == 0) return;
    library_.set_attr_u16(flow_, ATTR_ORIG_PORT_SRC, htons(tuple.src_port));
    library_.set_attr_u16(flow_, ATTR_ORIG_PORT_DST, htons(tuple.dst_port));
  }
  ~FlowObject() {
    if (flow_ != nullptr) library_.destroy(flow_);
  }
  FlowObject(const FlowObject&) = delete;
  FlowObject& operator=(const FlowObject&) = delete;
  nf_conntrack* get() const { return flow_; }

 private:
  const NfctLibrary& library_;
  nf_conntrack* flow_;
};

class ExpectObject {
 public:
  ExpectObject() : library_(nfct_library()), expectation_(library_.expectation_make()) {}
  ~ExpectObject() {
    if (expectation_ != nullptr) library_.expectation_destroy(expectation_);
  }
  ExpectObject(const ExpectObject&) = delete;
  ExpectObject& operator=(const ExpectObject&) = delete;
  bool valid() const { return expectation_ != nullptr; }
  nf_expect* get() const { return expectation_; }

  // The library copies the flow object.
  bool tuple(nf_expect_attr attr, const PackedTuple& tuple) {
    const FlowObject flow(tuple);
    if (flow.get() == nullptr) return false;
    library_.expectation_set_attr(expectation_, attr, flow.get());
    return true;
  }
  void number(nf_expect_attr attr, std::uint32_t value) {
    library_.expectation_set_attr_u32(expectation_, attr, value);
  }
  void text(nf_expect_attr attr, const char* value) {
    library_.expectation_set_attr(expectation_, attr, value);
  }

 private:
  const NfctLibrary& library_;
  nf_expect* expectation_;
};

// What some releases of the library accept and do not send: in 1.0.9, NAT and the function.
void append_missing(const PackedExpectation& wanted, std::uint32_t seen, MessageBuilder& message) {
  const auto lacks = [&](std::uint8_t given, int type) {
    return (wanted.given & given) != 0 && (seen & 1U << type) == 0;
  };
  if (lacks(kExpectTimeout, CTA_EXPECT_TIMEOUT)) message.be32(CTA_EXPECT_TIMEOUT, wanted.timeout);
  if (lacks(kExpectFlags, CTA_EXPECT_FLAGS)) message.be32(CTA_EXPECT_FLAGS, wanted.flags);
  if (lacks(kExpectClass, CTA_EXPECT_CLASS)) message.be32(CTA_EXPECT_CLASS, wanted.policy_class);
  if (lacks(kExpectHelper, CTA_EXPECT_HELP_NAME)) {
    message.string(CTA_EXPECT_HELP_NAME, wanted.helper);
  }
  if (lacks(kExpectFunction, CTA_EXPECT_FN)) message.string(CTA_EXPECT_FN, wanted.function);
  if (wanted.master.zone != 0 && (seen & 1U << CTA_EXPECT_ZONE) == 0) {
    message.be16(CTA_EXPECT_ZONE, wanted.master.zone);
  }
  if (lacks(kExpectNat, CTA_EXPECT_NAT)) {
    const auto nest = message.open_nest(CTA_EXPECT_NAT);
    message.be32(CTA_EXPECT_NAT_DIR, wanted.nat_direction);
    append_tuple(CTA_EXPECT_NAT_TUPLE, wanted.nat, message);
    message.close_nest(nest);
  }
}

// The request as libnetfilter_conntrack builds it, appended to the batch.
Result<void> append_create(const PackedExpectation& wanted, std::uint32_t sequence,
                           MessageBuilder& batch) {
  const NfctLibrary& library = nfct_library();
  ExpectObject object;
  if (!object.valid()) return fail(ENOMEM, operation::kExpectCreate);
  bool made = object.tuple(ATTR_EXP_MASTER, wanted.master) &&
              object.tuple(ATTR_EXP_EXPECTED, wanted.tuple) &&
              object.tuple(ATTR_EXP_MASK, wanted.mask);
  if ((wanted.given & kExpectNat) != 0) {
    made = made && object.tuple(ATTR_EXP_NAT_TUPLE, wanted.nat);
    library.expectation_set_attr_u8(object.get(), ATTR_EXP_NAT_DIR, wanted.nat_direction);
  }
  if (!made) return fail(ENOMEM, operation::kExpectCreate);
  if ((wanted.given & kExpectTimeout) != 0) object.number(ATTR_EXP_TIMEOUT, wanted.timeout);
  if ((wanted.given & kExpectFlags) != 0) object.number(ATTR_EXP_FLAGS, wanted.flags);
  if ((wanted.given & kExpectClass) != 0) object.number(ATTR_EXP_CLASS, wanted.policy_class);
  if ((wanted.given & kExpectHelper) != 0) object.text(ATTR_EXP_HELPER_NAME, wanted.helper);
  if ((wanted.given & kExpectFunction) != 0) object.text(ATTR_EXP_FN, wanted.function);
  if (wanted.master.zone != 0) {
    library.expectation_set_attr_u16(object.get(), ATTR_EXP_ZONE, wanted.master.zone);
  }
  alignas(nlmsghdr) std::uint8_t room[2048] = {};
  auto* header = reinterpret_cast<nlmsghdr*>(room);
  header->nlmsg_len = NLMSG_LENGTH(sizeof(nfgenmsg));
  header->nlmsg_type = type_of(IPCTNL_MSG_EXP_NEW);
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
  header->nlmsg_seq = sequence;
  auto* generic = reinterpret_cast<nfgenmsg*>(room + NLMSG_HDRLEN);
  generic->nfgen_family = wanted.tuple.family;
  generic->version = NFNETLINK_V0;
  if (library.expectation_nlmsg_build(header, object.get()) < 0) {
    return fail(EINVAL, operation::kExpectCreate, "build");
  }
  constexpr std::size_t skip = NLMSG_LENGTH(sizeof(nfgenmsg));
  std::uint32_t seen = 0;
  AttributeCursor cursor(room + skip, header->nlmsg_len - skip);
  for (Attribute a; cursor.next(a);) {
    if (a.size > 0 && a.type < 32) seen |= 1U << a.type;
  }
  // The builder leaves out a tuple that it cannot build, and reports no error.
  constexpr std::uint32_t tuples =
      1U << CTA_EXPECT_MASTER | 1U << CTA_EXPECT_TUPLE | 1U << CTA_EXPECT_MASK;
  if ((seen & tuples) != tuples) return fail(EINVAL, operation::kExpectCreate, "tuple not built");
  batch.message(room, header->nlmsg_len);
  append_missing(wanted, seen, batch);
  batch.end();
  return {};
}

}  // namespace

Result<void> list_expectations(Socket& socket, const Cancel* cancel,
                               const std::optional<PackedTuple>& master, GrowBuffer& out) {
  const std::uint32_t sequence = socket.next_sequence();
  MessageBuilder request;
  request.begin(type_of(IPCTNL_MSG_EXP_GET), NLM_F_REQUEST | NLM_F_DUMP | NLM_F_ACK, sequence,
                master.has_value() ? master->family : 0);
  if (master.has_value()) {
    if (!is_whole(*master)) return fail(EINVAL, operation::kExpectList, "tuple");
    append_tuple(CTA_EXPECT_MASTER, *master, request);
    if (master->zone != 0) request.be16(CTA_EXPECT_ZONE, master->zone);
  }
  request.end();
  bool memory = true;
  auto answer = dump(socket, request, sequence, cancel, operation::kExpectList,
                     [&](const MessageView& message) {
                       if (message.header->nlmsg_type != type_of(IPCTNL_MSG_EXP_NEW)) return;
                       memory = append_message(message, out) && memory;
                     });
  if (!answer) return answer.error();
  if (!memory) return fail(ENOMEM, operation::kExpectList);
  const int code = answer->code();
  if (code == 0 || (master.has_value() && code == ENOENT)) return {};
  return fail(code, operation::kExpectList, answer->text());
}

Result<bool> find_expectation(Socket& socket, const Cancel* cancel, const PackedTuple& tuple,
                              GrowBuffer& out) {
  bool memory = true;
  auto found = by_tuple(socket, cancel, operation::kExpectGet, IPCTNL_MSG_EXP_GET, tuple,
                        [&](const MessageView& message) {
                          if (message.header->nlmsg_type != type_of(IPCTNL_MSG_EXP_NEW)) return;
                          memory = append_message(message, out) && memory;
                        });
  if (found.ok() && !memory) return fail(ENOMEM, operation::kExpectGet);
  return found;
}

Result<bool> delete_expectation(Socket& socket, const Cancel* cancel, const PackedTuple& tuple) {
  return by_tuple(socket, cancel, operation::kExpectDelete, IPCTNL_MSG_EXP_DELETE, tuple);
}

Result<void> create_expectation(Socket& socket, const Cancel* cancel,
                                const PackedExpectation& expectation) {
  if (auto library = require_nfct(operation::kExpectCreate); !library) return library.error();
  if (!is_whole(expectation.tuple) || expectation.master.family != expectation.tuple.family) {
    return fail(EINVAL, operation::kExpectCreate, "tuple");
  }
  Exchange exchange(socket, cancel, operation::kExpectCreate);
  Result<void> built;
  auto refusal = request(exchange, [&](MessageBuilder& message, std::uint32_t sequence) {
    built = append_create(expectation, sequence, message);
    if (!built) exchange.clear();
  });
  if (!built) return built.error();
  if (!refusal) return refusal.error();
  if (refusal->code != 0) return fail(refusal->code, operation::kExpectCreate, refusal->text);
  if ((expectation.given & kExpectTimeout) == 0) return {};
  // Only after the create: if that was refused, this would change the expectation that was there.
  refusal = request(exchange, [&](MessageBuilder& message, std::uint32_t sequence) {
    message.begin(type_of(IPCTNL_MSG_EXP_NEW), NLM_F_REQUEST, sequence, expectation.tuple.family);
    append_tuple(CTA_EXPECT_TUPLE, expectation.tuple, message);
    append_tuple(CTA_EXPECT_MASK, expectation.mask, message);
    append_tuple(CTA_EXPECT_MASTER, expectation.master, message);
    if (expectation.master.zone != 0) message.be16(CTA_EXPECT_ZONE, expectation.master.zone);
    message.be32(CTA_EXPECT_TIMEOUT, expectation.timeout);
    message.end();
  });
  if (!refusal) return refusal.error();
  // ENOENT: it was made, and is gone already. A flow has met it, or somebody has deleted it.
  if (refusal->code == 0 || refusal->code == ENOENT) return {};
  return fail(refusal->code, operation::kExpectCreate, refusal->text);
}

Result<void> flush_expectations(Socket& socket, const Cancel* cancel, const std::string& helper) {
  Exchange exchange(socket, cancel, operation::kExpectFlush);
  auto refusal = request(exchange, [&](MessageBuilder& message, std::uint32_t sequence) {
    message.begin(type_of(IPCTNL_MSG_EXP_DELETE), NLM_F_REQUEST, sequence, 0);
    if (!helper.empty()) message.string(CTA_EXPECT_HELP_NAME, helper);
    message.end();
  });
  if (!refusal) return refusal.error();
  if (refusal->code != 0) return fail(refusal->code, operation::kExpectFlush, refusal->text);
  return {};
}

}  // namespace nf::ct
