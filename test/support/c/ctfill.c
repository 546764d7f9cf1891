// Fills the table of its network namespace with flows made from a seed, in batches.
// ctfill --count N [--from I] [--seed S] [--profile mixed|plain|tcp4|tcp6|udp4] [--network B]
//        [--zone Z] [--timeout S] [--labels] [--print]
// --print: one JSON line for each flow as the table has it. The last line is the summary.
#include "flows.h"

enum { BATCH = 128 };

static void print_address(const struct flow* f, const char* name, const uint8_t* address) {
  char text[INET6_ADDRSTRLEN];
  if (inet_ntop(f->family, address, text, sizeof text) == NULL) ctnl_die("inet_ntop");
  printf("\"%s\":\"%s\"", name, text);
}

static void print_side(const struct flow* f, const char* name, const struct flow_side* side) {
  printf(",\"%s\":{", name);
  print_address(f, "src", side->src);
  putchar(',');
  print_address(f, "dst", side->dst);
  if (f->has_ports) printf(",\"srcPort\":%u,\"dstPort\":%u", side->src_port, side->dst_port);
  if (f->has_icmp) {
    printf(",\"icmpType\":%u,\"icmpCode\":%u,\"icmpId\":%u", side->icmp_type, side->icmp_code,
           side->icmp_id);
  }
  if (side->has_zone) printf(",\"zone\":%u", side->zone);
  putchar('}');
}

static void print_labels(const uint32_t* labels) {
  printf(",\"labels\":[");
  const char* comma = "";
  for (unsigned bit = 0; bit < 128; bit++) {
    if ((labels[bit / 32] >> (bit % 32) & 1) == 0) continue;
    printf("%s%u", comma, bit);
    comma = ",";
  }
  putchar(']');
}

static void print_flow(const struct flow* f) {
  static const char* const tcp[] = {"NONE",     "SYN_SENT",   "SYN_RECV", "ESTABLISHED",
                                    "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT",
                                    "CLOSE",    "SYN_SENT2"};
  static const char* const sctp[] = {
      "NONE",          "CLOSED",        "COOKIE_WAIT",       "COOKIE_ECHOED", "ESTABLISHED",
      "SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT"};
  printf("{\"index\":%u,\"family\":\"%s\",\"protocol\":%u", f->index,
         f->family == AF_INET ? "ipv4" : "ipv6", f->protocol);
  print_side(f, "orig", &f->orig);
  print_side(f, "reply", &f->reply);
  printf(",\"zone\":%u,\"mark\":%u,\"status\":%u,\"timeout\":%u", f->zone, f->mark,
         flow_table_status(f), f->timeout);
  if (f->has_tcp) printf(",\"state\":\"%s\"", tcp[f->tcp_state]);
  if (f->has_sctp) {
    printf(",\"state\":\"%s\",\"vtags\":[%u,%u]", sctp[f->sctp_state], f->vtag[0], f->vtag[1]);
  }
  if (f->has_wscale) printf(",\"wscales\":[%u,%u]", f->wscale[0], f->wscale[1]);
  if (f->helper != NULL) printf(",\"helper\":\"%s\"", f->helper);
  if (f->has_labels) print_labels(f->labels);
  if (f->snat.has) putchar(','), print_address(f, "snat", f->snat.address);
  if (f->dnat.has) putchar(','), print_address(f, "dnat", f->dnat.address);
  for (int i = 0; i < 2 && f->has_seqadj; i++) {
    printf(",\"%s\":[%u,%u,%u]", i == 0 ? "seqAdjOrig" : "seqAdjReply", f->seqadj[i][0],
           f->seqadj[i][1], f->seqadj[i][2]);
  }
  if (f->has_synproxy) {
    printf(",\"synproxy\":[%u,%u,%u]", f->synproxy[0], f->synproxy[1], f->synproxy[2]);
  }
  if (f->has_master) printf(",\"master\":%u", f->master);
  puts("}");
}

int main(int argc, char** argv) {
  struct flow_options options;
  flow_options_init(&options);
  uint32_t count = 0;
  uint32_t from = 0;
  bool print = false;
  for (int i = 1; i < argc;) {
    const int taken = flow_option(&options, argv, i);
    if (taken > 0) {
      i += taken;
    } else if (strcmp(argv[i], "--count") == 0) {
      count = (uint32_t)ctnl_number(argv[i], argv[i + 1], FLOW_INDEX_MAX);
      i += 2;
    } else if (strcmp(argv[i], "--from") == 0) {
      from = (uint32_t)ctnl_number(argv[i], argv[i + 1], FLOW_INDEX_MAX - 1);
      i += 2;
    } else if (strcmp(argv[i], "--print") == 0) {
      print = true;
      i++;
    } else {
      ctnl_die("unknown option %s", argv[i]);
    }
  }
  if (count == 0) ctnl_die("--count: how many flows?");
  if (from + count > FLOW_INDEX_MAX) ctnl_die("--from and --count go beyond %d", FLOW_INDEX_MAX);
  if (from % FLOW_GROUP != 0) ctnl_die("--from: must be a multiple of %d", FLOW_GROUP);

  const int fd = ctnl_open(0);
  ctnl_receive_buffer(fd, 1 << 20);
  static struct ctnl_buffer batch;
  uint32_t families[2] = {0};
  uint32_t protocols[256] = {0};
  const uint64_t began = ctnl_now();
  for (uint32_t i = 0; i < count; i++) {
    struct flow flow;
    flow_make(&flow, &options, from + i);
    flow_put_create(&batch, &flow, &options, i + 1);
    if ((i + 1) % BATCH == 0 || i + 1 == count) {
      ctnl_exchange(fd, &batch, i + 1, NULL, ctnl_fail_on_error, NULL);
    }
    families[flow.family == AF_INET6]++;
    protocols[flow.protocol]++;
    if (print) print_flow(&flow);
  }
  const double seconds = (double)(ctnl_now() - began) / 1e9;
  printf("{\"created\":%u,\"seconds\":%.6f,\"ipv4\":%u,\"ipv6\":%u,\"protocols\":{", count, seconds,
         families[0], families[1]);
  const char* comma = "";
  for (unsigned protocol = 0; protocol < 256; protocol++) {
    if (protocols[protocol] == 0) continue;
    printf("%s\"%u\":%u", comma, protocol, protocols[protocol]);
    comma = ",";
  }
  puts("}}");
  if (fflush(stdout) != 0) ctnl_die("stdout: %s", strerror(errno));
  return 0;
}
