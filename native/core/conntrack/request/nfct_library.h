// libnetfilter_conntrack as a typed function table. It builds the requests that create and change
// flows; it never sends, parses or deletes here (its parser ends the process on a malformed
// attribute, and its query builder can turn a bad delete into a flush).
#pragma once

#include <libnetfilter_conntrack/libnetfilter_conntrack.h>

#include "core/library.h"

namespace nf::ct {

struct NfctLibrary {
  LibraryState state;
  bool usable = false;
  decltype(::nfct_new)* make = nullptr;
  decltype(::nfct_destroy)* destroy = nullptr;
  decltype(::nfct_set_attr)* set_attr = nullptr;
  decltype(::nfct_set_attr_l)* set_attr_l = nullptr;
  decltype(::nfct_set_attr_u8)* set_attr_u8 = nullptr;
  decltype(::nfct_set_attr_u16)* set_attr_u16 = nullptr;
  decltype(::nfct_set_attr_u32)* set_attr_u32 = nullptr;
  decltype(::nfct_set_attr_u64)* set_attr_u64 = nullptr;
  decltype(::nfct_nlmsg_build)* nlmsg_build = nullptr;
  decltype(::nfct_bitmask_new)* bitmask_new = nullptr;
  decltype(::nfct_bitmask_set_bit)* bitmask_set_bit = nullptr;
  decltype(::nfct_bitmask_destroy)* bitmask_destroy = nullptr;
  decltype(::nfexp_new)* expectation_make = nullptr;
  decltype(::nfexp_destroy)* expectation_destroy = nullptr;
  decltype(::nfexp_set_attr)* expectation_set_attr = nullptr;
  decltype(::nfexp_set_attr_u8)* expectation_set_attr_u8 = nullptr;
  decltype(::nfexp_set_attr_u16)* expectation_set_attr_u16 = nullptr;
  decltype(::nfexp_set_attr_u32)* expectation_set_attr_u32 = nullptr;
  decltype(::nfexp_nlmsg_build)* expectation_nlmsg_build = nullptr;
};

// Loads the library on first use.
const NfctLibrary& nfct_library();

}  // namespace nf::ct
