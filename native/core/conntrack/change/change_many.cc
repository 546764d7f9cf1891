// Changes many flows.
#include "core/conntrack/change/change_many.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>

#include <algorithm>
#include <vector>

#include "core/conntrack/change/change.h"
#include "core/conntrack/dump/lookup.h"
#include "core/conntrack/request/tuple_request.h"
#include "core/operation.h"

namespace nf::ct {
namespace {

constexpr std::uint8_t kIdentity = kTupleHasId | kTupleHasStart;
// So many flows are read and then changed, with nothing else in between.
constexpr std::size_t kReadWindow = 16;
// The kernel refuses a status without a bit that the flow has (EBUSY). The flows are read and tried
// again. This ends: the kernel never clears these bits.
constexpr int kManyAttempts = 4;

class ManyChanges {
 public:
  ManyChanges(Socket& socket, const Cancel* cancel, std::span<const PackedTuple> tuples,
              std::span<const std::uint8_t> fields)
      : exchange_(socket, cancel, operation::kUpdate),
        cancel_(cancel),
        tuples_(tuples),
        change_(fields) {
    outcome_.codes.assign(tuples.size(), ENOENT);
  }

  Result<WriteOutcome> run() {
    reads_ = std::ranges::any_of(
        tuples_, [](const PackedTuple& tuple) { return (tuple.flags & kIdentity) != 0; });
    const std::size_t most = exchange_.window(2);
    const std::size_t step = reads_ ? std::min(kReadWindow, most) : most;
    for (base_ = 0; base_ < tuples_.size(); base_ += step) {
      if (cancel_ != nullptr && cancel_->raised()) {
        return fail(ECANCELED, operation::kUpdate, {}, ErrorKind::kCancelled);
      }
      part_ = tuples_.subspan(base_, std::min(step, tuples_.size() - base_));
      if (auto done = work(); !done) return done.error();
    }
    return std::move(outcome_);
  }

 private:
  Result<void> work() {
    wanted_.assign(part_.size(), true);
    status_.assign(part_.size(), IPS_CONFIRMED);
    bool busy = false;
    for (int attempt = 1; attempt == 1 || (busy && attempt <= kManyAttempts); attempt++) {
      if (reads_ || attempt > 1) {
        if (auto read = look(); !read) return read;
      }
      busy = false;
      if (auto sent = send(attempt, busy); !sent) return sent;
    }
    if (change_.asked().to_read()) {
      if (auto read = look_again(); !read) return read;
    }
    for (std::size_t i = 0; i < part_.size(); i++) {
      if (outcome_.codes[base_ + i] != EPERM) continue;
      return prove_capability(exchange_, part_[i], operation::kUpdate);
    }
    return {};
  }

  // Finds the flows that are meant, and the status that each has.
  Result<void> look() {
    wanted_.assign(part_.size(), false);
    return read_flows(exchange_, TupleVerb::kGet, part_, [&](std::size_t i, const Row* row) {
      if (row == nullptr) {
        outcome_.refuse(base_ + i, EBADMSG, "malformed answer");
        return;
      }
      wanted_[i] = is_meant(part_[i], *row);
      status_[i] = row->status;
    });
  }

  Result<void> send(int attempt, bool& busy) {
    std::vector<std::size_t> sent;
    for (std::size_t i = 0; i < part_.size(); i++) {
      if (!wanted_[i]) continue;
      auto built = change_.append(part_[i], status_[i], exchange_.next(), exchange_.batch());
      if (!built) return built;
      sent.push_back(base_ + i);
    }
    std::vector<std::int32_t> before;
    for (const std::size_t index : sent) {
      before.push_back(attempt == 1 ? ENOENT : outcome_.codes[index]);
      outcome_.codes[index] = 0;
    }
    return exchange_.run([&](std::size_t i, int code, const std::string& text) {
      // A flow that was changed in an earlier attempt, and has ended since or has a fixed timeout
      // now, was changed.
      if (before[i] == 0 && (code == ENOENT || code == EPERM)) return;
      busy = busy || (code == EBUSY && change_.has_status());
      outcome_.refuse(sent[i], code, text);
    });
  }

  // A change that the kernel accepted and did not keep counts as refused.
  Result<void> look_again() {
    std::vector<PackedTuple> changed;
    std::vector<std::size_t> indexes;
    for (std::size_t i = 0; i < part_.size(); i++) {
      if (outcome_.codes[base_ + i] != 0) continue;
      changed.push_back(part_[i]);
      indexes.push_back(base_ + i);
    }
    return read_flows(exchange_, TupleVerb::kGet, changed, [&](std::size_t i, const Row* row) {
      const Missing missing = missing_of(change_.asked(), row);
      if (missing.code != 0) outcome_.refuse(indexes[i], missing.code, missing.text);
    });
  }

  Exchange exchange_;
  const Cancel* cancel_;
  std::span<const PackedTuple> tuples_;
  Change change_;
  WriteOutcome outcome_;
  bool reads_ = false;
  std::size_t base_ = 0;               // the index of the first tuple of `part_`
  std::span<const PackedTuple> part_;  // the tuples under way
  std::vector<bool> wanted_;           // of these: whether the flow is there, and is the one meant
  std::vector<std::uint32_t> status_;  // of these: what the flow has, as far as is known
};

}  // namespace

Result<WriteOutcome> change_flows(Socket& socket, const Cancel* cancel,
                                  std::span<const PackedTuple> tuples,
                                  std::span<const std::uint8_t> fields) {
  if (auto library = require_nfct(operation::kUpdate); !library) return library.error();
  return ManyChanges(socket, cancel, tuples, fields).run();
}

Result<void> prove_capability(Exchange& exchange, const PackedTuple& refused,
                              const char* operation) {
  auto read = read_flows(exchange, TupleVerb::kGet, {&refused, 1}, [](std::size_t, const Row*) {});
  if (read) return {};
  Error error = read.error();
  error.operation = operation;
  return error;
}

}  // namespace nf::ct
