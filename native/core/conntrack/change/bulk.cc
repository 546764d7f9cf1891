// Deleting and updating by filter.
#include "core/conntrack/change/bulk.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <optional>
#include <vector>

#include "core/conntrack/change/change.h"
#include "core/conntrack/decode/parse.h"
#include "core/conntrack/dump/lookup.h"
#include "core/conntrack/request/tuple_request.h"
#include "core/operation.h"

namespace nf::ct {
namespace {

constexpr std::uint16_t kDelete = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;

// A sink that collects the matches of a chunk and works on them when the chunk ends. What a dump
// shows may be old: the kernel builds one chunk ahead, and if few flows match, a chunk takes the
// walk over the whole table. So each flow is read again right before it is changed, a few flows at
// a time. A flow that does not match any more is left alone.
class ChunkSink : public RowSink {
 public:
  bool add(const Row& row) final {
    chunk_.push_back(pack_tuple(row));
    return true;
  }
  bool end_of_chunk() final {
    bool ok = true;
    for (std::size_t at = 0; at < chunk_.size() && ok; at += window_) {
      if (cancel_.raised()) return stop(fail(ECANCELED, operation_, {}, ErrorKind::kCancelled));
      const std::span<const PackedTuple> left = std::span(chunk_).subspan(at);
      const auto window = left.first(std::min(window_, left.size()));
      tuples_.assign(window.begin(), window.end());
      ok = work();
    }
    chunk_.clear();
    return ok;
  }
  BulkStats stats;
  std::optional<Error> error;

 protected:
  // So many flows of the smallest size fit into one datagram.
  static constexpr std::size_t kChunkRows = 256;
  // So many flows are read and then changed, with nothing else in between: it takes some fifty
  // microseconds. More would save little, because enough flows share the cost of a send by then.
  static constexpr std::size_t kWindow = 16;

  // The kernel answers at once, so a cancellation is looked at only between two windows. The
  // outcome of all that was sent is known then.
  ChunkSink(Socket& socket, const Filter& filter, const Cancel& cancel, const char* operation)
      : exchange_(socket, nullptr, operation),
        operation_(operation),
        filter_(filter),
        cancel_(cancel),
        window_(std::min(kWindow, exchange_.window(2))) {
    chunk_.reserve(kChunkRows);
  }

  // Works on the flows of `tuples_`. False, with `error` set, ends the whole operation.
  virtual bool work() = 0;
  bool stop(Error why) {
    if (!error) error = std::move(why);
    return false;
  }

  // Reads the flows of `tuples_` again. Those that still match stay there, with the ids that they
  // have now. `keep` is called for each of these, in order.
  template <typename Keep>
  bool read(const Keep& keep) {
    std::size_t kept = 0;
    bool without_id = false;
    auto done = read_flows(exchange_, TupleVerb::kGet, tuples_, [&](std::size_t i, const Row* row) {
      if (row == nullptr) {
        stats.dump.undecodable++;
        return;
      }
      if (!filter_.matches(*row)) return;
      without_id = without_id || !row->have(has::id);
      PackedTuple tuple = tuples_[i];
      tuple.id = row->id;
      tuple.flags |= kTupleHasId;
      tuples_[kept++] = tuple;
      keep(*row);
    });
    if (!done) return stop(done.error());
    // Without an id, nobody would notice that another flow has replaced this one.
    if (without_id) {
      return stop(fail(ENOTSUP, operation_, "the kernel gave no id", ErrorKind::kUnsupported));
    }
    stats.gone += tuples_.size() - kept;
    tuples_.resize(kept);
    return true;
  }

  std::vector<PackedTuple> tuples_;
  std::vector<PackedTuple> chunk_;
  Exchange exchange_;
  const char* operation_;

 private:
  const Filter& filter_;
  const Cancel& cancel_;
  const std::size_t window_;
};

// Deletes what the dump shows, and keeps the deleted flows if the caller wants them. A kept flow is
// as it was read directly before. If it was made while events were wanted, the kernel also reports
// its end (NLM_F_ECHO), with the final counters (nf_conntrack_ecache.c, nf_ct_ecache_ext_add).
class DeleteSink final : public ChunkSink {
 public:
  DeleteSink(Socket& socket, const Filter& filter, const Cancel& cancel, Columns* deleted)
      : ChunkSink(socket, filter, cancel, operation::kDelete), deleted_(deleted) {}

 private:
  bool work() override {
    read_ = Columns(kWindow);
    bool memory = true;
    const bool ok = read([&](const Row& row) {
      if (deleted_ != nullptr) memory = read_.append(row) && memory;
    });
    if (!ok) return false;
    if (!memory) return stop(fail(ENOMEM, operation_));
    return tuples_.empty() || remove();
  }

  bool remove() {
    const std::uint16_t flags = deleted_ != nullptr ? NLM_F_ECHO : 0;
    for (const PackedTuple& tuple : tuples_) {
      auto built = append_delete(tuple, flags, exchange_.next(), exchange_.batch());
      if (!built) return stop(built.error());
    }
    failed_.assign(tuples_.size(), false);
    echoed_.assign(tuples_.size(), false);
    Error refusal;
    auto done = exchange_.run([&](std::size_t, const MessageView& message) { echo(message); },
                              [&](std::size_t i, int code, const std::string& text) {
                                failed_[i] = true;
                                if (code == ENOENT) {
                                  stats.gone++;
                                } else if (refusal.code == 0) {
                                  refusal = fail(code, operation_, text);
                                }
                              });
    if (!done) return stop(done.error());
    for (std::size_t i = 0; i < tuples_.size(); i++) {
      if (failed_[i]) continue;
      stats.done++;
      if (deleted_ != nullptr && !deleted_->append_from(read_, i)) {
        return stop(fail(ENOMEM, operation_));
      }
    }
    return refusal.code == 0 || stop(refusal);
  }

  // The echo: a DESTROY event with sequence 0. Events come in the order of the deletions.
  void echo(const MessageView& message) {
    if (deleted_ == nullptr || message.header->nlmsg_type != kDelete) return;
    if (!parse(message.payload, message.size, row_)) return;
    for (std::size_t i = 0; i < echoed_.size(); i++) {
      if (echoed_[i] || tuples_[i].id != row_.id) continue;
      echoed_[i] = true;
      read_.merge(i, row_);
      return;
    }
  }

  Columns* deleted_;
  Columns read_;  // the flows of `tuples_`, if the caller wants them
  std::vector<bool> failed_;
  std::vector<bool> echoed_;
  Row row_;
};

class UpdateSink final : public ChunkSink {
 public:
  UpdateSink(Socket& socket, const Filter& filter, const Cancel& cancel,
             std::span<const std::uint8_t> fields)
      : ChunkSink(socket, filter, cancel, operation::kUpdate), change_(fields) {}

 private:
  // The kernel refuses an older status (EBUSY) if the flow's seen_reply or assured bit was set
  // since it was read. Such a flow is read again and tried again.
  static constexpr int kAttempts = 3;

  bool work() override {
    for (int attempt = 1; !tuples_.empty(); attempt++) {
      status_.clear();
      if (!read([&](const Row& row) { status_.push_back(row.status); })) return false;
      if (!tuples_.empty() && !send(attempt < kAttempts)) return false;
    }
    return true;
  }

  // Leaves in `tuples_` the flows to try again.
  bool send(bool again) {
    for (std::size_t i = 0; i < tuples_.size(); i++) {
      auto built = change_.append(tuples_[i], status_[i], exchange_.next(), exchange_.batch());
      if (!built) return stop(built.error());
    }
    std::vector<PackedTuple> busy;
    std::vector<bool> failed(tuples_.size(), false);
    auto done = exchange_.run([&](std::size_t i, int code, const std::string& text) {
      failed[i] = true;
      if (code == ENOENT) {
        stats.gone++;
      } else if (code == EBUSY && change_.has_status() && again) {
        busy.push_back(tuples_[i]);
      } else {
        refuse(code, text);
      }
    });
    if (!done) return stop(done.error());
    std::size_t changed = 0;
    for (std::size_t i = 0; i < tuples_.size(); i++) {
      if (!failed[i]) tuples_[changed++] = tuples_[i];
    }
    tuples_.resize(changed);
    stats.done += changed;
    if (changed > 0 && change_.asked().to_read() && !look_again()) return false;
    tuples_ = std::move(busy);
    return true;
  }

  // A change that the kernel accepted and did not keep counts as refused.
  bool look_again() {
    auto done = read_flows(exchange_, TupleVerb::kGet, tuples_, [&](std::size_t, const Row* row) {
      const Missing missing = missing_of(change_.asked(), row);
      if (missing.code == 0) return;
      stats.done--;
      refuse(missing.code, missing.text);
    });
    return done.ok() || stop(done.error());
  }

  void refuse(int code, const std::string& text) {
    if (stats.refused++ == 0) stats.first_refusal = fail(code, operation_, text);
  }

  Change change_;
  std::vector<std::uint32_t> status_;
};

// A cancellation or an error ends the work on the table. What was done until then is reported.
Result<BulkStats> run(Socket& socket, const Filter& filter, const Cancel& cancel, ChunkSink& sink) {
  DumpRequest request;
  request.filter = &filter;
  auto done = run_dump(socket, request, cancel, sink, sink.stats.dump);
  if (!sink.error && done) return std::move(sink.stats);
  Error error = sink.error ? *sink.error : done.error();
  if (error.kind == ErrorKind::kCancelled) {
    sink.stats.cancelled = true;
    return std::move(sink.stats);
  }
  if (sink.stats.done > 0) {
    if (!error.detail.empty()) error.detail += "; ";
    error.detail += "after " + std::to_string(sink.stats.done) + " flows were done";
  }
  return error;
}

}  // namespace

Result<BulkStats> delete_where(BulkSockets sockets, const Filter& filter, const Cancel& cancel,
                               Columns* deleted) {
  DeleteSink sink(sockets.command, filter, cancel, deleted);
  return run(sockets.dump, filter, cancel, sink);
}

Result<BulkStats> update_where(BulkSockets sockets, const Filter& filter, const Cancel& cancel,
                               std::span<const std::uint8_t> fields) {
  if (auto library = require_nfct(operation::kUpdate); !library) return library.error();
  UpdateSink sink(sockets.command, filter, cancel, fields);
  return run(sockets.dump, filter, cancel, sink);
}

}  // namespace nf::ct
