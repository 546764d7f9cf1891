// Entries: validation, content, private tails.
#include "core/xtables/entry.h"

#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_IDLETIMER.h>
#include <linux/netfilter/xt_LED.h>
#include <linux/netfilter/xt_RATEEST.h>
#include <linux/netfilter/xt_TEE.h>
#include <linux/netfilter/xt_bpf.h>
#include <linux/netfilter/xt_cgroup.h>
#include <linux/netfilter/xt_connlimit.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_nfacct.h>
#include <linux/netfilter/xt_quota.h>
#include <linux/netfilter/xt_rateest.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_statistic.h>
#include <linux/netfilter/xt_string.h>
#include <linux/netfilter_ipv4/ipt_CLUSTERIP.h>
#include <linux/netfilter_ipv6/ip6t_NPT.h>

#include <algorithm>
#include <iterator>

namespace nf::xt {
namespace {

// How many bytes of the payload come before the kernel's own: `.usersize` of each extension in the
// kernel's source. Sorted by name and revision for the binary search. No match here has the name of
// a target.
struct PrivateTail {
  std::string_view name;
  std::uint8_t revision;
  std::size_t public_size;
};
constexpr PrivateTail kTails[] = {
    {"CLUSTERIP", 0, offsetof(ipt_clusterip_tgt_info, config)},
    {"CT", 0, offsetof(xt_ct_target_info, ct)},
    {"CT", 1, offsetof(xt_ct_target_info_v1, ct)},
    {"CT", 2, offsetof(xt_ct_target_info_v1, ct)},
    {"DNPT", 0, offsetof(ip6t_npt_tginfo, adjustment)},
    {"IDLETIMER", 0, offsetof(idletimer_tg_info, timer)},
    {"IDLETIMER", 1, offsetof(idletimer_tg_info_v1, timer)},
    {"LED", 0, offsetof(xt_led_info, internal_data)},
    {"RATEEST", 0, offsetof(xt_rateest_target_info, est)},
    {"SNPT", 0, offsetof(ip6t_npt_tginfo, adjustment)},
    {"TEE", 1, offsetof(xt_tee_tginfo, priv)},
    {"bpf", 0, offsetof(xt_bpf_info, filter)},
    {"bpf", 1, offsetof(xt_bpf_info_v1, filter)},
    {"cgroup", 1, offsetof(xt_cgroup_info_v1, priv)},
    {"cgroup", 2, offsetof(xt_cgroup_info_v2, priv)},
    {"connlimit", 0, offsetof(xt_connlimit_info, data)},
    {"connlimit", 1, offsetof(xt_connlimit_info, data)},
    {"hashlimit", 1, offsetof(xt_hashlimit_mtinfo1, hinfo)},
    {"hashlimit", 2, offsetof(xt_hashlimit_mtinfo2, hinfo)},
    {"hashlimit", 3, offsetof(xt_hashlimit_mtinfo3, hinfo)},
    {"limit", 0, offsetof(xt_rateinfo, prev)},
    {"nfacct", 0, offsetof(xt_nfacct_match_info, nfacct)},
    {"nfacct", 1, offsetof(xt_nfacct_match_info_v1, nfacct)},
    {"quota", 0, offsetof(xt_quota_info, master)},
    {"rateest", 0, offsetof(xt_rateest_match_info, est1)},
    {"statistic", 0, offsetof(xt_statistic_info, master)},
    {"string", 0, offsetof(xt_string_info, config)},
    {"string", 1, offsetof(xt_string_info, config)},
};

}  // namespace

const char* view_entry(const Layout& layout, const std::uint8_t* data, std::size_t available,
                       EntryView& out) {
  if (available < layout.entry_size + kHeader) return "an entry is cut short";
  const std::size_t target = load16(data + layout.target_offset);
  const std::size_t size = load16(data + layout.next_offset);
  if (size % 8 != 0 || target % 8 != 0) return "an entry is not aligned";
  if (size > available) return "an entry ends behind the table";
  if (target < layout.entry_size || target + kHeader > size)
    return "a target lies outside its rule";
  const std::size_t target_size = load16(data + target);
  if (target_size < kHeader || target_size > size - target) return "a target has a wrong size";
  for (std::size_t at = layout.entry_size; at < target;) {
    if (target - at < kHeader) return "a match is cut short";
    const std::size_t match_size = load16(data + at);
    if (match_size < kHeader || match_size % 8 != 0 || match_size > target - at) {
      return "a match has a wrong size";
    }
    if (std::memchr(data + at + 2, 0, kNameSize) == nullptr) return "a match's name does not end";
    at += match_size;
  }
  const char* name = reinterpret_cast<const char*>(data + target + 2);
  const std::size_t name_size = ::strnlen(name, kNameSize);
  if (name_size == kNameSize) return "a target's name does not end";
  out.size = size;
  out.target = target;
  out.target_size = target_size;
  out.target_name = std::string_view(name, name_size);
  out.target_revision = data[target + 31];
  return nullptr;
}

std::size_t public_size(const Part& part) {
  const std::size_t payload = part.size - kHeader;
  const auto* found = std::lower_bound(
      std::begin(kTails), std::end(kTails), part, [](const PrivateTail& tail, const Part& wanted) {
        const int order = tail.name.compare(wanted.name);
        return order != 0 ? order < 0 : tail.revision < wanted.revision;
      });
  if (found == std::end(kTails) || found->name != part.name || found->revision != part.revision) {
    return payload;
  }
  return std::min<std::size_t>(payload, found->public_size);
}

namespace {

// The header and the public bytes; the size tells what is left out.
void add_part(const std::uint8_t* data, const Part& part, Fingerprint& hash) {
  hash.add(data + part.offset, kHeader + public_size(part));
}

}  // namespace

EntryView view_of(const Layout& layout, const std::uint8_t* data) {
  EntryView view;
  view.size = load16(data + layout.next_offset);
  view.target = load16(data + layout.target_offset);
  view.target_size = load16(data + view.target);
  const char* name = reinterpret_cast<const char*>(data + view.target + 2);
  view.target_name = std::string_view(name, ::strnlen(name, kNameSize));
  view.target_revision = data[view.target + 31];
  return view;
}

Digest hash_matches(const Layout& layout, const std::uint8_t* data, const EntryView& view) {
  Fingerprint hash;
  for_each_match(layout, data, view, [&](const Part& part) { add_part(data, part, hash); });
  return hash.digest();
}

Digest hash_target(const std::uint8_t* data, const EntryView& view) {
  Fingerprint hash;
  add_part(data, target_of(view), hash);
  const std::size_t end = view.target + view.target_size;
  hash.add(data + end, view.size - end);
  return hash.digest();
}

void hash_entry(const Layout& layout, const std::uint8_t* data, const EntryView& view,
                Fingerprint& hash) {
  hash.add(data, layout.comefrom);
  hash.add(hash_matches(layout, data, view));
  hash.add(hash_target(data, view));
}

void clear_name_tails(const Layout& layout, std::uint8_t* data, const EntryView& view) {
  for_each_part(layout, data, view, [&](const Part& part) {
    std::memset(data + part.offset + 2 + part.name.size(), 0, kNameSize - part.name.size());
  });
}

bool same_content(const Layout& layout, const std::uint8_t* a, const std::uint8_t* b) {
  if (std::memcmp(a, b, layout.comefrom) != 0) return false;
  EntryView left;
  EntryView right;
  if (view_entry(layout, a, load16(a + layout.next_offset), left) != nullptr) return false;
  if (view_entry(layout, b, load16(b + layout.next_offset), right) != nullptr) return false;
  bool same = true;
  // Both have the same sizes so far. A part with another size ends the comparison before the next.
  for_each_part(layout, a, left, [&](const Part& part) {
    if (!same) return;
    const std::uint8_t* other = b + part.offset;
    same = load16(other) == part.size && other[31] == part.revision &&
           std::memcmp(a + part.offset + 2, other + 2, part.name.size() + 1) == 0 &&
           std::memcmp(a + part.offset + kHeader, other + kHeader, public_size(part)) == 0;
  });
  // The bytes between the target and the next rule.
  const std::size_t end = left.target + left.target_size;
  return same && std::memcmp(a + end, b + end, left.size - end) == 0;
}

void collect_sets(const std::uint8_t* data, const Part& part, std::vector<std::uint16_t>& out) {
  // The index comes first in every revision of the match, and in each structure of the target.
  std::size_t count = 0;
  std::size_t step = 0;
  if (!part.target && part.name == "set") {
    count = 1;
  } else if (part.target && part.name == "SET") {
    count = part.revision >= 3 ? 3 : 2;
    step = part.revision == 0 ? sizeof(xt_set_info_v0) : sizeof(xt_set_info);
  }
  for (std::size_t i = 0; i < count; i++) {
    const std::size_t at = kHeader + i * step;
    if (at + sizeof(std::uint16_t) > part.size) return;
    const std::uint16_t index = load16(data + part.offset + at);
    if (index != IPSET_INVALID_ID) out.push_back(index);
  }
}

bool is_verdict(std::string_view name) {
  return name == "ACCEPT" || name == "DROP" || name == "QUEUE" || name == "RETURN";
}

const char* bad_chain_name(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > kMaxChainName) return "is longer than 28 bytes";
  if (is_verdict(name)) return "is a verdict";
  // iptables-restore could not read white space back. It takes all else in a line with a colon.
  if (name.find_first_of(" \t\n\v\f\r") != std::string_view::npos) return "contains white space";
  return nullptr;
}

}  // namespace nf::xt
