// Delete and update by filter.
#include "core/conntrack/bulk.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <map>
#include <vector>

#include "core/conntrack/flow_request.h"
#include "core/conntrack/parse.h"
#include "core/conntrack/tuple_request.h"

namespace nf::ct {
namespace {

constexpr std::uint16_t kNew = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
constexpr std::uint16_t kDelete = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;

// A sink that collects the matches of a chunk and works on them when the chunk ends.
class ChunkSink : public RowSink {
 public:
  bool add(const Row& row) final { return chunk_.append(row); }
  bool end_of_chunk() final {
    bool ok = true;
    for (std::size_t at = 0; at < chunk_.size() && ok; at += window_) {
      ok = work(at, std::min(window_, chunk_.size() - at));
    }
    chunk_ = Columns(kChunkRows);
    return ok;
  }
  BulkStats stats;
  Error error;

 protected:
  // Rows of the smallest size that fit into one datagram.
  static constexpr std::size_t kChunkRows = 256;
  ChunkSink(Socket& socket, const Cancel& cancel, const char* operation, std::size_t answers)
      : exchange_(socket, &cancel, operation),
        operation_(operation),
        window_(exchange_.window(answers)) {}
  // On rows [at, at + count) of the chunk; false with `error` set to end it all.
  virtual bool work(std::size_t at, std::size_t count) = 0;
  bool stop(Error why) {
    error = std::move(why);
    return false;
  }

  Columns chunk_{kChunkRows};
  Exchange exchange_;
  const char* operation_;
  std::size_t window_;
  MessageBuilder batch_;
};

// Deletes what the dump shows, and keeps what was deleted where that is asked for. The kernel
// reports the end of a flow back (NLM_F_ECHO, its final counters with it) if the flow was made
// while events were wanted (nf_conntrack_ecache.c, nf_ct_ecache_ext_add). Of flows that have no
// such report the counters are read right before the deletion. Which of the two a table holds shows
// in the answers, so the reading is left out while every deletion is reported; a flow that then is
// not is kept as the dump showed it, a chunk ago at most.
class DeleteSink final : public ChunkSink {
 public:
  DeleteSink(Socket& socket, const Cancel& cancel, Columns* deleted)
      : ChunkSink(socket, cancel, "conntrack delete", deleted != nullptr ? 3 : 1),
        deleted_(deleted),
        reading_(deleted != nullptr) {}

 private:
  bool work(std::size_t at, std::size_t count) override {
    batch_.clear();
    at_ = at;
    const std::uint32_t stride = reading_ ? 2 : 1;
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    for (std::size_t i = 0; i < count; i++) {
      const PackedTuple tuple = tuple_of(chunk_, at + i);
      // Without an id the flow could have been replaced by another one unnoticed.
      if ((tuple.flags & kTupleHasId) == 0) {
        return stop(fail(ENOTSUP, operation_, "the kernel gave no id", ErrorKind::kUnsupported));
      }
      last = exchange_.sequence();
      if (i == 0) first = last;
      if (reading_) {
        auto get = append_tuple_request(TupleVerb::kGet, tuple, 0, last, batch_);
        if (!get) return stop(get.error());
        last = exchange_.sequence();
      }
      const std::uint16_t flags = deleted_ != nullptr ? NLM_F_ECHO : 0;
      auto built = append_tuple_request(TupleVerb::kDelete, tuple, flags, last, batch_);
      if (!built) return stop(built.error());
    }
    failed_.assign(count, false);
    candidates_.assign(count, kNoRow);
    last_ = 0;
    const std::uint64_t done_before = stats.done;
    const std::uint64_t echoed_before = stats.echoed;
    auto done = exchange_.run(
        batch_, first, last, [&](const MessageView& message) { received(message, first); },
        [&](std::uint32_t sequence, int code, const std::string& text) {
          const std::uint32_t offset = sequence - first;
          // A refused GET says nothing: its DELETE will be refused as well, or not.
          if (offset % stride != stride - 1) return;
          const std::size_t i = offset / stride;
          failed_[i] = true;
          if (code == ENOENT) {
            stats.gone++;
          } else if (error.code == 0) {
            error = fail(code, operation_, text);
          }
          drop(i);
        });
    if (!done) return stop(done.error());
    for (std::size_t i = 0; i < count; i++) {
      if (failed_[i]) continue;
      stats.done++;
      // Deleted, but neither read before nor reported: the row of the dump stands in.
      if (deleted_ != nullptr && candidates_[i] == kNoRow &&
          !deleted_->append_from(chunk_, at + i)) {
        return stop(fail(ENOMEM, operation_));
      }
    }
    if (memory_failed_) return stop(fail(ENOMEM, operation_));
    if (deleted_ != nullptr && stats.done > done_before) {
      reading_ = stats.echoed - echoed_before < stats.done - done_before;
    }
    return error.code == 0;
  }

  static constexpr std::size_t kNoRow = static_cast<std::size_t>(-1);

  void received(const MessageView& message, std::uint32_t first) {
    if (deleted_ == nullptr || !parse(message.payload, message.size, row_)) return;
    if (message.header->nlmsg_type == kNew) {
      const std::size_t i = (message.header->nlmsg_seq - first) / 2;
      if (!reading_ || i >= candidates_.size()) return;
      last_ = i;
      candidates_[i] = deleted_->size();
      if (!deleted_->append(row_)) memory_lost(i);
    } else if (message.header->nlmsg_type == kDelete) {
      echo();
    }
  }

  // The echo: a DESTROY event with sequence 0. Events come in the order of the deletions; right
  // after the answer of the GET, where there is one.
  void echo() {
    if (reading_) {
      if (last_ >= candidates_.size() || candidates_[last_] == kNoRow) return;
      if (deleted_->get<std::uint32_t>(Column::id, candidates_[last_]) != row_.id) return;
    } else {
      std::size_t i = last_;
      while (i < candidates_.size() && chunk_.get<std::uint32_t>(Column::id, at_ + i) != row_.id) {
        i++;
      }
      if (i >= candidates_.size() || candidates_[i] != kNoRow) return;
      last_ = i;
      candidates_[i] = deleted_->size();
      if (!deleted_->append_from(chunk_, at_ + i)) return memory_lost(i);
    }
    deleted_->merge(candidates_[last_], row_);
    stats.echoed++;
  }

  void memory_lost(std::size_t i) {
    candidates_[i] = kNoRow;
    memory_failed_ = true;
  }

  // The delete of flow `i` failed: what its GET read is not among the deleted.
  void drop(std::size_t i) {
    if (deleted_ == nullptr || candidates_[i] == kNoRow) return;
    // Answers come in order, so it is the last row.
    if (candidates_[i] + 1 == deleted_->size()) deleted_->pop();
    candidates_[i] = kNoRow;
  }

  Columns* deleted_;
  bool reading_;
  std::size_t at_ = 0;  // of the window in the chunk
  std::vector<bool> failed_;
  std::vector<std::size_t> candidates_;  // the row of each deletion among the deleted
  std::size_t last_ = 0;
  bool memory_failed_ = false;
  Row row_;
};

class UpdateSink final : public ChunkSink {
 public:
  UpdateSink(Socket& socket, const Cancel& cancel, std::span<const std::uint8_t> fields)
      : ChunkSink(socket, cancel, "conntrack update", 2), fields_(fields) {
    has_status_ = find_u32(fields, Field::status, status_);
  }

 private:
  // A flow whose seen_reply or assured bit came up since it was read refuses the older status
  // (EBUSY): it is read again and tried again.
  static constexpr int kAttempts = 3;

  bool work(std::size_t at, std::size_t count) override {
    std::vector<std::size_t> rows;
    std::vector<std::uint32_t> status;
    for (std::size_t i = at; i < at + count; i++) {
      rows.push_back(i);
      status.push_back(chunk_.get<std::uint32_t>(Column::status, i));
    }
    for (int attempt = 1; !rows.empty(); attempt++) {
      std::vector<std::size_t> busy;
      if (!send(rows, status, attempt == kAttempts ? nullptr : &busy)) return false;
      rows.swap(busy);
      status.assign(rows.size(), 0);
      if (!rows.empty() && !read_status(rows, status)) return false;
    }
    return true;
  }

  bool send(const std::vector<std::size_t>& rows, const std::vector<std::uint32_t>& status,
            std::vector<std::size_t>* busy) {
    batch_.clear();
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    for (std::size_t i = 0; i < rows.size(); i++) {
      last = exchange_.sequence();
      if (i == 0) first = last;
      if (!append(rows[i], status[i], last)) return false;
    }
    std::uint64_t failed = 0;
    auto done = exchange_.run(
        batch_, first, last, [](const MessageView&) {},
        [&](std::uint32_t sequence, int code, const std::string& text) {
          failed++;
          const std::size_t row = rows[sequence - first];
          if (code == ENOENT) {
            stats.gone++;
          } else if (code == EBUSY && has_status_ && busy != nullptr) {
            busy->push_back(row);
          } else {
            if (stats.refused++ == 0) stats.first_refusal = fail(code, operation_, text);
          }
        });
    if (!done) return stop(done.error());
    stats.done += rows.size() - failed;
    return true;
  }

  bool read_status(std::vector<std::size_t>& rows, std::vector<std::uint32_t>& status) {
    batch_.clear();
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    for (std::size_t i = 0; i < rows.size(); i++) {
      last = exchange_.sequence();
      if (i == 0) first = last;
      auto built =
          append_tuple_request(TupleVerb::kGet, tuple_of(chunk_, rows[i]), 0, last, batch_);
      if (!built) return stop(built.error());
    }
    std::vector<std::size_t> found;
    std::vector<std::uint32_t> now;
    auto done = exchange_.run(
        batch_, first, last,
        [&](const MessageView& message) {
          const std::size_t i = message.header->nlmsg_seq - first;
          if (message.header->nlmsg_type != kNew || i >= rows.size()) return;
          if (!parse(message.payload, message.size, row_)) return;
          if (row_.id != chunk_.get<std::uint32_t>(Column::id, rows[i])) return;
          found.push_back(rows[i]);
          now.push_back(row_.status);
        },
        [](std::uint32_t, int, const std::string&) {});
    if (!done) return stop(done.error());
    stats.gone += rows.size() - found.size();
    rows.swap(found);
    status.swap(now);
    return true;
  }

  bool append(std::size_t row, std::uint32_t status, std::uint32_t sequence) {
    const PackedTuple tuple = tuple_of(chunk_, row);
    const std::uint32_t key =
        static_cast<std::uint32_t>(tuple.family) << 8 | static_cast<std::uint32_t>(tuple.protocol);
    auto found = changes_.find(key);
    if (found == changes_.end()) {
      auto built = change_attributes(fields_, tuple.family, tuple.protocol);
      if (!built) return stop(built.error());
      found = changes_.emplace(key, std::move(*built)).first;
    }
    auto built = append_tuple_request(TupleVerb::kUpdate, tuple, 0, sequence, batch_);
    if (!built) return stop(built.error());
    batch_.raw(found->second);
    if (has_status_) batch_.be32(CTA_STATUS, status | status_);
    batch_.end();
    return true;
  }

  std::span<const std::uint8_t> fields_;
  bool has_status_ = false;
  std::uint32_t status_ = 0;
  std::map<std::uint32_t, std::vector<std::uint8_t>> changes_;
  Row row_;
};

Result<BulkStats> run(Socket& socket, const Filter& filter, const Cancel& cancel, ChunkSink& sink) {
  DumpRequest request;
  request.filter = &filter;
  auto done = run_dump(socket, request, cancel, sink, sink.stats.dump);
  if (sink.error.code != 0 || !sink.error.operation.empty()) return sink.error;
  if (!done) return done.error();
  return std::move(sink.stats);
}

}  // namespace

Result<BulkStats> delete_where(BulkSockets sockets, const Filter& filter, const Cancel& cancel,
                               Columns* deleted) {
  DeleteSink sink(sockets.command, cancel, deleted);
  return run(sockets.dump, filter, cancel, sink);
}

Result<BulkStats> update_where(BulkSockets sockets, const Filter& filter, const Cancel& cancel,
                               std::span<const std::uint8_t> fields) {
  if (auto library = require_nfct("conntrack update"); !library) return library.error();
  UpdateSink sink(sockets.command, cancel, fields);
  return run(sockets.dump, filter, cancel, sink);
}

}  // namespace nf::ct
