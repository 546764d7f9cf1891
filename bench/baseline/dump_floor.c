// The least that a dump can cost: it receives and counts messages, and looks at nothing in them.
// dump_floor [--sockets 2 --status-split] [--nfct]
// --sockets 2 --status-split: two threads. One asks for the ASSURED flows, the other for the rest.
// --nfct: for comparison, libnetfilter_conntrack parses each message.
#include <pthread.h>

#include "baseline.h"

#include <libnetfilter_conntrack/libnetfilter_conntrack.h>

struct walk {
  bool split, assured, parse;
  uint64_t count, bytes, datagrams;
};

static void parse(const struct nlmsghdr* header) {
  struct nf_conntrack* ct = nfct_new();
  if (ct == NULL || nfct_nlmsg_parse(header, ct) != 0) ctnl_die("nfct_nlmsg_parse failed");
  nfct_destroy(ct);
}

static void* walk(void* argument) {
  struct walk* w = argument;
  struct ctnl_buffer* request = calloc(1, sizeof *request);
  uint8_t* chunk = aligned_alloc(4096, 32768);
  if (request == NULL || chunk == NULL) ctnl_die("no memory");
  const int fd = ctnl_open(0);
  ctnl_begin_dump(request, AF_UNSPEC, 1);
  if (w->split) {
    ctnl_be32(request, CTA_STATUS, w->assured ? IPS_ASSURED : 0);
    ctnl_be32(request, CTA_STATUS_MASK, IPS_ASSURED);
  }
  ctnl_end(request);
  ctnl_send(fd, request->data, request->size);
  for (bool open = true; open;) {
    size_t left = ctnl_receive(fd, chunk, 32768);
    w->datagrams++;
    w->bytes += left;
    for (const struct nlmsghdr* at = (const void*)chunk; NLMSG_OK(at, left);
         at = NLMSG_NEXT(at, left)) {
      if (at->nlmsg_type == NLMSG_DONE) {
        open = false;
      } else if (at->nlmsg_type == NLMSG_ERROR) {
        ctnl_die("dump: %s", strerror(-((const struct nlmsgerr*)NLMSG_DATA(at))->error));
      } else {
        if (w->parse) parse(at);
        w->count++;
      }
    }
  }
  close(fd);
  free(chunk);
  free(request);
  return NULL;
}

int main(int argc, char** argv) {
  struct walk walks[2] = {{.assured = true}};
  uint64_t sockets = 1;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--sockets") == 0) {
      sockets = ctnl_number("--sockets", argv[i + 1], 2);
      i++;
    } else if (strcmp(argv[i], "--status-split") == 0) {
      walks[0].split = true;
    } else if (strcmp(argv[i], "--nfct") == 0) {
      walks[0].parse = true;
    } else {
      ctnl_die("unknown option %s", argv[i]);
    }
  }
  if (sockets == 0) ctnl_die("--sockets: 1 or 2");
  if ((sockets == 2) != walks[0].split) ctnl_die("--sockets 2 and --status-split go together");
  walks[1] = walks[0];
  walks[1].assured = false;
  const uint64_t cpu = cpu_ns();
  const uint64_t began = ctnl_now();
  pthread_t other;
  if (sockets == 2 && pthread_create(&other, NULL, walk, &walks[1]) != 0) ctnl_die("no thread");
  walk(&walks[0]);
  if (sockets == 2) pthread_join(other, NULL);
  const uint64_t ended = ctnl_now();
  printf(
      "{\"program\":\"dump_floor\",\"sockets\":%llu,\"parser\":\"%s\",\"count\":%llu,"
      "\"counts\":[%llu,%llu],\"bytes\":%llu,\"datagrams\":%llu,\"ns\":%llu,\"cpu_ns\":%llu}\n",
      (unsigned long long)sockets, walks[0].parse ? "nfct" : "none",
      (unsigned long long)(walks[0].count + walks[1].count), (unsigned long long)walks[0].count,
      (unsigned long long)walks[1].count, (unsigned long long)(walks[0].bytes + walks[1].bytes),
      (unsigned long long)(walks[0].datagrams + walks[1].datagrams),
      (unsigned long long)(ended - began), (unsigned long long)(cpu_ns() - cpu));
  return 0;
}
