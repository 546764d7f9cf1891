// Flows made from a seed. The same seed and `index` always give the same flow, whatever else was
// made. So a program can look up, change or delete flows that another program has created. Tuples
// of different indexes below 2^22 never collide.
#pragma once

// libc's headers come first: the kernel's define the same structures.
#include "ctnl.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

enum { FLOW_INDEX_MAX = 1 << 22, FLOW_GROUP = 64 };

enum flow_profile {
  FLOW_MIXED,  // everything the kernel has
  FLOW_PLAIN,  // IPv4, two thirds TCP, one third UDP, every second flow ASSURED, some marks
  FLOW_TCP4,   // IPv4 TCP, established and assured
  FLOW_TCP6,   // the same with IPv6
  FLOW_UDP4,   // IPv4 UDP
};

struct flow_side {
  uint8_t src[16], dst[16];
  uint16_t src_port, dst_port;
  uint8_t icmp_type, icmp_code;
  uint16_t icmp_id;
  bool has_zone;
  uint16_t zone;
};

struct flow_nat {
  bool has, has_port;
  uint8_t address[16];
  uint16_t port;
};

struct flow {
  uint32_t index;
  uint8_t family, protocol;
  bool has_ports, has_icmp;
  struct flow_side orig, reply;  // reply as the table will have it
  struct flow_nat snat, dnat;
  uint16_t zone;
  uint32_t mark, status, timeout;
  bool has_tcp, has_wscale;
  uint8_t tcp_state, tcp_flags[2], wscale[2];
  bool has_sctp;
  uint8_t sctp_state;
  uint32_t vtag[2];
  const char* helper;
  bool has_labels;
  uint32_t labels[4];
  bool has_seqadj;
  uint32_t seqadj[2][3];
  bool has_synproxy;
  uint32_t synproxy[3];
  bool has_master;
  uint32_t master;  // the index of the master flow
};

struct flow_options {
  uint64_t seed;
  enum flow_profile profile;
  uint8_t network;  // first byte of every original IPv4 source, 1–26; distinct ones never collide
  bool fixed_zone;  // all flows in `zone`
  uint16_t zone;
  uint32_t timeout;  // 0: random, at least 10 minutes
  bool labels;       // the namespace has a rule that uses labels
};

static inline uint64_t flow_mix(uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

struct flow_random {
  uint64_t state;
};
static inline uint32_t flow_next(struct flow_random* r, uint32_t below) {
  r->state = flow_mix(r->state);
  return (uint32_t)((r->state >> 32) % below);
}
static inline bool flow_chance(struct flow_random* r, uint32_t percent) {
  return flow_next(r, 100) < percent;
}

// A permutation of 0 … 2^22-1. It gives neighbouring numbers distant addresses.
static inline uint32_t flow_scramble(uint32_t index, uint64_t seed) {
  const uint32_t mask = FLOW_INDEX_MAX - 1;
  uint32_t x = index & mask;
  x = (x * 0x9e3779b1u + (uint32_t)seed) & mask;
  x ^= x >> 11;
  return (x * 0x85ebca6bu) & mask;
}

static inline void flow_address(struct flow* f, uint8_t* out, uint8_t a, uint32_t low24,
                                uint32_t group) {
  memset(out, 0, 16);
  if (f->family == AF_INET) {
    out[0] = a;
    out[1] = (uint8_t)(low24 >> 16);
    out[2] = (uint8_t)(low24 >> 8);
    out[3] = (uint8_t)low24;
    return;
  }
  out[0] = 0xfd;
  out[1] = a;
  out[6] = (uint8_t)(group >> 8);
  out[7] = (uint8_t)group;
  out[13] = (uint8_t)(low24 >> 16);
  out[14] = (uint8_t)(low24 >> 8);
  out[15] = (uint8_t)low24;
}

static inline void flow_protocol(struct flow* f, struct flow_random* r,
                                 const struct flow_options* o) {
  f->family = AF_INET;
  f->protocol = IPPROTO_TCP;
  if (o->profile == FLOW_TCP6) f->family = AF_INET6;
  if (o->profile == FLOW_UDP4) f->protocol = IPPROTO_UDP;
  if (o->profile == FLOW_PLAIN && flow_next(r, 3) == 0) f->protocol = IPPROTO_UDP;
  if (o->profile != FLOW_MIXED || f->index % FLOW_GROUP == 0) return;
  static const uint8_t other[] = {50, 51, 89, 33, 4, 103, 2, 255};
  const uint32_t kind = flow_next(r, 100);
  if (flow_chance(r, 40)) f->family = AF_INET6;
  if (kind < 40) return;
  if (kind < 65) {
    f->protocol = IPPROTO_UDP;
  } else if (kind < 75) {
    f->protocol = f->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
  } else if (kind < 83) {
    f->protocol = IPPROTO_SCTP;
  } else if (kind < 89) {
    f->protocol = IPPROTO_GRE;
  } else if (kind < 94) {
    f->protocol = IPPROTO_UDPLITE;
  } else {
    f->protocol = other[flow_next(r, sizeof other)];
  }
}

static inline void flow_keys(struct flow* f, struct flow_random* r) {
  static const uint16_t services[] = {22, 53, 80, 123, 443, 853, 3306, 5432, 8080, 51820};
  const uint8_t p = f->protocol;
  if (p == IPPROTO_ICMP || p == IPPROTO_ICMPV6) {
    // The kernel creates only types that have an answer (icmp_nlattr_to_tuple, invmap).
    static const uint8_t v4[][2] = {{8, 0}, {8, 0}, {13, 14}, {15, 16}, {17, 18}};
    static const uint8_t v6[][2] = {{128, 129}, {128, 129}, {139, 140}};
    const uint8_t* pair =
        p == IPPROTO_ICMP ? v4[flow_next(r, 5)] : v6[flow_next(r, sizeof v6 / sizeof v6[0])];
    f->has_icmp = true;
    f->orig.icmp_type = pair[0];
    f->reply.icmp_type = pair[1];
    f->orig.icmp_id = f->reply.icmp_id = (uint16_t)flow_next(r, 65536);
  } else if (p == IPPROTO_TCP || p == IPPROTO_UDP || p == IPPROTO_SCTP || p == IPPROTO_UDPLITE ||
             p == IPPROTO_GRE) {
    f->has_ports = true;
    f->orig.src_port = (uint16_t)(1024 + flow_next(r, 64512));
    f->orig.dst_port =
        flow_chance(r, 80) ? services[flow_next(r, 10)] : (uint16_t)flow_next(r, 65536);
    f->reply.src_port = f->orig.dst_port;
    f->reply.dst_port = f->orig.src_port;
  }
}

static inline void flow_translate(struct flow* f, struct flow_random* r,
                                  const struct flow_options* o, uint32_t unique) {
  const bool ports = f->protocol == IPPROTO_TCP || f->protocol == IPPROTO_UDP;
  const uint32_t kind = flow_next(r, 100);
  if (kind < 15 || (kind >= 25 && kind < 28)) {
    f->snat.has = true;
    // Each translated source is used once. The network 100 above the flow's own has enough
    // addresses.
    flow_address(f, f->snat.address, (uint8_t)(100 + o->network), unique, 7);
    memcpy(f->reply.dst, f->snat.address, 16);
    if (ports && flow_chance(r, 50)) {
      f->snat.has_port = true;
      f->snat.port = f->reply.dst_port = (uint16_t)(1024 + flow_next(r, 64512));
    }
  }
  if (kind >= 15 && kind < 28) {
    f->dnat.has = true;
    flow_address(f, f->dnat.address, 192, 0xa80000 | flow_next(r, 65536), 8);
    memcpy(f->reply.src, f->dnat.address, 16);
    if (ports && flow_chance(r, 50)) {
      f->dnat.has_port = true;
      f->dnat.port = f->reply.src_port = (uint16_t)(1024 + flow_next(r, 64512));
    }
  }
}

static inline void flow_state(struct flow* f, struct flow_random* r) {
  if (f->protocol == IPPROTO_TCP) {
    f->has_tcp = true;
    f->tcp_state = (uint8_t)(flow_chance(r, 50) ? TCP_CONNTRACK_ESTABLISHED
                                                : TCP_CONNTRACK_SYN_SENT + flow_next(r, 8));
    if (flow_chance(r, 50)) {
      f->has_wscale = true;
      for (int i = 0; i < 2; i++) {
        f->wscale[i] = (uint8_t)flow_next(r, 15);
        f->tcp_flags[i] = IP_CT_TCP_FLAG_WINDOW_SCALE | IP_CT_TCP_FLAG_SACK_PERM;
      }
    }
  }
  if (f->protocol == IPPROTO_SCTP) {
    f->has_sctp = true;
    f->sctp_state = (uint8_t)(SCTP_CONNTRACK_CLOSED + flow_next(r, 8));
    f->vtag[0] = flow_next(r, UINT32_MAX);
    f->vtag[1] = flow_next(r, UINT32_MAX);
  }
}

static inline void flow_extras(struct flow* f, struct flow_random* r,
                               const struct flow_options* o) {
  if (flow_chance(r, 15)) f->zone = (uint16_t)(1 + flow_next(r, 5));
  if (f->zone == 0 && flow_chance(r, 8)) {
    struct flow_side* side = flow_chance(r, 50) ? &f->orig : &f->reply;
    side->has_zone = true;
    side->zone = (uint16_t)(10 + flow_next(r, 5));
  }
  if (f->protocol == IPPROTO_TCP && flow_chance(r, 4)) {
    f->helper = flow_chance(r, 50) ? "ftp" : "irc";
    if (f->family == AF_INET6) f->helper = "ftp";
  }
  if (f->protocol == IPPROTO_UDP && flow_chance(r, 4)) f->helper = "tftp";
  if (o->labels && flow_chance(r, 25)) {
    f->has_labels = true;
    for (int i = 0; i < 4; i++) f->labels[i] = flow_chance(r, 40) ? flow_next(r, UINT32_MAX) : 0;
    f->labels[0] |= 1u << flow_next(r, 32);  // an empty bitmap would not be shown
  }
  if (f->protocol == IPPROTO_TCP && flow_chance(r, 5)) {
    f->has_seqadj = true;
    for (int i = 0; i < 6; i++) f->seqadj[i / 3][i % 3] = flow_next(r, UINT32_MAX);
  }
  if (f->protocol == IPPROTO_TCP && flow_chance(r, 5)) {
    f->has_synproxy = true;
    for (int i = 0; i < 3; i++) f->synproxy[i] = flow_next(r, UINT32_MAX);
  }
  // The kernel looks the master up in the zone of the new flow, with addresses of its family.
  if (f->family == AF_INET && f->zone == 0 && !f->orig.has_zone && !f->reply.has_zone &&
      f->helper == NULL && flow_chance(r, 3)) {
    f->has_master = true;
    f->master = f->index - f->index % FLOW_GROUP;
    f->status |= IPS_EXPECTED;
  }
}

static inline void flow_make(struct flow* f, const struct flow_options* o, uint32_t index) {
  memset(f, 0, sizeof *f);
  struct flow_random r = {flow_mix(o->seed * 0x2545f4914f6cdd1dull + index)};
  const uint32_t unique = flow_scramble(index, o->seed);
  const bool first = index % FLOW_GROUP == 0;  // a plain flow that can be the master of others
  f->index = index;
  flow_protocol(f, &r, o);
  flow_address(f, f->orig.src, o->network, unique, flow_next(&r, 16));
  flow_address(f, f->orig.dst, 172, 0x100000 | flow_next(&r, 65536), flow_next(&r, 16));
  memcpy(f->reply.src, f->orig.dst, 16);
  memcpy(f->reply.dst, f->orig.src, 16);
  flow_keys(f, &r);
  f->timeout = o->timeout != 0 ? o->timeout : 600 + flow_next(&r, 86400);
  f->status = IPS_CONFIRMED;
  if (o->profile == FLOW_MIXED && !first) {
    if (flow_chance(&r, 70)) f->status |= IPS_SEEN_REPLY;
    if ((f->status & IPS_SEEN_REPLY) != 0 && flow_chance(&r, 70)) f->status |= IPS_ASSURED;
    if (flow_chance(&r, 3)) f->status |= IPS_FIXED_TIMEOUT;
    if (flow_chance(&r, 40))
      f->mark = flow_chance(&r, 50) ? flow_next(&r, 16) : flow_next(&r, UINT32_MAX);
    flow_translate(f, &r, o, unique);
    flow_state(f, &r);
    flow_extras(f, &r, o);
  } else {
    f->status |= IPS_SEEN_REPLY;
    if (o->profile != FLOW_PLAIN || index % 2 == 0) f->status |= IPS_ASSURED;
    if (o->profile == FLOW_PLAIN && flow_chance(&r, 25)) f->mark = 1 + flow_next(&r, 255);
    if (f->protocol == IPPROTO_TCP) {
      f->has_tcp = true;
      f->tcp_state = TCP_CONNTRACK_ESTABLISHED;
    }
  }
  if (o->fixed_zone) {
    f->zone = o->zone;
    f->orig.has_zone = f->reply.has_zone = false;
  }
}

// The status bits that the entry has in the table: the kernel adds some.
static inline uint32_t flow_table_status(const struct flow* f) {
  uint32_t status = f->status;
  if (f->snat.has) status |= IPS_SRC_NAT;
  if (f->dnat.has) status |= IPS_DST_NAT;
  if (f->snat.has || f->dnat.has) status |= IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE;
  if (f->helper != NULL) status |= IPS_HELPER;
  if (f->has_seqadj) status |= IPS_SEQ_ADJUST;
  return status;
}
