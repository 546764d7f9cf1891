// Tables for the tests and fuzzers of native/core/legacy: entries, a table as the kernel sends it,
// and plans.
#pragma once

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "core/legacy/commit.h"
#include "core/legacy/plan.h"
#include "core/legacy/snapshot.h"

namespace nf::test {

using namespace nf::xt;

using Bytes = std::vector<std::uint8_t>;

// An entry with the given source address, an optional comment match, and a target by name.
inline Bytes entry(const Layout& layout, std::uint32_t source, const std::string& target,
                   Counters counters = {}, const std::string& comment = {}) {
  const std::size_t match = comment.empty() ? 0 : kHeader + 256;
  Bytes bytes(layout.entry_size + match + kStandardSize);
  const auto put16 = [&](std::size_t at, std::size_t value) {
    const auto half = static_cast<std::uint16_t>(value);
    std::memcpy(&bytes[at], &half, sizeof half);
  };
  store32(bytes.data(), htonl(source));
  std::memset(&bytes[layout.family == AF_INET ? 8 : 32], source == 0 ? 0 : 0xff,
              layout.family == AF_INET ? 4 : 16);
  if (layout.family == AF_INET6) {
    // The other words of the address are zero, so its mask is that of a host.
    std::memset(&bytes[4], 0, 12);
  }
  put16(layout.target_offset, layout.entry_size + match);
  put16(layout.next_offset, bytes.size());
  store_counters(&bytes[layout.counters], counters);
  if (match != 0) {
    put16(layout.entry_size, match);
    std::memcpy(&bytes[layout.entry_size + 2], "comment", 7);
    std::memcpy(&bytes[layout.entry_size + kHeader], comment.data(), comment.size());
  }
  put16(layout.entry_size + match, kStandardSize);
  std::memcpy(&bytes[layout.entry_size + match + 2], target.data(), target.size());
  return bytes;
}

// Writes plans.
class PlanBuilder {
 public:
  PlanBuilder(const Layout& layout, const std::string& table, const Digest& fingerprint) {
    header_.magic = kPlanMagic;
    header_.family = static_cast<std::uint32_t>(layout.family);
    header_.fingerprint = fingerprint;
    std::memcpy(header_.name, table.data(), table.size());
  }
  // Adds every chain of the snapshot. `chain` then selects one to change.
  PlanBuilder& all(const Snapshot& snapshot) {
    for (std::uint32_t i = 0; i < snapshot.chain_count(); i++) {
      const ChainRecord& record = snapshot.chain(i);
      chain(std::string(chain_name(record.name)), record.hook, record.policy)
          .keep(record.first, record.count);
    }
    return *this;
  }
  PlanBuilder& chain(const std::string& name, std::uint32_t hook = 0, std::uint32_t policy = 0) {
    for (at_ = 0; at_ < chains_.size(); at_++) {
      if (std::string_view(chains_[at_].name) == name) return *this;
    }
    PlanChain record{};
    std::memcpy(record.name, name.data(), std::min<std::size_t>(name.size(), 31));
    record.hook = hook;
    record.policy = policy;
    chains_.push_back(record);
    runs_.emplace_back();
    return *this;
  }
  PlanBuilder& policy(std::uint32_t policy) {
    chains_[at_].policy = policy;
    return *this;
  }
  PlanBuilder& clear() {
    runs_[at_].clear();
    return *this;
  }
  PlanBuilder& remove() {
    chains_.erase(chains_.begin() + static_cast<std::ptrdiff_t>(at_));
    runs_.erase(runs_.begin() + static_cast<std::ptrdiff_t>(at_));
    return *this;
  }
  PlanBuilder& keep(std::uint32_t first, std::uint32_t count, bool zeroed = false) {
    runs_[at_].push_back({zeroed ? kKeepZeroed : kKeep, first, count, 0});
    return *this;
  }
  PlanBuilder& add(const Bytes& bytes, std::uint32_t counters_of = kNone) {
    runs_[at_].push_back({kEntry, static_cast<std::uint32_t>(entries_.size()),
                          static_cast<std::uint32_t>(bytes.size()), counters_of});
    entries_.insert(entries_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Bytes bytes() const {
    PlanHeader header = header_;
    header.chain_count = static_cast<std::uint32_t>(chains_.size());
    std::vector<PlanChain> chains = chains_;
    std::uint32_t next = 0;
    for (std::size_t i = 0; i < chains.size(); i++) {
      chains[i].first = next;
      chains[i].count = static_cast<std::uint32_t>(runs_[i].size());
      next += chains[i].count;
    }
    header.run_count = next;
    const std::size_t entries =
        sizeof header + chains.size() * sizeof(PlanChain) + next * sizeof(PlanRun);
    Bytes out;
    const auto append = [&](const void* data, std::size_t size) {
      const auto* at = static_cast<const std::uint8_t*>(data);
      out.insert(out.end(), at, at + size);
    };
    append(&header, sizeof header);
    for (const auto& chain : chains) append(&chain, sizeof chain);
    for (const auto& runs : runs_) {
      for (PlanRun run : runs) {
        if (run.kind == kEntry) run.a += static_cast<std::uint32_t>(entries);
        append(&run, sizeof run);
      }
    }
    append(entries_.data(), entries_.size());
    return out;
  }
  Result<CommitOutcome> commit() const {
    auto plan = Plan::parse(bytes());
    if (!plan) return plan.error();
    return commit_plan(*plan, {});
  }

 private:
  PlanHeader header_{};
  std::vector<PlanChain> chains_;
  std::vector<std::vector<PlanRun>> runs_;
  Bytes entries_;
  std::size_t at_ = 0;
};

// A blob as the kernel sends it: INPUT with two rules, a user's chain with one.
struct Blob {
  ipt_getinfo info{};
  Bytes bytes;
};
inline Blob make_blob(const Layout& layout) {
  Blob blob;
  const auto append = [&](Bytes bytes) {
    blob.bytes.insert(blob.bytes.end(), bytes.begin(), bytes.end());
    blob.info.num_entries++;
  };
  const auto raw = [&](std::uint32_t source, std::int32_t verdict) {
    Bytes bytes = entry(layout, source, "", {7, 700}, source == 0 ? "" : "text");
    store32(&bytes[bytes.size() - 8], static_cast<std::uint32_t>(verdict));
    return bytes;
  };
  const auto head = [&](const char* name) {
    Bytes bytes(layout.entry_size + kErrorSize);
    const auto size = static_cast<std::uint16_t>(bytes.size());
    const auto target = static_cast<std::uint16_t>(layout.entry_size);
    const auto target_size = static_cast<std::uint16_t>(kErrorSize);
    std::memcpy(&bytes[layout.target_offset], &target, 2);
    std::memcpy(&bytes[layout.next_offset], &size, 2);
    std::memcpy(&bytes[target], &target_size, 2);
    std::memcpy(&bytes[target + 2U], "ERROR", 5);
    std::memcpy(&bytes[target + kHeader], name, std::strlen(name));
    return bytes;
  };
  const Bytes jump = raw(1, 0);
  const Bytes policy = raw(0, -NF_DROP - 1);
  const std::size_t chain = jump.size() * 2 + policy.size() + head("").size();
  blob.info.valid_hooks = 1U << NF_INET_LOCAL_IN;
  blob.info.underflow[NF_INET_LOCAL_IN] = static_cast<std::uint32_t>(jump.size() * 2);
  append(raw(1, static_cast<std::int32_t>(chain)));
  append(raw(2, -NF_ACCEPT - 1));
  append(policy);
  append(head("CHAIN"));
  append(raw(3, XT_RETURN));
  append(raw(0, XT_RETURN));
  append(head("ERROR"));
  blob.info.size = static_cast<std::uint32_t>(blob.bytes.size());
  return blob;
}

}  // namespace nf::test
