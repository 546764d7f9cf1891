// Batched writes.
#include "core/conntrack/change/write.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <cstring>

#include "core/conntrack/change/change_many.h"
#include "core/conntrack/change/kept.h"
#include "core/conntrack/dump/lookup.h"
#include "core/conntrack/request/packed_fields.h"
#include "core/conntrack/request/tuple_request.h"
#include "core/operation.h"

namespace nf::ct {
namespace {

// Fills batches by `append()` until it returns false, and records each outcome. Calls `after(base)`
// after each batch: `base` is the index of its first item.
template <typename Append, typename After>
Result<void> run_batches(Exchange& exchange, const Cancel* cancel, const char* operation,
                         std::size_t window, WriteOutcome& outcome, const Append& append,
                         const After& after) {
  bool more = true;
  while (more) {
    if (cancel != nullptr && cancel->raised()) {
      return fail(ECANCELED, operation, {}, ErrorKind::kCancelled);
    }
    const std::size_t base = outcome.codes.size();
    while (exchange.count() < window) {
      Result<bool> appended = append();
      if (!appended) return appended.error();
      more = *appended;
      if (!more) break;
      outcome.codes.push_back(0);
    }
    if (exchange.count() == 0) return {};
    auto done = exchange.run([&](std::size_t index, int code, const std::string& text) {
      outcome.refuse(base + index, code, text);
    });
    if (!done) return done.error();
    if (auto looked = after(base); !looked) return looked.error();
  }
  return {};
}

// How often an update is tried that the kernel refuses for its status.
constexpr int kUpdateAttempts = 4;

// A flow that is written with something that the kernel may drop without an error.
struct Doubtful {
  std::size_t index;  // in the outcome
  PackedTuple tuple;
  Asked asked;
};

class Writing {
 public:
  Writing(Socket& socket, const Cancel* cancel, WriteVerb verb, std::span<std::uint8_t> packed)
      : exchange_(socket, cancel, name_of(verb)), cancel_(cancel), verb_(verb), packed_(packed) {}

  Result<WriteOutcome> run() {
    auto done = run_batches(
        exchange_, cancel_, name_of(verb_), exchange_.window(1), outcome_, [&] { return append(); },
        [&](std::size_t base) -> Result<void> {
          if (auto again = verb_ == WriteVerb::kUpdate ? update_again(base) : Result<void>();
              !again) {
            return again;
          }
          batch_.clear();
          return settle();
        });
    if (!done) return done.error();
    return std::move(outcome_);
  }

  static const char* name_of(WriteVerb verb) {
    return verb == WriteVerb::kCreate ? operation::kCreate : operation::kUpdate;
  }

 private:
  Result<bool> append() {
    std::uint32_t size = 0;
    if (packed_.empty()) return false;
    if (packed_.size() < sizeof size) return bad();
    std::memcpy(&size, packed_.data(), sizeof size);
    packed_ = packed_.subspan(sizeof size);
    if (size > packed_.size()) return bad();
    const auto fields = packed_.first(size);
    packed_ = packed_.subspan(size);
    Asked asked = asked_of(fields);
    // For a flow that is there the kernel itself reports that there is no room for labels.
    if (verb_ == WriteVerb::kUpdate) asked.labels = false;
    if (asked.scaled) give_scales(fields);
    if (verb_ == WriteVerb::kUpdate) batch_.push_back(fields);
    if (asked.scaled || asked.to_read()) {
      doubtful_.push_back({outcome_.codes.size(), pack_tuple(fields), asked});
    }
    const std::uint32_t sequence = exchange_.next();
    auto built = append_flow(verb_, fields, 0, sequence, exchange_.batch());
    if (!built) return built.error();
    return true;
  }

  Error bad() const { return fail(EINVAL, name_of(verb_), "packed flow"); }

  // The kernel takes scales only if the flow has both flags: it gets them for a moment.
  static void give_scales(std::span<std::uint8_t> fields) {
    FieldCursor cursor(fields);
    for (PackedField field; cursor.next(field);) {
      switch (field.field) {
        case Field::tcpFlagsOrig:
        case Field::tcpFlagsReply:
        case Field::tcpMaskOrig:
        case Field::tcpMaskReply:
          if (!field.value.empty()) {
            fields[static_cast<std::size_t>(field.value.data() - fields.data())] |= kWindowScale;
          }
          break;
        default:
          break;
      }
    }
  }

  // The kernel refuses a status without a bit that the flow has (EBUSY; it never clears these
  // bits). The bits are read and added. All later flows of the batch are written again too: the
  // same flow may be among them, and the last change of it counts.
  Result<void> update_again(std::size_t base) {
    std::size_t refused_for_good = batch_.size();
    for (std::size_t i = 0; i < batch_.size(); i++) {
      if (outcome_.codes[base + i] == EPERM) refused_for_good = std::min(refused_for_good, i);
    }
    for (int attempt = 1; attempt < kUpdateAttempts; attempt++) {
      std::size_t first = batch_.size();
      auto read = add_status(base, first);
      if (!read) return read;
      const std::size_t window = exchange_.window(1);
      for (std::size_t at = first; at < batch_.size(); at += window) {
        const std::size_t end = std::min(batch_.size(), at + window);
        if (auto sent = send_again(base, at, end); !sent) return sent;
      }
      if (first == batch_.size()) break;
    }
    if (refused_for_good == batch_.size()) return {};
    return prove_capability(exchange_, pack_tuple(batch_[refused_for_good]), name_of(verb_));
  }

  // Adds what the flows have to the status of those that were refused for it. `first`: the first
  // flow whose status is another now.
  Result<void> add_status(std::size_t base, std::size_t& first) {
    std::vector<std::size_t> busy;
    for (std::size_t i = 0; i < batch_.size(); i++) {
      std::uint32_t status = 0;
      if (outcome_.codes[base + i] == EBUSY && find_u32(batch_[i], Field::status, status)) {
        busy.push_back(i);
      }
    }
    const std::size_t window = exchange_.window(2);
    for (std::size_t at = 0; at < busy.size(); at += window) {
      const std::span<const std::size_t> part(&busy[at], std::min(window, busy.size() - at));
      std::vector<PackedTuple> tuples;
      for (const std::size_t i : part) tuples.push_back(pack_tuple(batch_[i]));
      auto read =
          read_flows(exchange_, TupleVerb::kGet, tuples, [&](std::size_t n, const Row* row) {
            if (row != nullptr && add_bits(batch_[part[n]], row->status))
              first = std::min(first, part[n]);
          });
      if (!read) return read;
    }
    return {};
  }

  // Adds bits to the packed status. False: it has them.
  static bool add_bits(std::span<std::uint8_t> fields, std::uint32_t bits) {
    FieldCursor cursor(fields);
    for (PackedField field; cursor.next(field);) {
      if (field.field != Field::status || field.value.size() != sizeof bits) continue;
      const auto now = field.number<std::uint32_t>();
      const std::uint32_t whole = now | bits;
      std::memcpy(&fields[static_cast<std::size_t>(field.value.data() - fields.data())], &whole,
                  sizeof whole);
      return whole != now;
    }
    return false;
  }

  Result<void> send_again(std::size_t base, std::size_t from, std::size_t to) {
    std::vector<std::int32_t> before;
    for (std::size_t i = from; i < to; i++) {
      auto built = append_flow(verb_, batch_[i], 0, exchange_.next(), exchange_.batch());
      if (!built) return built;
      before.push_back(outcome_.codes[base + i]);
      outcome_.codes[base + i] = 0;
    }
    return exchange_.run([&](std::size_t i, int code, const std::string& text) {
      // A flow that was changed before, and has ended since or has a fixed timeout now, was
      // changed.
      const bool was_changed = before[i] == 0 && (code == ENOENT || code == EPERM);
      if (!was_changed) outcome_.refuse(base + from + i, code, text);
    });
  }

  // For the flows that were written: takes back the flags that only made room for scales, and reads
  // what may have been dropped. A new flow that lacks something is deleted again.
  Result<void> settle() {
    std::erase_if(doubtful_, [&](const Doubtful& one) { return outcome_.codes[one.index] != 0; });
    const std::size_t window = exchange_.window(2);
    for (std::size_t at = 0; at < doubtful_.size(); at += window) {
      const std::span<const Doubtful> part(&doubtful_[at], std::min(window, doubtful_.size() - at));
      if (auto done = take_flags_back(part); !done) return done;
      if (auto done = look(part); !done) return done;
    }
    doubtful_.clear();
    return {};
  }

  // Sends what `append` makes of each flow. A failure becomes the outcome of that flow.
  template <typename Append>
  Result<void> send(std::span<const Doubtful> flows, const Append& append) {
    std::vector<std::size_t> indexes;
    for (const Doubtful& flow : flows) {
      auto appended = append(flow, exchange_.next());
      if (!appended) return appended.error();
      indexes.push_back(flow.index);
    }
    return exchange_.run([&](std::size_t index, int code, const std::string& text) {
      // ENOENT: it is gone already.
      if (code != ENOENT) outcome_.refuse(indexes[index], code, text);
    });
  }

  Result<void> take_flags_back(std::span<const Doubtful> part) {
    std::vector<Doubtful> scaled;
    for (const Doubtful& one : part) {
      if (one.asked.scaled) scaled.push_back(one);
    }
    return send(scaled, [&](const Doubtful& flow, std::uint32_t sequence) -> Result<void> {
      MessageBuilder& batch = exchange_.batch();
      auto built = append_tuple_request(TupleVerb::kUpdate, flow.tuple, sequence, batch);
      if (!built) return built;
      const auto info = batch.open_nest(CTA_PROTOINFO);
      const auto tcp = batch.open_nest(CTA_PROTOINFO_TCP);
      for (int i = 0; i < 2; i++) {
        const std::uint8_t pair[2] = {flow.asked.flags[i], kWindowScale};  // nf_ct_tcp_flags
        batch.bytes(i == 0 ? CTA_PROTOINFO_TCP_FLAGS_ORIGINAL : CTA_PROTOINFO_TCP_FLAGS_REPLY, pair,
                    sizeof pair);
      }
      batch.close_nest(tcp);
      batch.close_nest(info);
      batch.end();
      return {};
    });
  }

  Result<void> look(std::span<const Doubtful> part) {
    std::vector<Doubtful> read;
    std::vector<PackedTuple> tuples;
    for (const Doubtful& one : part) {
      if (!one.asked.to_read()) continue;
      read.push_back(one);
      tuples.push_back(one.tuple);
    }
    if (read.empty()) return {};
    std::vector<Doubtful> undone;
    auto done = read_flows(exchange_, TupleVerb::kGet, tuples, [&](std::size_t i, const Row* row) {
      const Missing missing = missing_of(read[i].asked, row);
      if (missing.code == 0) return;
      outcome_.refuse(read[i].index, missing.code, missing.text);
      // Nobody could read the flow, so nobody knows whether it is right: it stays.
      if (row == nullptr) return;
      read[i].tuple.id = row->id;
      read[i].tuple.flags |= kTupleHasId;
      undone.push_back(read[i]);
    });
    if (!done || verb_ != WriteVerb::kCreate) return done;
    return send(undone, [&](const Doubtful& flow, std::uint32_t sequence) {
      return append_delete(flow.tuple, 0, sequence, exchange_.batch());
    });
  }

  Exchange exchange_;
  const Cancel* cancel_;
  WriteVerb verb_;
  std::span<std::uint8_t> packed_;
  WriteOutcome outcome_;
  std::vector<Doubtful> doubtful_;
  std::vector<std::span<std::uint8_t>> batch_;  // of an update: the flows of the last send
};

}  // namespace

void WriteOutcome::refuse(std::size_t index, int code, const std::string& text) {
  codes[index] = code;
  if (!text.empty()) texts.emplace_back(static_cast<std::uint32_t>(index), text);
}

Result<WriteOutcome> write_flows(Socket& socket, const Cancel* cancel, WriteVerb verb,
                                 std::span<std::uint8_t> packed) {
  if (auto library = require_nfct(Writing::name_of(verb)); !library) return library.error();
  return Writing(socket, cancel, verb, packed).run();
}

Result<WriteOutcome> delete_flows(Socket& socket, const Cancel* cancel,
                                  std::span<const PackedTuple> tuples) {
  // So many flows are read and then deleted, with nothing else in between.
  constexpr std::size_t window = 16;
  const bool reads = std::ranges::any_of(
      tuples, [](const PackedTuple& tuple) { return (tuple.flags & kTupleHasStart) != 0; });
  Exchange exchange(socket, cancel, operation::kDelete);
  WriteOutcome outcome;
  if (!reads) {
    std::size_t at = 0;
    auto done = run_batches(
        exchange, cancel, operation::kDelete, exchange.window(1), outcome,
        [&]() -> Result<bool> {
          if (at == tuples.size()) return false;
          auto built = append_delete(tuples[at++], 0, exchange.next(), exchange.batch());
          if (!built) return built.error();
          return true;
        },
        [](std::size_t) -> Result<void> { return {}; });
    if (!done) return done.error();
    return outcome;
  }
  // For a deletion the kernel compares the id, but not the start: that is read directly before.
  outcome.codes.assign(tuples.size(), ENOENT);
  const std::size_t step = std::min(window, exchange.window(2));
  for (std::size_t at = 0; at < tuples.size(); at += step) {
    const auto part = tuples.subspan(at, std::min(step, tuples.size() - at));
    std::vector<PackedTuple> meant;
    std::vector<std::size_t> indexes;
    auto read = read_flows(exchange, TupleVerb::kGet, part, [&](std::size_t i, const Row* row) {
      if (row == nullptr) {
        outcome.refuse(at + i, EBADMSG, "malformed answer");
      } else if (is_meant(part[i], *row)) {
        PackedTuple tuple = part[i];
        tuple.id = row->id;
        if (row->have(has::id)) tuple.flags |= kTupleHasId;
        meant.push_back(tuple);
        indexes.push_back(at + i);
      }
    });
    if (!read) return read.error();
    if (meant.empty()) continue;
    for (std::size_t i = 0; i < meant.size(); i++) {
      auto built = append_delete(meant[i], 0, exchange.next(), exchange.batch());
      if (!built) return built.error();
      outcome.codes[indexes[i]] = 0;
    }
    auto done = exchange.run([&](std::size_t index, int code, const std::string& text) {
      outcome.refuse(indexes[index], code, text);
    });
    if (!done) return done.error();
  }
  return outcome;
}

}  // namespace nf::ct
