// Loading libnetfilter_conntrack.
#include "core/conntrack/request/nfct_library.h"

#include "core/meeting.h"

namespace nf::ct {
namespace {

NfctLibrary load() {
  NfctLibrary table;
  const Library library = Library::load({"libnetfilter_conntrack.so.3"});
  table.state = state_of(library);
  if (!table.state.found) return table;
  auto& missing = table.state.missing;
  bind(library, "nfct_new", table.make, missing);
  bind(library, "nfct_destroy", table.destroy, missing);
  bind(library, "nfct_set_attr", table.set_attr, missing);
  bind(library, "nfct_set_attr_l", table.set_attr_l, missing);
  bind(library, "nfct_set_attr_u8", table.set_attr_u8, missing);
  bind(library, "nfct_set_attr_u16", table.set_attr_u16, missing);
  bind(library, "nfct_set_attr_u32", table.set_attr_u32, missing);
  bind(library, "nfct_set_attr_u64", table.set_attr_u64, missing);
  bind(library, "nfct_nlmsg_build", table.nlmsg_build, missing);
  bind(library, "nfct_bitmask_new", table.bitmask_new, missing);
  bind(library, "nfct_bitmask_set_bit", table.bitmask_set_bit, missing);
  bind(library, "nfct_bitmask_destroy", table.bitmask_destroy, missing);
  bind(library, "nfexp_new", table.expectation_make, missing);
  bind(library, "nfexp_destroy", table.expectation_destroy, missing);
  bind(library, "nfexp_set_attr", table.expectation_set_attr, missing);
  bind(library, "nfexp_set_attr_u8", table.expectation_set_attr_u8, missing);
  bind(library, "nfexp_set_attr_u16", table.expectation_set_attr_u16, missing);
  bind(library, "nfexp_set_attr_u32", table.expectation_set_attr_u32, missing);
  bind(library, "nfexp_nlmsg_build", table.expectation_nlmsg_build, missing);
  table.usable = missing.empty();
  return table;
}

}  // namespace

const NfctLibrary& nfct_library() {
  NF_MEETING(library);
  // Never destroyed: exit() runs static destructors while pooled threads may still be at work.
  static const auto* table = new NfctLibrary(load());
  return *table;
}

}  // namespace nf::ct
