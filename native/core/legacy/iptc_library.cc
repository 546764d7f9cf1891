// Loading libip4tc and libip6tc.
#include "core/legacy/iptc_library.h"

#include "core/legacy/libraries.h"

#include <string>

namespace nf::xt {
namespace {

template <typename Table>
Table load(const std::vector<const char*>& sonames, const std::string& prefix) {
  Table table;
  const Library library = Library::load(sonames);
  table.state = state_of(library);
  if (!table.state.found) return table;
  auto& missing = table.state.missing;
  const auto fill = [&](const char* name, auto& slot) {
    bind(library, (prefix + name).c_str(), slot, missing);
  };
  fill("init", table.init);
  fill("free", table.free);
  fill("first_chain", table.first_chain);
  fill("next_chain", table.next_chain);
  fill("first_rule", table.first_rule);
  fill("next_rule", table.next_rule);
  fill("get_target", table.get_target);
  fill("get_policy", table.get_policy);
  fill("insert_entry", table.insert_entry);
  fill("replace_entry", table.replace_entry);
  fill("append_entry", table.append_entry);
  fill("delete_num_entry", table.delete_num_entry);
  fill("flush_entries", table.flush_entries);
  fill("zero_entries", table.zero_entries);
  fill("zero_counter", table.zero_counter);
  fill("create_chain", table.create_chain);
  fill("delete_chain", table.delete_chain);
  fill("set_policy", table.set_policy);
  fill("commit", table.commit);
  table.usable = missing.empty();
  return table;
}

}  // namespace

// Never destroyed: exit() runs static destructors while pooled threads may still be at work.
const Iptc4& iptc4() {
  static const auto* table = new Iptc4(load<Iptc4>({"libip4tc.so.2", "libip4tc.so.0"}, "iptc_"));
  return *table;
}

const Iptc6& iptc6() {
  static const auto* table = new Iptc6(load<Iptc6>({"libip6tc.so.2", "libip6tc.so.0"}, "ip6tc_"));
  return *table;
}

const LibraryState& iptc_state(bool ipv6) { return ipv6 ? iptc6().state : iptc4().state; }

std::mutex& iptc_mutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace nf::xt
