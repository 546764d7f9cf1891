// dumpBatches: a dump on a thread of its own that runs at most two batches ahead of its reader, so
// memory is bounded whatever the size of the table. While the reader is slow the kernel's dump
// waits.
//
// Lifetime: the thread keeps the stream alive while it runs, JavaScript's value keeps it otherwise.
// The value's finalizer raises the Cancel and nothing else (it may run after the environment's
// teardown, when the thread has been joined already). What ends the thread: the end of the table,
// an error, the Cancel. Its descriptors are closed before anybody can learn that it has ended.
#include <errno.h>

#include <algorithm>
#include <deque>

#include "core/conntrack/dump/dump.h"
#include "core/meeting.h"
#include "napi/batch.h"
#include "napi/conntrack.h"
#include "napi/conntrack_handle.h"
#include "napi/dump_request.h"
#include "napi/exports.h"
#include "napi/external.h"

namespace nf::js {
namespace {

constexpr std::size_t kReadyBatches = 2;
// Bytes of batches that nobody may be reading any more.
constexpr std::size_t kHeld = std::size_t{8} << 20;

class DumpStream final : public ct::RowSink, public std::enable_shared_from_this<DumpStream> {
 public:
  DumpStream(Environment& environment, std::shared_ptr<Cancel> cancel, std::size_t batch_size)
      : environment_(environment), cancel_(std::move(cancel)), batch_size_(batch_size) {}

  // The dump's thread, or the one that decodes for it.
  bool add(const ct::Row& row) override {
    if (!writer_.add(row)) return false;
    return writer_.size() < batch_size_ || (writer_.flush() && hand_over());
  }
  bool finish() override { return writer_.flush(); }
  // `end` is what end() made, before the thread was started.
  void run(Handle& handle, const DumpOptions& options, Settlement& end) {
    auto outcome = guarded("conntrack dump", [&]() -> Result<void> {
      auto done = dump(handle, options);
      if (done.ok() && !current_.empty() && !hand_over()) {
        return fail(ECANCELED, "conntrack dump", {}, ErrorKind::kCancelled);
      }
      return done;
    });
    cancel_->retire();
    {
      const std::lock_guard lock(mutex_);
      finished_ = true;
      room_.retire();
      if (!outcome.ok()) error_.emplace(std::move(outcome.error()));
    }
    environment_.post(std::move(end));
  }
  // What tells the reader of something new.
  Settlement bell() {
    Settlement bell;
    bell.emplace_back([self = shared_from_this()](Napi::Env env) { self->settle(env); });
    return bell;
  }

  // The JS thread.
  Napi::Value next(Napi::Env env) {
    waiter_ = Deferred::make(env);
    if (!waiter_.has_value()) return env.Undefined();
    const Napi::Value pending = waiter_->promise(env);
    environment_.retain();
    settle(env);
    return pending;
  }
  bool busy() const { return waiter_.has_value(); }

 private:
  Result<void> dump(Handle& handle, const DumpOptions& options) {
    auto socket = handle.open_socket("conntrack dump");
    if (!socket) return socket.error();
    ct::DumpRequest request;
    request.filter = options.filter.get();
    request.list = options.list;
    request.ahead = true;
    return ct::run_dump(*socket, request, *cancel_, *this, stats_);
  }

  // Waits for room, then makes the batch available.
  bool hand_over() {
    Settlement told = bell();
    NF_MEETING(dump_stream);
    for (;;) {
      if (cancel_->raised()) return false;
      {
        const std::lock_guard lock(mutex_);
        if (ready_.size() < kReadyBatches) {
          ready_.push_back({ct::Columns(batch_size_), stats_});
          std::swap(ready_.back().columns, current_);
          break;
        }
      }
      if (wait_readable(room_.fd(), cancel_.get())) room_.lower();
    }
    environment_.post(std::move(told));
    return true;
  }

  // The JS thread. Settles the pending next(), if there is one and something to settle it with. A
  // dump that was cancelled ends with that error, never with what would look like its whole.
  void settle(Napi::Env env) {
    if (!waiter_.has_value()) return;
    NF_MEETING(dump_stream);
    std::optional<Ready> ready;
    bool failed = false;
    bool cancelled = false;
    {
      const std::lock_guard lock(mutex_);
      if (!ready_.empty() && !cancel_->raised()) {
        ready.emplace(std::move(ready_.front()));
        ready_.pop_front();
        if (!finished_) room_.raise();
      } else if (!finished_) {
        return;
      } else {
        failed = error_.has_value();
        cancelled = !failed && !ready_.empty();
        ready_.clear();
      }
    }
    auto waiter = *std::exchange(waiter_, std::nullopt);
    environment_.release();
    js::settle(env, waiter, {"conntrack dump"}, [&]() -> Result<Napi::Value> {
      if (failed) return *error_;  // set for good
      if (cancelled) return fail(ECANCELED, "conntrack dump", {}, ErrorKind::kCancelled);
      if (!ready.has_value()) return Napi::Value(env.Null());
      Napi::Object result = Napi::Object::New(env);
      result.Set("stats", to_stats(env, ready->stats));
      result.Set("batch", to_batch(env, ready->columns));
      return Napi::Value(result);
    });
    if (ready.has_value()) bound_memory(env);
  }

  // Batches that the reader is done with stay until a garbage collection, and V8 sees no reason for
  // one: they would add up to the whole table. A reader that keeps them is asked ever less often.
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
  Environment& environment_;  // never in the destructor: it may be gone by then
  const std::shared_ptr<Cancel> cancel_;
  const std::size_t batch_size_;

  // The dump's thread or the one that decodes for it, never both at once.
  ct::Columns current_;
  ct::ColumnsWriter writer_{current_};
  ct::DumpStats stats_;

  std::mutex mutex_;  // of all until the next empty line
  std::deque<Ready> ready_;
  bool finished_ = false;
  std::optional<Error> error_;
  Signal room_;  // the thread waits for it without the mutex, and alone retires it

  // The JS thread only.
  std::optional<Deferred> waiter_;
  std::size_t others_ = bytes_held_by_buffers();  // at most, of what is held
  std::size_t limit_ = kHeld;
};

// The value that JavaScript holds: when it goes, the thread must not wait for a reader for ever.
class Reader {
 public:
  Reader(std::shared_ptr<DumpStream> stream, std::shared_ptr<Cancel> cancel)
      : stream_(std::move(stream)), cancel_(std::move(cancel)) {}
  ~Reader() { cancel_->raise(); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  DumpStream& stream() { return *stream_; }

 private:
  std::shared_ptr<DumpStream> stream_;
  std::shared_ptr<Cancel> cancel_;
};

// ctDumpStream(handle, cancel, options, batchSize) → stream
Napi::Value open_stream(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto cancel = cancel_of(info[1]);
  DumpOptions options;
  if (cancel == nullptr || !read_dump_options(info[2], options)) return env.Undefined();
  const std::uint32_t batch_size = u32_of(info[3]);
  if (bad_arguments(env)) return env.Undefined();
  Environment& environment = Environment::of(env);
  auto stream = std::make_shared<DumpStream>(environment, cancel, std::max(batch_size, 1U));
  auto end = std::make_shared<Settlement>(stream->bell());
  // From here on the thread ends with it, whatever fails.
  auto reader = std::make_shared<Reader>(stream, cancel);
  auto started = environment.run_alone(
      [handle, options, stream, end] { stream->run(*handle, options, *end); }, cancel);
  if (!started) {
    throw_failure(env, started.error());
    return env.Undefined();
  }
  return wrap(env, std::move(reader), Kind::kDumpStream);
}

// ctDumpNext(stream) → { batch, stats } | null
Napi::Value next(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto reader = unwrap<Reader>(info[0], Kind::kDumpStream, "not a dump stream");
  if (reader == nullptr) return env.Undefined();
  if (reader->stream().busy()) {
    throw_error(env, "next() is pending");
    return env.Undefined();
  }
  return reader->stream().next(env);
}

}  // namespace

void export_dump_stream(Napi::Object exports) {
  export_function<open_stream>(exports, "ctDumpStream", "conntrack dump");
  export_function<next>(exports, "ctDumpNext", "conntrack dump");
}

}  // namespace nf::js
