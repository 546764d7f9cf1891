// A stand-in for the kernel's legacy tables, preloaded into iptables-legacy*. It takes every table
// that is committed, keeps it in a file and returns it later. It is for extensions that this kernel
// does not have (LED, CLUSTERIP, …), and for older revisions, which iptables writes only to older
// kernels.
//
// XT_FAKE_DIR: where the tables are kept. XT_FAKE_MAX: `NAME=revision,…`, the newest revision that
// this "kernel" has of an extension. Of others it has all revisions.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// IPv4 and IPv6 have the same numbers and layouts (linux/netfilter_ipv4/ip_tables.h).
enum { SET_REPLACE = 64, SET_ADD_COUNTERS = 65, GET_INFO = 64, GET_ENTRIES = 65 };
struct replace {
  char name[32];
  uint32_t valid_hooks, num_entries, size, hook_entry[5], underflow[5], num_counters;
  uint64_t counters;
  unsigned char entries[];
};
struct info {
  char name[32];
  uint32_t valid_hooks, hook_entry[5], underflow[5], num_entries, size;
};
struct get_entries {
  char name[32];
  uint32_t size;
  uint64_t entries[];
};
struct counters_info {
  char name[32];
  uint32_t num_counters;
  uint64_t counters[];
};

static int is_tables(int level) { return level == IPPROTO_IP || level == IPPROTO_IPV6; }

static FILE* file_of(int level, const char* table, const char* mode) {
  char path[512];
  const char* dir = getenv("XT_FAKE_DIR");
  if (dir == NULL) return NULL;
  snprintf(path, sizeof path, "%s/%d-%.31s", dir, level, table);
  return fopen(path, mode);
}

static struct replace* stored(int level, const char* table) {
  FILE* file = file_of(level, table, "rb");
  if (file == NULL) return NULL;
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  struct replace* kept = malloc(size);
  if (fread(kept, 1, size, file) != (size_t)size) abort();
  fclose(file);
  return kept;
}

static int keep(int level, const struct replace* table) {
  FILE* file = file_of(level, table->name, "wb");
  if (file == NULL) return -1;
  fwrite(table, 1, sizeof *table + table->size, file);
  return fclose(file);
}

/** Adds counters to each rule. Without counters it clears those of the rules. */
static void count(int level, struct replace* table, const uint64_t* add) {
  const size_t next = level == IPPROTO_IP ? 90 : 142;
  const size_t counters = level == IPPROTO_IP ? 96 : 152;
  for (size_t at = 0, index = 0; at < table->size; index++) {
    uint16_t size;
    memcpy(&size, table->entries + at + next, sizeof size);
    uint64_t now[2] = {0, 0};
    if (add != NULL) {
      memcpy(now, table->entries + at + counters, sizeof now);
      now[0] += add[2 * index];
      now[1] += add[2 * index + 1];
    }
    memcpy(table->entries + at + counters, now, sizeof now);
    at += size;
  }
}

int setsockopt(int fd, int level, int option, const void* value, socklen_t length) {
  if (is_tables(level) && option == SET_REPLACE) {
    struct replace* table = malloc(length);
    memcpy(table, value, length);
    memset((void*)(uintptr_t)table->counters, 0, (size_t)table->num_counters * 16);
    count(level, table, NULL);
    const int done = keep(level, table);
    free(table);
    return done;
  }
  if (is_tables(level) && option == SET_ADD_COUNTERS) {
    const struct counters_info* given = value;
    struct replace* table = stored(level, given->name);
    if (table == NULL) return -1;
    count(level, table, given->counters);
    const int done = keep(level, table);
    free(table);
    return done;
  }
  int (*real)(int, int, int, const void*, socklen_t);
  *(void**)&real = dlsym(RTLD_NEXT, "setsockopt");
  return real(fd, level, option, value, length);
}

static int newest(const char* name) {
  const char* list = getenv("XT_FAKE_MAX");
  const size_t length = strlen(name);
  for (; list != NULL; list = strchr(list, ',')) {
    if (*list == ',') list++;
    if (strncmp(list, name, length) == 0 && list[length] == '=') return atoi(list + length + 1);
  }
  return 255;
}

int getsockopt(int fd, int level, int option, void* value, socklen_t* length) {
  if (is_tables(level) && (option == GET_INFO || option == GET_ENTRIES)) {
    struct replace* table = stored(level, value);
    if (table != NULL) {
      if (option == GET_INFO) {
        struct info* info = value;
        info->valid_hooks = table->valid_hooks;
        memcpy(info->hook_entry, table->hook_entry, sizeof info->hook_entry);
        memcpy(info->underflow, table->underflow, sizeof info->underflow);
        info->num_entries = table->num_entries;
        info->size = table->size;
      } else {
        struct get_entries* entries = value;
        memcpy(entries->entries, table->entries, table->size);
      }
      free(table);
      return 0;
    }
  }
  // GET_REVISION_MATCH and _TARGET: 66 and 67 in IPv4, 68 and 69 in IPv6.
  const int revision = level == IPPROTO_IP ? 66 : 68;
  if (is_tables(level) && (option == revision || option == revision + 1) && *length == 30) {
    const unsigned char* asked = value;
    if (asked[29] <= newest((const char*)asked)) return 0;
    errno = EPROTONOSUPPORT;
    return -1;
  }
  int (*real)(int, int, int, void*, socklen_t*);
  *(void**)&real = dlsym(RTLD_NEXT, "getsockopt");
  return real(fd, level, option, value, length);
}
