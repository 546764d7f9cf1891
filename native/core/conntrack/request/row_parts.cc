// Reads rare attributes. Numbers and payloads: linux/netfilter/nfnetlink_conntrack.h.
#include "core/conntrack/request/row_parts.h"

#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>

#include "core/netlink/attribute.h"

namespace nf::ct {
namespace {

constexpr std::size_t kLongestHelper = 15;  // NF_CT_HELPER_NAME_LEN is 16 with the NUL

bool find(const Attribute& nest, std::uint16_t type, std::size_t size, Attribute& out) {
  AttributeCursor cursor(nest);
  while (cursor.next(out)) {
    if (out.type == type) return out.size >= size;
  }
  return false;
}

bool kept(const Row& row, std::uint16_t type, Attribute& out) {
  for (int i = 0; i < row.extra_count; i++) {
    if (row.extra[i].type != type) continue;
    out = row.extra[i];
    return true;
  }
  return false;
}

// Three numbers, of the types 1 to 3.
bool read_words(const Row& row, std::uint16_t type, ThreeWords& out) {
  Attribute nest;
  if (!kept(row, type, nest)) return false;
  for (std::uint16_t i = 0; i < 3; i++) {
    Attribute value;
    if (!find(nest, static_cast<std::uint16_t>(i + 1), 4, value)) return false;
    out.value[i] = value.be32();
  }
  out.given = true;
  return true;
}

bool read_helper(const Row& row, RowParts& parts) {
  Attribute help;
  Attribute name;
  if (!kept(row, CTA_HELP, help) || !find(help, CTA_HELP_NAME, 1, name)) return false;
  const std::string_view text = name.text();
  parts.helper = {name.data, text.size()};
  return !text.empty() && text.size() <= kLongestHelper &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

bool read_labels(const Row& row, RowParts& parts) {
  Attribute bitmap;
  if (!kept(row, CTA_LABELS, bitmap)) return false;
  parts.labels = true;
  for (std::size_t i = 0; i < bitmap.size; i++) {
    // The kernel's bitmap is an array of long (nf_conntrack_labels.h).
    const std::size_t byte = std::endian::native == std::endian::little ? i : i - i % 8 + 7 - i % 8;
    if (byte < sizeof parts.label_bits) {
      parts.label_bits[byte] = bitmap.data[i];
    } else if (bitmap.data[i] != 0) {
      return false;
    }
  }
  return true;
}

bool read_protocol_info(const Row& row, std::uint16_t type, Attribute& out) {
  Attribute info;
  return kept(row, CTA_PROTOINFO, info) && find(info, type, 0, out);
}

bool read_sctp(const Row& row, RowParts& parts) {
  Attribute sctp;
  if (!read_protocol_info(row, CTA_PROTOINFO_SCTP, sctp)) return false;
  for (int i = 0; i < 2; i++) {
    Attribute tag;
    const auto type = i == 0 ? CTA_PROTOINFO_SCTP_VTAG_ORIGINAL : CTA_PROTOINFO_SCTP_VTAG_REPLY;
    if (!find(sctp, type, 4, tag)) return false;
    parts.vtag[i] = tag.be32();
  }
  parts.sctp = true;
  return true;
}

bool read_dccp(const Row& row, RowParts& parts) {
  Attribute dccp;
  Attribute value;
  if (!read_protocol_info(row, CTA_PROTOINFO_DCCP, dccp)) return false;
  if (!find(dccp, CTA_PROTOINFO_DCCP_ROLE, 1, value)) return false;
  parts.dccp_role = value.u8();
  if (find(dccp, CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ, 8, value)) parts.dccp_handshake = value.be64();
  return true;
}

bool read_master(const Row& row, Master& master) {
  Attribute tuple;
  Attribute ip;
  Attribute proto;
  Attribute value;
  if (!kept(row, CTA_TUPLE_MASTER, tuple) || !find(tuple, CTA_TUPLE_IP, 0, ip) ||
      !find(tuple, CTA_TUPLE_PROTO, 0, proto) || !find(proto, CTA_PROTO_NUM, 1, value)) {
    return false;
  }
  master.protocol = value.u8();
  master.ipv6 = !find(ip, CTA_IP_V4_SRC, 4, value);
  const std::size_t size = master.ipv6 ? 16 : 4;
  for (const bool src : {true, false}) {
    const auto type =
        master.ipv6 ? (src ? CTA_IP_V6_SRC : CTA_IP_V6_DST) : (src ? CTA_IP_V4_SRC : CTA_IP_V4_DST);
    if (!find(ip, type, size, value) || value.size != size) return false;
    (src ? master.src : master.dst) = {value.data, size};
  }
  Attribute dst;
  if (find(proto, CTA_PROTO_SRC_PORT, 2, value) && find(proto, CTA_PROTO_DST_PORT, 2, dst)) {
    master.ports = true;
    master.src_port = value.be16();
    master.dst_port = dst.be16();
  }
  master.given = true;
  return true;
}

}  // namespace

bool has_ports(std::uint8_t protocol) {
  switch (protocol) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_DCCP:
    case IPPROTO_GRE:
    case IPPROTO_SCTP:
    case IPPROTO_UDPLITE:
      return true;
    default:
      return false;
  }
}

bool is_mapped(const std::uint8_t* address) {
  constexpr std::uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::memcmp(address, prefix, sizeof prefix) == 0;
}

bool read_parts(const Row& row, RowParts& parts) {
  constexpr std::uint64_t rare = has::helper | has::labels | has::sctp | has::dccp |
                                 has::origSeqAdj | has::replySeqAdj | has::synproxy | has::master;
  if ((row.presence & rare) == 0) return true;
  const auto fits = [&](std::uint64_t bit, const auto& read) { return !row.have(bit) || read(); };
  return fits(has::helper, [&] { return read_helper(row, parts); }) &&
         fits(has::labels, [&] { return read_labels(row, parts); }) &&
         fits(has::sctp, [&] { return read_sctp(row, parts); }) &&
         fits(has::dccp, [&] { return read_dccp(row, parts); }) &&
         fits(has::origSeqAdj,
              [&] { return read_words(row, CTA_SEQ_ADJ_ORIG, parts.seq_adj[0]); }) &&
         fits(has::replySeqAdj,
              [&] { return read_words(row, CTA_SEQ_ADJ_REPLY, parts.seq_adj[1]); }) &&
         fits(has::synproxy, [&] { return read_words(row, CTA_SYNPROXY, parts.synproxy); }) &&
         fits(has::master, [&] { return read_master(row, parts.master); });
}

}  // namespace nf::ct
