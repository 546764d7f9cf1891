// Counting what tables hold.
#include "core/legacy/look.h"

#include <errno.h>

#include "core/legacy/chains.h"
#include "core/legacy/fetch.h"
#include "core/legacy/registered.h"

namespace nf::xt {
namespace {

struct Counter {
  TableLook& look;

  void entry(std::size_t /*at*/, const EntryView& /*view*/) {}
  void chain(const ChainHead& head) {
    look.chains++;
    if (head.hook == 0) look.own_chains = true;
  }
  void rule(std::size_t /*at*/, const EntryView& /*view*/) { look.rules++; }
  void end(const ChainEnd& end) {
    if (end.policy == kPolicyDrop) look.drops = true;
  }
};

}  // namespace

const char* count_table(const Layout& layout, const ipt_getinfo& info,
                        std::span<const std::uint8_t> blob, TableLook& out) {
  Counter counter{out};
  return walk_chains(layout, info, blob, counter);
}

Result<std::vector<TableLook>> look_at_tables(const Layout& layout, const Cancel* cancel) {
  auto names = registered_tables(layout);
  if (!names) return names.error();
  std::vector<TableLook> looks;
  for (std::string& name : *names) {
    auto raw = read_raw(layout, name, cancel);
    if (!raw) return raw.error();
    TableLook look;
    if (const char* why = count_table(layout, raw->info, raw->entries(), look); why != nullptr) {
      return read_error(layout, name, EBADMSG, why);
    }
    look.name = std::move(name);
    looks.push_back(std::move(look));
  }
  return looks;
}

}  // namespace nf::xt
