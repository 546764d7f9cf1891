// Looks up flows of a seed by their tuples, in random order: one by one, or several in one send.
// get_loop --count N [--requests R] [--pipeline 1…256] [--seed S] [--profile P] [--zone Z]
// --count: how many flows of the seed are in the table.
#include "baseline.h"

struct check {
  uint32_t first, last;  // sequence numbers of the batch
  uint64_t found;
};

static void on_message(const struct nlmsghdr* header, void* context) {
  struct check* check = context;
  if (header->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
      header->nlmsg_seq < check->first || header->nlmsg_seq > check->last) {
    ctnl_die("an answer that nobody asked for: type %u, sequence %u", header->nlmsg_type,
             header->nlmsg_seq);
  }
  check->found++;
}

int main(int argc, char** argv) {
  struct baseline b;
  baseline_init(&b);
  uint32_t requests = 0;
  uint32_t pipeline = 1;
  for (int i = 1; i < argc;) {
    int taken = baseline_option(&b, argv, i);
    if (strcmp(argv[i], "--requests") == 0) {
      requests = (uint32_t)ctnl_number(argv[i], argv[i + 1], 100000000);
      taken = 2;
    } else if (strcmp(argv[i], "--pipeline") == 0) {
      pipeline = (uint32_t)ctnl_number(argv[i], argv[i + 1], 256);
      taken = 2;
    }
    if (taken == 0 || b.dump_first || b.echo) ctnl_die("unknown option %s", argv[i]);
    i += taken;
  }
  if (pipeline == 0) ctnl_die("--pipeline: 1 to 256");
  baseline_make(&b);
  if (requests == 0) requests = b.count;
  static struct ctnl_buffer batch;
  const int fd = baseline_socket();
  struct check check = {.first = 1};
  struct flow_random order = {b.flows.seed};
  const uint64_t cpu = cpu_ns();
  const uint64_t began = ctnl_now();
  for (uint32_t i = 0; i < requests; i++) {
    flow_put_by_tuple(&batch, &b.made[flow_next(&order, b.count)], IPCTNL_MSG_CT_GET, i + 1);
    if ((i + 1) % pipeline == 0 || i + 1 == requests) {
      check.last = i + 1;
      ctnl_exchange(fd, &batch, i + 1, on_message, ctnl_fail_on_error, &check);
      check.first = i + 2;
    }
  }
  const uint64_t ended = ctnl_now();
  if (check.found != requests) ctnl_die("%llu answers", (unsigned long long)check.found);
  printf(
      "{\"program\":\"get_loop\",\"pipeline\":%u,\"requests\":%u,\"found\":%llu,\"ns\":%llu,"
      "\"cpu_ns\":%llu}\n",
      pipeline, requests, (unsigned long long)check.found, (unsigned long long)(ended - began),
      (unsigned long long)(cpu_ns() - cpu));
  return 0;
}
