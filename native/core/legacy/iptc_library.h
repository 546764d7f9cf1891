// libip4tc and libip6tc as typed function tables with the same names, so that one piece of code
// serves both. Only what a commit needs: reading a table does not use them (snapshot.h).
#pragma once

// First: it puts the C library's and the kernel's headers in an order in which both fit.
#include "core/xtables/layout.h"

#include <libiptc/libip6tc.h>
#include <libiptc/libiptc.h>

#include <mutex>

#include "core/library.h"

namespace nf::xt {

struct Iptc4 {
  using Entry = ipt_entry;
  LibraryState state;
  bool usable = false;
  decltype(::iptc_init)* init = nullptr;
  decltype(::iptc_free)* free = nullptr;
  decltype(::iptc_first_chain)* first_chain = nullptr;
  decltype(::iptc_next_chain)* next_chain = nullptr;
  decltype(::iptc_first_rule)* first_rule = nullptr;
  decltype(::iptc_next_rule)* next_rule = nullptr;
  decltype(::iptc_get_target)* get_target = nullptr;
  decltype(::iptc_get_policy)* get_policy = nullptr;
  decltype(::iptc_insert_entry)* insert_entry = nullptr;
  decltype(::iptc_replace_entry)* replace_entry = nullptr;
  decltype(::iptc_append_entry)* append_entry = nullptr;
  decltype(::iptc_delete_num_entry)* delete_num_entry = nullptr;
  decltype(::iptc_flush_entries)* flush_entries = nullptr;
  decltype(::iptc_zero_entries)* zero_entries = nullptr;
  decltype(::iptc_zero_counter)* zero_counter = nullptr;
  decltype(::iptc_create_chain)* create_chain = nullptr;
  decltype(::iptc_delete_chain)* delete_chain = nullptr;
  decltype(::iptc_set_policy)* set_policy = nullptr;
  decltype(::iptc_commit)* commit = nullptr;
};

struct Iptc6 {
  using Entry = ip6t_entry;
  LibraryState state;
  bool usable = false;
  decltype(::ip6tc_init)* init = nullptr;
  decltype(::ip6tc_free)* free = nullptr;
  decltype(::ip6tc_first_chain)* first_chain = nullptr;
  decltype(::ip6tc_next_chain)* next_chain = nullptr;
  decltype(::ip6tc_first_rule)* first_rule = nullptr;
  decltype(::ip6tc_next_rule)* next_rule = nullptr;
  decltype(::ip6tc_get_target)* get_target = nullptr;
  decltype(::ip6tc_get_policy)* get_policy = nullptr;
  decltype(::ip6tc_insert_entry)* insert_entry = nullptr;
  decltype(::ip6tc_replace_entry)* replace_entry = nullptr;
  decltype(::ip6tc_append_entry)* append_entry = nullptr;
  decltype(::ip6tc_delete_num_entry)* delete_num_entry = nullptr;
  decltype(::ip6tc_flush_entries)* flush_entries = nullptr;
  decltype(::ip6tc_zero_entries)* zero_entries = nullptr;
  decltype(::ip6tc_zero_counter)* zero_counter = nullptr;
  decltype(::ip6tc_create_chain)* create_chain = nullptr;
  decltype(::ip6tc_delete_chain)* delete_chain = nullptr;
  decltype(::ip6tc_set_policy)* set_policy = nullptr;
  decltype(::ip6tc_commit)* commit = nullptr;
};

// Loaded on first use.
const Iptc4& iptc4();
const Iptc6& iptc6();

// Process-global state (with its reason): the libraries keep static variables of their own (which
// function was called last, the chain that create_chain makes) and take no lock, and every worker
// thread of the process shares the one copy. So everything from init to free happens under this.
std::mutex& iptc_mutex();

}  // namespace nf::xt
