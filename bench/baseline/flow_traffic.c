// Makes flows with real packets, because they have counters, which nothing can write over netlink.
// flow_traffic --count N --to ADDRESS
// It sends UDP datagrams through a raw socket. Every flow has its own source, and sends 1 to 4
// datagrams of 28 to 1028 bytes to one of 1000 ports.
#include "baseline.h"

#include <netinet/ip.h>
#include <netinet/udp.h>

struct packet {
  struct iphdr ip;
  struct udphdr udp;
  uint8_t payload[1000];
};

int main(int argc, char** argv) {
  uint32_t count = 0;
  struct sockaddr_in to = {.sin_family = AF_INET};
  for (int i = 1; i < argc; i += 2) {
    if (strcmp(argv[i], "--count") == 0) {
      count = (uint32_t)ctnl_number(argv[i], argv[i + 1], 1 << 24);
    } else if (strcmp(argv[i], "--to") == 0 && argv[i + 1] != NULL) {
      if (inet_pton(AF_INET, argv[i + 1], &to.sin_addr) != 1) ctnl_die("--to: no IPv4 address");
    } else {
      ctnl_die("unknown option %s", argv[i]);
    }
  }
  if (count == 0 || to.sin_addr.s_addr == 0) ctnl_die("--count and --to are needed");
  const int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (fd < 0) ctnl_die("socket: %s", strerror(errno));
  struct packet packet = {
      .ip =
          {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .daddr = to.sin_addr.s_addr},
  };
  struct flow_random random = {1};
  const uint64_t cpu = cpu_ns();
  const uint64_t began = ctnl_now();
  uint64_t sent = 0;
  for (uint32_t i = 0; i < count; i++) {
    packet.ip.saddr = htonl(0x0a000000u | (i & 0xffffffu));
    packet.udp.source = htons((uint16_t)(1024 + i % 60000));
    packet.udp.dest = htons((uint16_t)(5000 + flow_next(&random, 1000)));
    const uint32_t datagrams = 1 + flow_next(&random, 4);
    for (uint32_t k = 0; k < datagrams; k++) {
      const size_t payload = flow_next(&random, sizeof packet.payload + 1);
      const size_t size = sizeof packet.ip + sizeof packet.udp + payload;
      packet.ip.tot_len = htons((uint16_t)size);
      packet.udp.len = htons((uint16_t)(sizeof packet.udp + payload));
      if (sendto(fd, &packet, size, 0, (struct sockaddr*)&to, sizeof to) != (ssize_t)size) {
        ctnl_die("sendto: %s", strerror(errno));
      }
      sent++;
    }
  }
  printf(
      "{\"program\":\"flow_traffic\",\"count\":%u,\"packets\":%llu,\"ns\":%llu,\"cpu_ns\":%llu}\n",
      count, (unsigned long long)sent, (unsigned long long)(ctnl_now() - began),
      (unsigned long long)(cpu_ns() - cpu));
  return 0;
}
