// What the baselines share: options, flows that are made before the measurement, and batches that
// end the program at the first refusal. A baseline is the least that a C program can do for the
// same work, with every answer checked. It prints one line of JSON at the end.
#pragma once

#include "flows.h"

#include <sys/resource.h>

struct baseline {
  struct flow_options flows;
  uint32_t count, from, batch;
  bool dump_first;
  bool echo;  // the kernel reports each deletion with the last state of the flow; it is kept
  struct flow* made;
};

static inline uint64_t cpu_ns(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) ctnl_die("getrusage: %s", strerror(errno));
  return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000ull +
         (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000ull;
}

// Reads an option that all baselines have; returns how many words it used.
static inline int baseline_option(struct baseline* b, char** argv, int i) {
  const int taken = flow_option(&b->flows, argv, i);
  if (taken > 0) return taken;
  if (strcmp(argv[i], "--count") == 0) {
    b->count = (uint32_t)ctnl_number(argv[i], argv[i + 1], FLOW_INDEX_MAX);
  } else if (strcmp(argv[i], "--from") == 0) {
    b->from = (uint32_t)ctnl_number(argv[i], argv[i + 1], FLOW_INDEX_MAX - 1);
  } else if (strcmp(argv[i], "--batch") == 0) {
    b->batch = (uint32_t)ctnl_number(argv[i], argv[i + 1], 512);
    if (b->batch == 0) ctnl_die("--batch: 1 to 512");
  } else if (strcmp(argv[i], "--dump-first") == 0) {
    b->dump_first = true;
    return 1;
  } else if (strcmp(argv[i], "--echo") == 0) {
    b->echo = true;
    return 1;
  } else {
    return 0;
  }
  return 2;
}

static inline void baseline_init(struct baseline* b) {
  memset(b, 0, sizeof *b);
  flow_options_init(&b->flows);
  b->flows.profile = FLOW_PLAIN;
  b->batch = 128;
}

static inline void baseline_parse(struct baseline* b, int argc, char** argv) {
  baseline_init(b);
  for (int i = 1; i < argc;) {
    const int taken = baseline_option(b, argv, i);
    if (taken == 0) ctnl_die("unknown option %s", argv[i]);
    i += taken;
  }
}

// The flows `from` … `from + count - 1` of the seed.
static inline void baseline_make(struct baseline* b) {
  if (b->count == 0) ctnl_die("--count: how many flows?");
  if (b->from + b->count > FLOW_INDEX_MAX) ctnl_die("--from and --count go too far");
  b->made = malloc((size_t)b->count * sizeof *b->made);
  if (b->made == NULL) ctnl_die("no memory for %u flows", b->count);
  for (uint32_t i = 0; i < b->count; i++) flow_make(&b->made[i], &b->flows, b->from + i);
}

// A socket whose receive buffer has room for the answers of the largest batch, in any form.
static inline int baseline_socket(void) {
  const int fd = ctnl_open(0);
  if (ctnl_receive_buffer(fd, 1 << 20) < 1 << 20) ctnl_die("the receive buffer is too small");
  return fd;
}

// ---- the table as requests: what deleteWhere and updateWhere do --------------------------------

struct baseline_table {
  // For each entry: u16 size, u8 family, u8 0, then CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID.
  uint8_t* data;
  size_t size, room;
  uint32_t count;
};

static inline void baseline_keep(struct baseline_table* table, const struct nlmsghdr* message) {
  const uint8_t* at = (const uint8_t*)NLMSG_DATA(message);
  const uint8_t family = ((const struct nfgenmsg*)at)->nfgen_family;
  const uint8_t* end = (const uint8_t*)message + message->nlmsg_len;
  if (table->room - table->size < 512) {
    table->room = table->room == 0 ? 1 << 20 : table->room * 2;
    table->data = realloc(table->data, table->room);
    if (table->data == NULL) ctnl_die("no memory for the table");
  }
  const size_t begin = table->size;
  table->size += 4;
  for (at += NLMSG_ALIGN(sizeof(struct nfgenmsg)); at + NLA_HDRLEN <= end;) {
    const struct nlattr* attribute = (const void*)at;
    const uint16_t type = attribute->nla_type & NLA_TYPE_MASK;
    const size_t whole = NLA_ALIGN(attribute->nla_len);
    if (attribute->nla_len < NLA_HDRLEN || at + attribute->nla_len > end) ctnl_die("bad message");
    if (type == CTA_TUPLE_ORIG || type == CTA_ZONE || type == CTA_ID) {
      if (table->size - begin + whole > 512) ctnl_die("a tuple is too large");
      memcpy(table->data + table->size, at, whole);
      table->size += whole;
    }
    at += whole;
  }
  const uint16_t size = (uint16_t)(table->size - begin);
  memcpy(table->data + begin, &size, 2);
  table->data[begin + 2] = family;
  table->count++;
}

static inline void baseline_dump(int fd, struct baseline_table* table) {
  static struct ctnl_buffer request;
  static _Alignas(8) uint8_t chunk[32768];
  request.size = 0;
  ctnl_begin_dump(&request, AF_UNSPEC, 1);
  ctnl_end(&request);
  ctnl_send(fd, request.data, request.size);
  for (;;) {
    size_t left = ctnl_receive(fd, chunk, sizeof chunk);
    for (const struct nlmsghdr* at = (const void*)chunk; NLMSG_OK(at, left);
         at = NLMSG_NEXT(at, left)) {
      if (at->nlmsg_type == NLMSG_DONE) return;
      if (at->nlmsg_type == NLMSG_ERROR) {
        ctnl_die("dump: %s", strerror(-((const struct nlmsgerr*)NLMSG_DATA(at))->error));
      }
      baseline_keep(table, at);
    }
  }
}

// ---- one request for each flow -----------------------------------------------------------------

typedef void (*baseline_body)(struct ctnl_buffer* b, void* context);

// What NLM_F_ECHO brought back: the events themselves, one after the other.
struct baseline_echoes {
  uint8_t* data;
  size_t size, room;
  uint32_t count;
};

static inline void baseline_keep_echo(const struct nlmsghdr* message, void* context) {
  struct baseline_echoes* echoes = context;
  if (echoes->room - echoes->size < message->nlmsg_len) {
    echoes->room = echoes->room == 0 ? 1 << 20 : echoes->room * 2;
    echoes->data = realloc(echoes->data, echoes->room);
    if (echoes->data == NULL) ctnl_die("no memory for what was deleted");
  }
  memcpy(echoes->data + echoes->size, message, message->nlmsg_len);
  echoes->size += message->nlmsg_len;
  echoes->count++;
}

// Sends `message` in batches, for every flow that was made or every entry that was dumped. A
// refusal ends the program. Returns how many were acknowledged.
static inline uint32_t baseline_each(int fd, const struct baseline* b,
                                     const struct baseline_table* table, uint8_t message,
                                     baseline_body body) {
  static struct ctnl_buffer batch;
  struct baseline_echoes echoes = {0};
  const uint16_t flags = b->echo ? NLM_F_ECHO : 0;
  const uint32_t count = table == NULL ? b->count : table->count;
  const uint8_t* at = table == NULL ? NULL : table->data;
  for (uint32_t i = 0; i < count; i++) {
    if (table == NULL) {
      flow_put_by_tuple(&batch, &b->made[i], message, i + 1);
      if (body != NULL) {
        body(&batch, NULL);
        ctnl_end(&batch);
      }
    } else {
      uint16_t size;
      memcpy(&size, at, 2);
      ctnl_begin(&batch, message, flags, at[2], i + 1);
      if (batch.size + size > sizeof batch.data) ctnl_die("a batch is too large");
      memcpy(batch.data + batch.size, at + 4, size - 4u);
      batch.size += size - 4u;
      if (body != NULL) body(&batch, NULL);
      ctnl_end(&batch);
      at += size;
    }
    if ((i + 1) % b->batch == 0 || i + 1 == count) {
      ctnl_exchange(fd, &batch, i + 1, b->echo ? baseline_keep_echo : NULL, ctnl_fail_on_error,
                    &echoes);
    }
  }
  if (b->echo && echoes.count != count) ctnl_die("%u echoes of %u", echoes.count, count);
  free(echoes.data);
  return count;
}

// The body of delete_batch and update_batch.
static inline int baseline_run(int argc, char** argv, const char* name, uint8_t message,
                               baseline_body body) {
  struct baseline b;
  baseline_parse(&b, argc, argv);
  if (b.echo && !b.dump_first) ctnl_die("--echo: goes with --dump-first");
  struct baseline_table table = {0};
  const int fd = baseline_socket();
  if (!b.dump_first) baseline_make(&b);
  const uint64_t cpu = cpu_ns();
  const uint64_t began = ctnl_now();
  if (b.dump_first) baseline_dump(fd, &table);
  const uint64_t dumped = ctnl_now();
  const uint32_t count = baseline_each(fd, &b, b.dump_first ? &table : NULL, message, body);
  const uint64_t ended = ctnl_now();
  printf(
      "{\"program\":\"%s\",\"batch\":%u,\"count\":%u,\"dump_ns\":%llu,\"ns\":%llu,"
      "\"cpu_ns\":%llu}\n",
      name, b.batch, count, (unsigned long long)(dumped - began),
      (unsigned long long)(ended - began), (unsigned long long)(cpu_ns() - cpu));
  return 0;
}
