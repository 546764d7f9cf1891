// Prints one legacy table as the kernel returns it, for tests: a line with valid_hooks and the five
// offsets of the base chains, then a line with the bytes of the entries in hex. Arguments:
// ipv4|ipv6 table. It is an oracle that does not use libiptc.
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// IPT_SO_GET_INFO and IPT_SO_GET_ENTRIES. IPv6 has the same numbers.
enum { get_info = 64, get_entries = 65 };

// struct ipt_getinfo and ip6t_getinfo: the same layout.
struct info {
  char name[32];
  uint32_t valid_hooks;
  uint32_t hook_entry[5];
  uint32_t underflow[5];
  uint32_t entries;
  uint32_t size;
};

static int failed(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 3 || strlen(argv[2]) >= sizeof(((struct info *)0)->name)) {
    fprintf(stderr, "usage: xtables-table ipv4|ipv6 table\n");
    return 2;
  }
  int v4 = strcmp(argv[1], "ipv4") == 0;
  int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
  int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_RAW, IPPROTO_RAW);
  if (fd < 0) return failed("socket");

  struct info info = {0};
  strcpy(info.name, argv[2]);
  socklen_t length = sizeof info;
  if (getsockopt(fd, level, get_info, &info, &length) != 0) return failed("get info");

  // struct ipt_get_entries: the name, the size, padding, the entries.
  size_t head = 40;
  unsigned char *all = calloc(1, head + info.size);
  if (all == NULL) return failed("calloc");
  strcpy((char *)all, argv[2]);
  memcpy(all + 32, &info.size, sizeof info.size);
  length = (socklen_t)(head + info.size);
  if (getsockopt(fd, level, get_entries, all, &length) != 0) return failed("get entries");

  printf("%u", info.valid_hooks);
  for (int hook = 0; hook < 5; hook++) printf(" %u", info.hook_entry[hook]);
  putchar('\n');
  for (size_t at = head; at < length; at++) printf("%02x", all[at]);
  putchar('\n');
  free(all);
  return 0;
}
