// A Linux of another release, as far as connection tracking by netlink is concerned. It stands
// between a process and the kernel that is there. See calls.c.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct nlmsghdr;

// Whether the release is this one or a later one.
bool at_least(int major, int minor);
// Whether it was built without an option: "mark", "zones".
bool lacks(const char *option);

// Whether a flush takes CTA_FILTER.
bool flushes_by_filter(void);

// A set of attributes: bit n is attribute n.
typedef uint32_t attribute_set;

struct tuple {
  uint8_t family;
  uint8_t src[16];
  uint8_t dst[16];
  uint8_t protocol;
  uint16_t src_port;  // or the id of ICMP: the kernel keeps both in one place
  uint16_t dst_port;
  uint8_t icmp_type;
  uint8_t icmp_code;
};

// What a kernel compares rows with (struct ctnetlink_filter).
struct filter {
  uint8_t family;
  uint32_t mark, mark_mask;
  uint32_t status, status_mask;
  bool has_zone;
  uint16_t zone;
  uint32_t orig_flags, reply_flags;
  struct tuple orig, reply;
};

// A request to the table, as this kernel understands it.
struct meaning {
  int refused;            // an errno, or 0
  attribute_set sent;     // what the request has
  attribute_set ignored;  // what this kernel does not look at
  attribute_set misread;  // what it compares with something else than was meant
  struct filter filter;
};

// A dump, and a DELETE that is a flush.
void understand_dump(const struct nlmsghdr *request, struct meaning *meaning);
void understand_flush(const struct nlmsghdr *request, struct meaning *meaning);
// Whether this kernel takes a DELETE for a flush.
bool is_flush(const struct nlmsghdr *request);
// Whether a DELETE of one flow has a filter, which this kernel does not look at.
bool ignores_filter(const struct nlmsghdr *request, struct meaning *meaning);
// Whether the kernel would send this flow.
bool matches(const struct filter *filter, const struct nlmsghdr *row);

// Removes an attribute at the top level of a message.
void remove_attribute(struct nlmsghdr *message, int type);

// Writes one line about a request into the file that OLD_KERNEL_LOG names.
void report(const char *request, const struct meaning *meaning);
