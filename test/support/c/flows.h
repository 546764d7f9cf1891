// The requests of ctnetlink that create, get and delete the flows of flow-make.h. Also the options
// of programs that choose such flows. It sends nothing.
#pragma once

#include "flow-make.h"

static inline void flow_put_tuple(struct ctnl_buffer* b, const struct flow* f, uint16_t type,
                                  const struct flow_side* side) {
  const bool v6 = f->family == AF_INET6;
  const size_t nest = ctnl_open_nest(b, type);
  const size_t ip = ctnl_open_nest(b, CTA_TUPLE_IP);
  ctnl_put(b, v6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, side->src, v6 ? 16 : 4);
  ctnl_put(b, v6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, side->dst, v6 ? 16 : 4);
  ctnl_close_nest(b, ip);
  const size_t proto = ctnl_open_nest(b, CTA_TUPLE_PROTO);
  ctnl_u8(b, CTA_PROTO_NUM, f->protocol);
  if (f->has_ports) {
    ctnl_be16(b, CTA_PROTO_SRC_PORT, side->src_port);
    ctnl_be16(b, CTA_PROTO_DST_PORT, side->dst_port);
  }
  if (f->has_icmp) {
    const bool six = f->protocol == IPPROTO_ICMPV6;
    ctnl_be16(b, six ? CTA_PROTO_ICMPV6_ID : CTA_PROTO_ICMP_ID, side->icmp_id);
    ctnl_u8(b, six ? CTA_PROTO_ICMPV6_TYPE : CTA_PROTO_ICMP_TYPE, side->icmp_type);
    ctnl_u8(b, six ? CTA_PROTO_ICMPV6_CODE : CTA_PROTO_ICMP_CODE, side->icmp_code);
  }
  ctnl_close_nest(b, proto);
  if (side->has_zone) ctnl_be16(b, CTA_TUPLE_ZONE, side->zone);
  ctnl_close_nest(b, nest);
}

static inline void flow_put_nat(struct ctnl_buffer* b, const struct flow* f, uint16_t type,
                                const struct flow_nat* nat) {
  if (!nat->has) return;
  const bool v6 = f->family == AF_INET6;
  const size_t nest = ctnl_open_nest(b, type);
  ctnl_put(b, v6 ? CTA_NAT_V6_MINIP : CTA_NAT_V4_MINIP, nat->address, v6 ? 16 : 4);
  ctnl_put(b, v6 ? CTA_NAT_V6_MAXIP : CTA_NAT_V4_MAXIP, nat->address, v6 ? 16 : 4);
  if (nat->has_port) {
    const size_t proto = ctnl_open_nest(b, CTA_NAT_PROTO);
    ctnl_be16(b, CTA_PROTONAT_PORT_MIN, nat->port);
    ctnl_be16(b, CTA_PROTONAT_PORT_MAX, nat->port);
    ctnl_close_nest(b, proto);
  }
  ctnl_close_nest(b, nest);
}

static inline void flow_put_protoinfo(struct ctnl_buffer* b, const struct flow* f) {
  if (!f->has_tcp && !f->has_sctp) return;
  const size_t info = ctnl_open_nest(b, CTA_PROTOINFO);
  if (f->has_tcp) {
    const size_t tcp = ctnl_open_nest(b, CTA_PROTOINFO_TCP);
    ctnl_u8(b, CTA_PROTOINFO_TCP_STATE, f->tcp_state);
    if (f->has_wscale) {
      for (uint16_t i = 0; i < 2; i++) {
        const uint8_t flags[2] = {f->tcp_flags[i], f->tcp_flags[i]};
        ctnl_put(b, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL + i, flags, 2);
        ctnl_u8(b, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL + i, f->wscale[i]);
      }
    }
    ctnl_close_nest(b, tcp);
  } else {
    const size_t sctp = ctnl_open_nest(b, CTA_PROTOINFO_SCTP);
    ctnl_u8(b, CTA_PROTOINFO_SCTP_STATE, f->sctp_state);
    ctnl_be32(b, CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, f->vtag[0]);
    ctnl_be32(b, CTA_PROTOINFO_SCTP_VTAG_REPLY, f->vtag[1]);
    ctnl_close_nest(b, sctp);
  }
  ctnl_close_nest(b, info);
}

// The request that creates the flow (CREATE | EXCL).
static inline void flow_put_create(struct ctnl_buffer* b, const struct flow* f,
                                   const struct flow_options* o, uint32_t sequence) {
  ctnl_begin(b, IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, f->family, sequence);
  flow_put_tuple(b, f, CTA_TUPLE_ORIG, &f->orig);
  // The kernel translates, so it gets the reply without NAT.
  struct flow_side reply = f->reply;
  memcpy(reply.src, f->orig.dst, 16);
  memcpy(reply.dst, f->orig.src, 16);
  reply.src_port = f->orig.dst_port;
  reply.dst_port = f->orig.src_port;
  flow_put_tuple(b, f, CTA_TUPLE_REPLY, &reply);
  if (f->zone != 0) ctnl_be16(b, CTA_ZONE, f->zone);
  ctnl_be32(b, CTA_TIMEOUT, f->timeout);
  // The kernel sets EXPECTED itself when it sets the master, after it has read the status.
  ctnl_be32(b, CTA_STATUS, f->status & ~(uint32_t)IPS_EXPECTED);
  if (f->mark != 0) ctnl_be32(b, CTA_MARK, f->mark);
  flow_put_nat(b, f, CTA_NAT_SRC, &f->snat);
  flow_put_nat(b, f, CTA_NAT_DST, &f->dnat);
  flow_put_protoinfo(b, f);
  if (f->helper != NULL) {
    const size_t help = ctnl_open_nest(b, CTA_HELP);
    ctnl_put(b, CTA_HELP_NAME, f->helper, strlen(f->helper) + 1);
    ctnl_close_nest(b, help);
  }
  if (f->has_labels) ctnl_put(b, CTA_LABELS, f->labels, sizeof f->labels);
  for (uint16_t i = 0; i < 2 && f->has_seqadj; i++) {
    const size_t nest = ctnl_open_nest(b, CTA_SEQ_ADJ_ORIG + i);
    ctnl_be32(b, CTA_SEQADJ_CORRECTION_POS, f->seqadj[i][0]);
    ctnl_be32(b, CTA_SEQADJ_OFFSET_BEFORE, f->seqadj[i][1]);
    ctnl_be32(b, CTA_SEQADJ_OFFSET_AFTER, f->seqadj[i][2]);
    ctnl_close_nest(b, nest);
  }
  if (f->has_synproxy) {
    const size_t nest = ctnl_open_nest(b, CTA_SYNPROXY);
    ctnl_be32(b, CTA_SYNPROXY_ISN, f->synproxy[0]);
    ctnl_be32(b, CTA_SYNPROXY_ITS, f->synproxy[1]);
    ctnl_be32(b, CTA_SYNPROXY_TSOFF, f->synproxy[2]);
    ctnl_close_nest(b, nest);
  }
  if (f->has_master) {
    struct flow master;
    flow_make(&master, o, f->master);
    flow_put_tuple(b, &master, CTA_TUPLE_MASTER, &master.orig);
  }
  ctnl_end(b);
}

// A GET or DELETE by the original tuple.
static inline void flow_put_by_tuple(struct ctnl_buffer* b, const struct flow* f, uint8_t message,
                                     uint32_t sequence) {
  ctnl_begin(b, message, 0, f->family, sequence);
  flow_put_tuple(b, f, CTA_TUPLE_ORIG, &f->orig);
  if (f->zone != 0) ctnl_be16(b, CTA_ZONE, f->zone);
  ctnl_end(b);
}

static inline void flow_options_init(struct flow_options* o) {
  memset(o, 0, sizeof *o);
  o->seed = 1;
  o->network = 10;
}

static inline enum flow_profile flow_profile_named(const char* name) {
  static const char* const names[] = {"mixed", "plain", "tcp4", "tcp6", "udp4"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(name, names[i]) == 0) return (enum flow_profile)i;
  }
  ctnl_die("--profile: expected mixed, plain, tcp4, tcp6 or udp4, got %s", name);
}

// Takes the option at argv[i] if it is one of the options for flows. Returns how many words it
// took.
static inline int flow_option(struct flow_options* o, char** argv, int i) {
  const char* value = argv[i + 1];
  if (strcmp(argv[i], "--seed") == 0) {
    o->seed = ctnl_number(argv[i], value, UINT64_MAX);
  } else if (strcmp(argv[i], "--profile") == 0) {
    o->profile = flow_profile_named(value == NULL ? "" : value);
  } else if (strcmp(argv[i], "--network") == 0) {
    o->network = (uint8_t)ctnl_number(argv[i], value, 26);
    if (o->network == 0) ctnl_die("--network: 1 to 26");
  } else if (strcmp(argv[i], "--zone") == 0) {
    o->zone = (uint16_t)ctnl_number(argv[i], value, UINT16_MAX);
    o->fixed_zone = true;
  } else if (strcmp(argv[i], "--timeout") == 0) {
    o->timeout = (uint32_t)ctnl_number(argv[i], value, INT32_MAX);
  } else if (strcmp(argv[i], "--labels") == 0) {
    o->labels = true;
    return 1;
  } else {
    return 0;
  }
  return 2;
}
