// Legacy tables: which of their rules ask for connection tracking, and whether there is a nat
// table.
#include "core/legacy/tracking.h"

#include <errno.h>

#include <cstring>

#include "core/legacy/chains.h"
#include "core/legacy/fetch.h"
#include "core/legacy/registered.h"
#include "core/xtables/tracking.h"

namespace nf::xt {
namespace {

// As nft names the families.
const char* family_name(const Layout& layout) { return layout.family == AF_INET ? "ip" : "ip6"; }
std::uint8_t number_of(const Layout& layout) { return static_cast<std::uint8_t>(layout.family); }
std::string reason(const Layout& layout, const std::string& table, std::string_view what) {
  return std::string(family_name(layout)) + " " + table + ": " + std::string(what);
}

void scan_family(const Layout& layout, const Cancel* cancel, TrackingReport& report) {
  auto tables = registered_tables(layout);
  if (!tables) {
    mark_unknown(
        report, number_of(layout),
        std::string(family_name(layout)) + " tables: " + tables.error().detail + " cannot be read");
    return;
  }
  for (const std::string& table : *tables) {
    // Even without a rule, the table registers the hooks that translate (iptable_nat.c:
    // ipt_nat_register_lookups). It does not register those that track.
    if (table == "nat") {
      mark_found(report.nat, number_of(layout), std::string(family_name(layout)) + " nat: table");
    }
    const auto give_up = [&](const char* why) {
      mark_unknown(report, number_of(layout), reason(layout, table, why));
    };
    auto raw = read_raw(layout, table, cancel);
    if (!raw) {
      give_up(std::strerror(raw.error().code));
      continue;
    }
    const char* wrong = scan_table(layout, table, raw->info, raw->entries(), report);
    if (wrong != nullptr) give_up(wrong);
  }
}

struct Scan {
  const Layout& layout;
  const std::string& table;
  std::span<const std::uint8_t> blob;
  TrackingReport& report;

  void entry(std::size_t /*at*/, const EntryView& /*view*/) {}
  void chain(const ChainHead& /*head*/) {}
  void rule(std::size_t at, const EntryView& view) {
    const std::uint8_t* const data = blob.data() + at;
    for_each_part(layout, data, view, [&](const Part& part) {
      const std::span<const std::uint8_t> payload{data + part.offset + kHeader,
                                                  part.size - kHeader};
      if (!extension_tracks(part.name, payload)) return;
      mark_found(report.tracking, number_of(layout), reason(layout, table, part.name));
    });
  }
  void end(const ChainEnd& /*end*/) {}
};

}  // namespace

const char* scan_table(const Layout& layout, const std::string& table, const ipt_getinfo& info,
                       std::span<const std::uint8_t> blob, TrackingReport& report) {
  Scan scan{layout, table, blob, report};
  return walk_chains(layout, info, blob, scan);
}

void scan_legacy_rules(const Cancel* cancel, TrackingReport& report) {
  for (const Layout* layout : {&kIpv4, &kIpv6}) scan_family(*layout, cancel, report);
}

}  // namespace nf::xt
