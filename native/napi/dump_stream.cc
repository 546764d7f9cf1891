// dumpBatches: a dump on a thread of its own that runs at most two batches ahead of its reader, so
// memory is bounded whatever the size of the table. While the reader is slow the kernel's dump
// waits.
#include <errno.h>

#include <algorithm>
#include <deque>

#include "core/conntrack/dump/dump.h"
#include "core/meeting.h"
#include "core/operation.h"
#include "napi/batch.h"
#include "napi/conntrack.h"
#include "napi/conntrack_handle.h"
#include "napi/dump_request.h"
#include "napi/exports.h"
#include "napi/pull.h"

namespace nf::js {
namespace {

constexpr std::size_t kReadyBatches = 2;
// The most bytes in batches that perhaps nobody reads any more.
constexpr std::size_t kHeld = std::size_t{8} << 20;

class DumpStream final : public Pull, public ct::RowSink {
 public:
  static constexpr Kind kKind = Kind::kDumpStream;
  static constexpr const char* kRefusal = "not a dump stream";

  DumpStream(Environment& environment, std::shared_ptr<Cancel> cancel,
             std::shared_ptr<Handle> handle, DumpOptions options, std::size_t batch_size)
      : Pull(environment, operation::kDump, std::move(cancel), Keeps::kWhileAwaited),
        handle_(std::move(handle)),
        options_(std::move(options)),
        batch_size_(batch_size) {}

  // The dump's thread, or the one that decodes for it.
  bool add(const ct::Row& row) override {
    if (!writer_.add(row)) return false;
    return writer_.size() < batch_size_ || (writer_.flush() && hand_over());
  }
  bool finish() override { return writer_.flush(); }

 private:
  Result<void> produce() override {
    auto socket = handle_->open_socket(operation::kDump);
    if (!socket) return socket.error();
    ct::DumpRequest request;
    request.filter = options_.filter.get();
    request.list = options_.list;
    request.ahead = true;
    auto done = ct::run_dump(*socket, request, *stop(), *this, stats_);
    if (done && !current_.empty() && !hand_over()) return cancelled();
    return done;
  }
  void close_descriptors() override {
    handle_.reset();
    stop()->retire();
    room_.retire();
  }

  // Waits for room, then makes the batch available.
  bool hand_over() {
    NF_MEETING(dump_stream);
    for (;;) {
      if (stop()->raised()) return false;
      {
        const std::lock_guard lock(mutex_);
        if (ready_.size() < kReadyBatches) {
          ready_.push_back({ct::Columns(batch_size_), stats_});
          std::swap(ready_.back().columns, current_);
          break;
        }
      }
      if (wait_readable(room_.fd(), stop().get())) room_.lower();
    }
    ring();
    return true;
  }

  // A cancelled dump ends with that error, so that nobody takes it for a whole dump.
  Taken take(Napi::Env env) override {
    NF_MEETING(dump_stream);
    std::optional<Ready> ready;
    {
      const std::lock_guard lock(mutex_);
      if (ready_.empty()) return nothing();
      if (stop()->raised()) {
        if (!finished() || failed()) return nothing();
        ready_.clear();
        return cancelled();
      }
      ready.emplace(std::move(ready_.front()));
      ready_.pop_front();
    }
    room_.raise();
    Napi::Object result = Napi::Object::New(env);
    result.Set("stats", to_stats(env, ready->stats));
    result.Set("batch", to_batch(env, ready->columns));
    bound_memory(env);
    return given(result);
  }
  static Error cancelled() { return fail(ECANCELED, operation::kDump, {}, ErrorKind::kCancelled); }

  // Batches that the reader is done with stay until a garbage collection, and V8 sees no reason for
  // one. They would add up to the whole table. If a reader keeps its batches, V8 is asked less and
  // less often.
  void bound_memory(Napi::Env env) {
    const std::size_t held = bytes_held_by_buffers();
    others_ = std::min(others_, held);
    const std::size_t ours = held - others_;
    if (ours < kHeld) limit_ = kHeld;
    if (ours < limit_) return;
    limit_ = ours + ours / 4;
    ask_for_collection(env);
  }

  struct Ready {
    ct::Columns columns;
    ct::DumpStats stats;
  };
  // The dump's thread or the one that decodes for it, never both at once.
  std::shared_ptr<Handle> handle_;
  const DumpOptions options_;
  const std::size_t batch_size_;
  ct::Columns current_;
  ct::ColumnsWriter writer_{current_};
  ct::DumpStats stats_;

  std::mutex mutex_;
  std::deque<Ready> ready_;  // guarded by the mutex
  Signal room_;              // the thread waits for it without the mutex; nobody else retires it

  // The JS thread only.
  std::size_t others_ = bytes_held_by_buffers();  // bytes that others hold, at most
  std::size_t limit_ = kHeld;
};

// ctDumpStream(handle, cancel, options, batchSize) → stream
Napi::Value open_dump(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto cancel = cancel_of(info[1]);
  DumpOptions options;
  if (cancel == nullptr || !read_dump_options(info[2], options)) return env.Undefined();
  const std::uint32_t batch_size = u32_of(info[3]);
  if (bad_arguments(env)) return env.Undefined();
  return open_puller(
      env, std::make_shared<DumpStream>(Environment::of(env), std::move(cancel), std::move(handle),
                                        std::move(options), std::max(batch_size, 1U)));
}

}  // namespace

void export_dump_stream(Napi::Object exports) {
  export_function<open_dump>(exports, "ctDumpStream", operation::kDump);
  // ctDumpNext(stream) → { batch, stats } | null | Promise of one of them
  export_function<next_of<DumpStream>>(exports, "ctDumpNext", operation::kDump);
}

}  // namespace nf::js
