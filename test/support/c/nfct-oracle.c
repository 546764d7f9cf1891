// Parses the kernel's messages with libnetfilter_conntrack and prints one JSON line for each. Tests
// compare our own parser with it. It is a separate process, because the library ends the process on
// a malformed attribute. nfct-oracle [--family 4|6] [--raw] dumps the table by raw netlink; --raw
// adds the message's hex
// nfct-oracle --hex                    reads one message in hex per line from standard input
#include <ctype.h>

// The conntrack headers of libc and the kernel come before the library's copies of them.
#include "ctnl.h"

#include <libnetfilter_conntrack/libnetfilter_conntrack.h>

enum kind { U8, U16, BE16, U32, U64, IP4, IP6, TEXT, BITMASK };

static const struct {
  enum nf_conntrack_attr attribute;
  const char* name;
  enum kind kind;
} attributes[] = {
    {ATTR_ORIG_IPV4_SRC, "orig_ipv4_src", IP4},
    {ATTR_ORIG_IPV4_DST, "orig_ipv4_dst", IP4},
    {ATTR_REPL_IPV4_SRC, "repl_ipv4_src", IP4},
    {ATTR_REPL_IPV4_DST, "repl_ipv4_dst", IP4},
    {ATTR_ORIG_IPV6_SRC, "orig_ipv6_src", IP6},
    {ATTR_ORIG_IPV6_DST, "orig_ipv6_dst", IP6},
    {ATTR_REPL_IPV6_SRC, "repl_ipv6_src", IP6},
    {ATTR_REPL_IPV6_DST, "repl_ipv6_dst", IP6},
    {ATTR_ORIG_PORT_SRC, "orig_port_src", BE16},
    {ATTR_ORIG_PORT_DST, "orig_port_dst", BE16},
    {ATTR_REPL_PORT_SRC, "repl_port_src", BE16},
    {ATTR_REPL_PORT_DST, "repl_port_dst", BE16},
    {ATTR_ICMP_TYPE, "icmp_type", U8},
    {ATTR_ICMP_CODE, "icmp_code", U8},
    {ATTR_ICMP_ID, "icmp_id", BE16},
    {ATTR_ORIG_L3PROTO, "orig_l3proto", U8},
    {ATTR_REPL_L3PROTO, "repl_l3proto", U8},
    {ATTR_ORIG_L4PROTO, "orig_l4proto", U8},
    {ATTR_REPL_L4PROTO, "repl_l4proto", U8},
    {ATTR_TCP_STATE, "tcp_state", U8},
    {ATTR_TCP_FLAGS_ORIG, "tcp_flags_orig", U8},
    {ATTR_TCP_FLAGS_REPL, "tcp_flags_repl", U8},
    {ATTR_TCP_MASK_ORIG, "tcp_mask_orig", U8},
    {ATTR_TCP_MASK_REPL, "tcp_mask_repl", U8},
    {ATTR_TCP_WSCALE_ORIG, "tcp_wscale_orig", U8},
    {ATTR_TCP_WSCALE_REPL, "tcp_wscale_repl", U8},
    {ATTR_SNAT_IPV4, "snat_ipv4", IP4},
    {ATTR_DNAT_IPV4, "dnat_ipv4", IP4},
    {ATTR_SNAT_PORT, "snat_port", BE16},
    {ATTR_DNAT_PORT, "dnat_port", BE16},
    {ATTR_SNAT_IPV6, "snat_ipv6", IP6},
    {ATTR_DNAT_IPV6, "dnat_ipv6", IP6},
    {ATTR_TIMEOUT, "timeout", U32},
    {ATTR_MARK, "mark", U32},
    {ATTR_SECMARK, "secmark", U32},
    {ATTR_ORIG_COUNTER_PACKETS, "orig_counter_packets", U64},
    {ATTR_REPL_COUNTER_PACKETS, "repl_counter_packets", U64},
    {ATTR_ORIG_COUNTER_BYTES, "orig_counter_bytes", U64},
    {ATTR_REPL_COUNTER_BYTES, "repl_counter_bytes", U64},
    {ATTR_USE, "use", U32},
    {ATTR_ID, "id", U32},
    {ATTR_STATUS, "status", U32},
    {ATTR_MASTER_IPV4_SRC, "master_ipv4_src", IP4},
    {ATTR_MASTER_IPV4_DST, "master_ipv4_dst", IP4},
    {ATTR_MASTER_IPV6_SRC, "master_ipv6_src", IP6},
    {ATTR_MASTER_IPV6_DST, "master_ipv6_dst", IP6},
    {ATTR_MASTER_PORT_SRC, "master_port_src", BE16},
    {ATTR_MASTER_PORT_DST, "master_port_dst", BE16},
    {ATTR_MASTER_L3PROTO, "master_l3proto", U8},
    {ATTR_MASTER_L4PROTO, "master_l4proto", U8},
    {ATTR_ORIG_NAT_SEQ_CORRECTION_POS, "orig_nat_seq_correction_pos", U32},
    {ATTR_ORIG_NAT_SEQ_OFFSET_BEFORE, "orig_nat_seq_offset_before", U32},
    {ATTR_ORIG_NAT_SEQ_OFFSET_AFTER, "orig_nat_seq_offset_after", U32},
    {ATTR_REPL_NAT_SEQ_CORRECTION_POS, "repl_nat_seq_correction_pos", U32},
    {ATTR_REPL_NAT_SEQ_OFFSET_BEFORE, "repl_nat_seq_offset_before", U32},
    {ATTR_REPL_NAT_SEQ_OFFSET_AFTER, "repl_nat_seq_offset_after", U32},
    {ATTR_SCTP_STATE, "sctp_state", U8},
    {ATTR_SCTP_VTAG_ORIG, "sctp_vtag_orig", U32},
    {ATTR_SCTP_VTAG_REPL, "sctp_vtag_repl", U32},
    {ATTR_DCCP_STATE, "dccp_state", U8},
    {ATTR_DCCP_ROLE, "dccp_role", U8},
    {ATTR_DCCP_HANDSHAKE_SEQ, "dccp_handshake_seq", U64},
    {ATTR_HELPER_NAME, "helper_name", TEXT},
    {ATTR_SECCTX, "secctx", TEXT},
    {ATTR_ZONE, "zone", U16},
    {ATTR_ORIG_ZONE, "orig_zone", U16},
    {ATTR_REPL_ZONE, "repl_zone", U16},
    {ATTR_TIMESTAMP_START, "timestamp_start", U64},
    {ATTR_TIMESTAMP_STOP, "timestamp_stop", U64},
    {ATTR_CONNLABELS, "connlabels", BITMASK},
    {ATTR_SYNPROXY_ISN, "synproxy_isn", U32},
    {ATTR_SYNPROXY_ITS, "synproxy_its", U32},
    {ATTR_SYNPROXY_TSOFF, "synproxy_tsoff", U32},
};

static void print_text(const char* text) {
  putchar('"');
  for (const unsigned char* at = (const unsigned char*)text; *at != '\0'; at++) {
    if (*at < 0x20 || *at >= 0x7f || *at == '"' || *at == '\\') {
      printf("\\u%04x", *at);
    } else {
      putchar(*at);
    }
  }
  putchar('"');
}

static void print_address(int family, const void* bytes) {
  char text[INET6_ADDRSTRLEN];
  if (inet_ntop(family, bytes, text, sizeof text) == NULL) ctnl_die("inet_ntop");
  printf("\"%s\"", text);
}

static void print_bits(const struct nfct_bitmask* mask) {
  putchar('[');
  const char* comma = "";
  for (unsigned bit = 0; bit <= nfct_bitmask_maxbit(mask); bit++) {
    if (!nfct_bitmask_test_bit(mask, bit)) continue;
    printf("%s%u", comma, bit);
    comma = ",";
  }
  putchar(']');
}

static void print_value(const struct nf_conntrack* ct, enum nf_conntrack_attr attribute,
                        enum kind kind) {
  switch (kind) {
    case U8:
      printf("%u", nfct_get_attr_u8(ct, attribute));
      break;
    case U16:
      printf("%u", nfct_get_attr_u16(ct, attribute));
      break;
    case BE16:
      printf("%u", ntohs(nfct_get_attr_u16(ct, attribute)));
      break;
    case U32:
      printf("%u", nfct_get_attr_u32(ct, attribute));
      break;
    case U64:  // as text: JSON numbers end at 2^53
      printf("\"%llu\"", (unsigned long long)nfct_get_attr_u64(ct, attribute));
      break;
    case IP4:
      print_address(AF_INET, nfct_get_attr(ct, attribute));
      break;
    case IP6:
      print_address(AF_INET6, nfct_get_attr(ct, attribute));
      break;
    case TEXT:
      print_text(nfct_get_attr(ct, attribute));
      break;
    case BITMASK:
      print_bits(nfct_get_attr(ct, attribute));
      break;
  }
}

static void print_message(const struct nlmsghdr* header, bool raw) {
  struct nf_conntrack* ct = nfct_new();
  if (ct == NULL) ctnl_die("nfct_new: %s", strerror(errno));
  const bool parsed = nfct_nlmsg_parse(header, ct) == 0;
  printf("{\"parsed\":%s,\"type\":%u,\"flags\":%u,\"attributes\":{", parsed ? "true" : "false",
         header->nlmsg_type, header->nlmsg_flags);
  const char* comma = "";
  for (size_t i = 0; parsed && i < sizeof attributes / sizeof attributes[0]; i++) {
    if (nfct_attr_is_set(ct, attributes[i].attribute) <= 0) continue;
    printf("%s\"%s\":", comma, attributes[i].name);
    print_value(ct, attributes[i].attribute, attributes[i].kind);
    comma = ",";
  }
  putchar('}');
  if (raw) {
    fputs(",\"raw\":\"", stdout);
    const uint8_t* bytes = (const uint8_t*)header;
    for (uint32_t i = 0; i < header->nlmsg_len; i++) printf("%02x", bytes[i]);
    putchar('"');
  }
  puts("}");
  nfct_destroy(ct);
}

static void dump(uint8_t family, bool raw) {
  static _Alignas(8) uint8_t chunk[32768];
  static struct ctnl_buffer request;
  const int fd = ctnl_open(0);
  ctnl_begin_dump(&request, family, 1);
  ctnl_end(&request);
  ctnl_send(fd, request.data, request.size);
  for (;;) {
    size_t left = ctnl_receive(fd, chunk, sizeof chunk);
    for (const struct nlmsghdr* at = (const void*)chunk; NLMSG_OK(at, left);
         at = NLMSG_NEXT(at, left)) {
      if (at->nlmsg_type == NLMSG_ERROR) {
        ctnl_die("dump: %s", strerror(-((const struct nlmsgerr*)NLMSG_DATA(at))->error));
      }
      if (at->nlmsg_type == NLMSG_DONE) return;
      print_message(at, raw);
    }
  }
}

static void parse_hex(void) {
  char* line = NULL;
  size_t room = 0;
  ssize_t length;
  static _Alignas(8) uint8_t message[65536];
  while ((length = getline(&line, &room, stdin)) >= 0) {
    while (length > 0 && isspace((unsigned char)line[length - 1])) length--;
    const size_t size = (size_t)length / 2;
    if (length % 2 != 0 || size > sizeof message || size < NLMSG_HDRLEN) {
      ctnl_die("a line of %zd characters is no message in hex", length);
    }
    for (size_t i = 0; i < size; i++) {
      const char digits[3] = {line[2 * i], line[2 * i + 1], '\0'};
      char* end;
      message[i] = (uint8_t)strtoul(digits, &end, 16);
      if (end != digits + 2) ctnl_die("not hex: %s", digits);
    }
    const struct nlmsghdr* header = (const void*)message;
    if (header->nlmsg_len != size) {
      ctnl_die("the header says %u bytes, the line has %zu", header->nlmsg_len, size);
    }
    print_message(header, false);
    fflush(stdout);  // keeps the output if the library ends the process later
  }
  free(line);
}

int main(int argc, char** argv) {
  uint8_t family = AF_UNSPEC;
  bool raw = false;
  bool hex = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--raw") == 0) {
      raw = true;
    } else if (strcmp(argv[i], "--hex") == 0) {
      hex = true;
    } else if (strcmp(argv[i], "--family") == 0) {
      const uint64_t number = ctnl_number("--family", argv[++i], 6);
      if (number != 4 && number != 6) ctnl_die("--family: 4 or 6");
      family = number == 4 ? AF_INET : AF_INET6;
    } else {
      ctnl_die("unknown option %s", argv[i]);
    }
  }
  if (hex) {
    parse_hex();
  } else {
    dump(family, raw);
  }
  if (fflush(stdout) != 0) ctnl_die("stdout: %s", strerror(errno));
  return 0;
}
