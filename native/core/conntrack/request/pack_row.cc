// Packs rows. The order of the fields is that of pack-init.ts and of change.ts.
#include "core/conntrack/request/pack_row.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "core/conntrack/request/field_writer.h"
#include "core/conntrack/request/row_parts.h"
#include "core/conntrack/tuple.h"

namespace nf::ct {
namespace {

constexpr std::uint32_t kSettable = IPS_SEEN_REPLY | IPS_ASSURED | IPS_FIXED_TIMEOUT;
constexpr std::uint32_t kTranslation = IPS_SRC_NAT | IPS_DST_NAT;
// IPS_OFFLOAD and IPS_HW_OFFLOAD, which older headers lack.
constexpr std::uint32_t kOffloaded = 1U << 14 | 1U << 15;
constexpr std::uint8_t kEstablished = 3;  // TCP_CONNTRACK_ESTABLISHED
constexpr std::uint8_t kStates = 10;      // of TCP, of SCTP and of DCCP

bool same(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  return std::memcmp(a.data(), b.data(), a.size()) == 0;
}

// The type of the answer (nf_conntrack_proto_icmp.c and nf_conntrack_proto_icmpv6.c, invmap); -1:
// the kernel tracks no flow of this type.
int answer_type(std::uint8_t protocol, std::uint8_t type) {
  if (protocol == IPPROTO_ICMPV6) {
    if (type == 128 || type == 139) return type + 1;
    return type == 129 || type == 140 ? type - 1 : -1;
  }
  if (type == 0 || type == 8) return 8 - type;
  if (type < 13 || type > 18) return -1;
  return type % 2 == 1 ? type + 1 : type - 1;
}

bool is_icmp(std::uint8_t protocol) {
  return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

class RowPacker {
 public:
  RowPacker(const Row& row, std::vector<std::uint8_t>& out)
      : row_(row), out_(out), orig_(tuple_of(row, kOrig)), reply_(tuple_of(row, kReply)) {}

  PackedRow create() {
    return whole([&] {
      tuple(orig_, false);
      if (!translation()) return false;
      if (!state_and_details()) return false;
      timeout();
      if (row_.zone != 0) write_.u16(Field::zone, row_.zone);
      write_.u32(Field::mark, row_.mark);
      write_.u32(Field::status, (row_.status & kSettable) | IPS_CONFIRMED);
      if (parts_.labels && any(parts_.label_bits)) write_.bytes(Field::labels, parts_.label_bits);
      return master();
    });
  }

  PackedRow change() {
    return whole([&] {
      tuple(orig_, false);
      if (row_.zone != 0) write_.u16(Field::zone, row_.zone);
      if (row_.have(has::timeout)) write_.u32(Field::timeout, row_.timeout);
      // A connection that is half open takes scales only at its creation.
      const bool fits = (row_.tcp_flags[0] & row_.tcp_flags[1] & 1) != 0 ||
                        (row_.wscale[0] == 0 && row_.wscale[1] == 0);
      if (row_.have(has::tcpFlags) && !fits) scales_ = false;
      if (!state_and_details()) return false;
      write_.u32(Field::mark, row_.mark);
      if ((row_.status & kSettable) != 0) write_.u32(Field::status, row_.status & kSettable);
      if (parts_.labels) {
        std::uint8_t all[16];
        std::memset(all, 0xff, sizeof all);
        write_.bytes(Field::labels, parts_.label_bits);
        write_.bytes(Field::labelsMask, all);
      }
      return true;
    });
  }

 private:
  template <typename Fields>
  PackedRow whole(const Fields& fields) {
    if (!usual() || !read_parts(row_, parts_)) return {};
    write_.begin();
    write_.u8(Field::family, row_.family);
    write_.u8(Field::protocol, row_.protocol);
    if (!fields()) return {};
    result_.timeout += out_.size();
    write_.append_to(out_);
    result_.packed = true;
    return result_;
  }

  // Whether both tuples are whole, and of the form that the protocol has.
  bool usual() const {
    if (!row_.have(has::orig | has::reply)) return false;
    const bool ports = row_.have(has::origPorts | has::replyPorts);
    if (ports != ((row_.presence & (has::origPorts | has::replyPorts)) != 0)) return false;
    const bool icmp = row_.have(has::origIcmp | has::replyIcmp);
    if (icmp != ((row_.presence & (has::origIcmp | has::replyIcmp)) != 0)) return false;
    if (is_icmp(row_.protocol)) {
      if (!icmp || ports || row_.ipv6() != (row_.protocol == IPPROTO_ICMPV6)) return false;
      if (answer_type(row_.protocol, *orig_.icmp_type) < 0) return false;
      if (answer_type(row_.protocol, *reply_.icmp_type) < 0) return false;
    } else if (icmp ||
               (ports != has_ports(row_.protocol) && (ports || row_.protocol != IPPROTO_DCCP))) {
      return false;
    }
    for (const Address& address : row_.address) {
      if (row_.ipv6() && is_mapped(address.bytes)) return false;
    }
    return true;
  }

  void tuple(const Tuple& tuple, bool reply) {
    write_.bytes(reply ? Field::replySrc : Field::origSrc, tuple.src);
    write_.bytes(reply ? Field::replyDst : Field::origDst, tuple.dst);
    if (tuple.src_port.has_value()) {
      write_.u16(reply ? Field::replySrcPort : Field::origSrcPort, *tuple.src_port);
      write_.u16(reply ? Field::replyDstPort : Field::origDstPort, *tuple.dst_port);
    }
    if (tuple.icmp_id.has_value()) {
      write_.u8(reply ? Field::replyIcmpType : Field::icmpType, *tuple.icmp_type);
      write_.u8(reply ? Field::replyIcmpCode : Field::icmpCode, *tuple.icmp_code);
      write_.u16(reply ? Field::replyIcmpId : Field::icmpId, *tuple.icmp_id);
    }
    if (tuple.zone.has_value()) write_.u16(reply ? Field::replyZone : Field::origZone, *tuple.zone);
  }

  // The reply tuple, and how the kernel gets to it. Of a flow that it does not translate, the reply
  // tuple is written as it is, also where it is not the mirror of the original one.
  bool translation() {
    const bool icmp = orig_.icmp_id.has_value();
    const bool src = !same(orig_.src, reply_.dst) ||
                     (icmp ? orig_.icmp_id != reply_.icmp_id : orig_.src_port != reply_.dst_port);
    const bool dst = !same(orig_.dst, reply_.src) || (!icmp && orig_.dst_port != reply_.src_port);
    if ((!src && !dst) || (row_.status & kTranslation) == 0) {
      tuple(reply_, true);
      return true;
    }
    // A key of GRE is not translated of a flow that is made over netlink.
    if (row_.protocol == IPPROTO_GRE && ((src && orig_.src_port != reply_.dst_port) ||
                                         (dst && orig_.dst_port != reply_.src_port))) {
      return false;
    }
    Tuple mirror;
    mirror.src = orig_.dst;
    mirror.dst = orig_.src;
    mirror.src_port = orig_.dst_port;
    mirror.dst_port = orig_.src_port;
    if (icmp) {
      mirror.icmp_type = static_cast<std::uint8_t>(answer_type(row_.protocol, *orig_.icmp_type));
      mirror.icmp_code = orig_.icmp_code;
      mirror.icmp_id = orig_.icmp_id;
    }
    mirror.zone = reply_.zone;
    tuple(mirror, true);
    if (src)
      target(Field::natSrc, Field::natSrcPort, reply_.dst, icmp ? reply_.icmp_id : reply_.dst_port);
    if (dst) target(Field::natDst, Field::natDstPort, reply_.src, reply_.src_port);
    result_.flags |= kRowTranslated;
    return true;
  }
  void target(Field address, Field port, std::span<const std::uint8_t> to,
              const std::optional<std::uint16_t>& number) {
    write_.bytes(address, to);
    if (number.has_value()) write_.u16(port, *number);
  }

  bool state_and_details() {
    const std::uint8_t protocol = row_.protocol;
    if (row_.have(has::state)) {
      const bool states =
          protocol == IPPROTO_TCP || protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP;
      if (!states || row_.state >= kStates) return false;
      write_.u8(Field::state, row_.state);
    }
    if (!parts_.helper.empty()) write_.bytes(Field::helper, parts_.helper);
    if (!tcp()) return false;
    // The kernel takes the state of SCTP and its tags together.
    if (parts_.sctp && protocol != IPPROTO_SCTP) return false;
    if (protocol == IPPROTO_SCTP && parts_.sctp != row_.have(has::state)) return false;
    if (parts_.sctp) {
      write_.u32(Field::sctpVtagOrig, parts_.vtag[0]);
      write_.u32(Field::sctpVtagReply, parts_.vtag[1]);
    }
    if (parts_.dccp_role.has_value()) {
      if (protocol != IPPROTO_DCCP || *parts_.dccp_role > 1) return false;
      write_.u8(Field::dccpRole, *parts_.dccp_role);
      if (parts_.dccp_handshake.has_value()) {
        write_.u64(Field::dccpHandshake, *parts_.dccp_handshake);
      }
    }
    for (int i = 0; i < 2; i++) {
      if (parts_.seq_adj[i].given) {
        words(i == 0 ? Field::seqAdjOrig : Field::seqAdjReply, parts_.seq_adj[i]);
      }
    }
    if (parts_.synproxy.given) words(Field::synproxy, parts_.synproxy);
    return true;
  }

  bool tcp() {
    const bool flags = row_.have(has::tcpFlags);
    const bool scales = row_.have(has::tcpWscale) && scales_;
    if (!flags && !scales) return true;
    if (row_.protocol != IPPROTO_TCP) return false;
    if (scales && (row_.wscale[0] > 14 || row_.wscale[1] > 14)) return false;
    if (flags) {
      write_.u8(Field::tcpFlagsOrig, row_.tcp_flags[0]);
      write_.u8(Field::tcpMaskOrig, 0xff);
      write_.u8(Field::tcpFlagsReply, row_.tcp_flags[1]);
      write_.u8(Field::tcpMaskReply, 0xff);
    } else {
      // The kernel takes scales only with this flag on both sides.
      write_.u8(Field::tcpFlagsOrig, 1);
      write_.u8(Field::tcpMaskOrig, 1);
      write_.u8(Field::tcpFlagsReply, 1);
      write_.u8(Field::tcpMaskReply, 1);
    }
    if (scales) {
      write_.u8(Field::tcpWscaleOrig, row_.wscale[0]);
      write_.u8(Field::tcpWscaleReply, row_.wscale[1]);
    }
    return true;
  }

  void words(Field field, const ThreeWords& three) {
    std::uint8_t raw[sizeof three.value];
    std::memcpy(raw, three.value, sizeof raw);
    write_.bytes(field, raw);
  }

  void timeout() {
    std::uint32_t seconds = 0;
    if (row_.have(has::timeout)) {
      // 0 was read where less than a second was left. An entry with it would be gone at once.
      seconds = row_.timeout == 0 ? 1 : row_.timeout;
    } else {
      // Nor does the kernel send a state of an offloaded flow. It offloads TCP when it is
      // established.
      if (!row_.have(has::state) && row_.protocol == IPPROTO_TCP &&
          (row_.status & kOffloaded) != 0) {
        write_.u8(Field::state, kEstablished);
      }
      result_.flags |= kRowUntimed;
    }
    write_.u32(Field::timeout, seconds);
    result_.timeout = write_.size() - sizeof seconds;
  }

  bool master() {
    const Master& master = parts_.master;
    if (!master.given) return true;
    // Only a flow with ports can expect another, and both are of one family.
    if (master.ipv6 != row_.ipv6() || !has_ports(master.protocol) || !master.ports) return false;
    if (master.ipv6 && (is_mapped(master.src.data()) || is_mapped(master.dst.data()))) return false;
    write_.u8(Field::masterProtocol, master.protocol);
    write_.bytes(Field::masterSrc, master.src);
    write_.bytes(Field::masterDst, master.dst);
    write_.u16(Field::masterSrcPort, master.src_port);
    write_.u16(Field::masterDstPort, master.dst_port);
    result_.flags |= kRowHasMaster;
    return true;
  }

  static bool any(std::span<const std::uint8_t> bytes) {
    for (const std::uint8_t byte : bytes) {
      if (byte != 0) return true;
    }
    return false;
  }

  const Row& row_;
  std::vector<std::uint8_t>& out_;
  FieldWriter write_;
  const Tuple orig_;
  const Tuple reply_;
  RowParts parts_;
  bool scales_ = true;  // whether window scales are written
  PackedRow result_;
};

}  // namespace

PackedRow pack_new_flow(const Row& row, std::vector<std::uint8_t>& out) {
  return RowPacker(row, out).create();
}

PackedRow pack_changed_flow(const Row& row, std::vector<std::uint8_t>& out) {
  return RowPacker(row, out).change();
}

}  // namespace nf::ct
