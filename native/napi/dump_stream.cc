// dumpBatches: a dump on a thread of its own that runs at most two batches ahead of its reader, so
// memory is bounded whatever the size of the table. While the reader is slow the kernel's dump
// waits.
#include <poll.h>

#include <deque>

#include "core/conntrack/dump.h"
#include "napi/conntrack.h"
#include "napi/conntrack_handle.h"
#include "napi/dump_request.h"

namespace nf::js {
namespace {

constexpr napi_type_tag kStreamTag = {0x6e667f1c4a3b4d01, 0x9c1e0a6b5d2f8e03};
constexpr std::size_t kReadyBatches = 2;

class DumpStream final : public ct::RowSink {
 public:
  DumpStream(Environment& environment, std::shared_ptr<Cancel> cancel, std::size_t batch_size)
      : environment_(environment), cancel_(std::move(cancel)), batch_size_(batch_size) {}

  // The dump's thread.
  bool add(const ct::Row& row) override {
    if (!current_.append(row)) return false;
    return current_.size() < batch_size_ || hand_over();
  }
  void run(Handle& handle, const DumpOptions& options, const std::shared_ptr<DumpStream>& self) {
    self_ = self;
    auto outcome = dump(handle, options);
    if (outcome.ok() && !current_.empty()) hand_over();
    {
      const std::lock_guard lock(mutex_);
      finished_ = true;
      if (!outcome.ok()) error_ = outcome.error();
    }
    tell();
    self_.reset();
  }

  // The JS thread.
  Napi::Value next(Napi::Env env) {
    waiter_ = std::make_unique<Napi::Promise::Deferred>(Napi::Promise::Deferred::New(env));
    const Napi::Promise pending = waiter_->Promise();
    environment_.retain();
    settle(env);
    return pending;
  }
  bool busy() const { return waiter_ != nullptr; }
  void close() { cancel_->raise(); }

 private:
  Result<void> dump(Handle& handle, const DumpOptions& options) {
    auto socket = handle.open_socket("conntrack dump");
    if (!socket) return socket.error();
    ct::DumpRequest request;
    request.filter = options.filter.get();
    request.table = options.table;
    return ct::run_dump(*socket, request, *cancel_, *this, stats_);
  }

  // Waits for room, then makes the batch available.
  bool hand_over() {
    for (;;) {
      {
        const std::lock_guard lock(mutex_);
        if (ready_.size() < kReadyBatches) {
          ready_.push_back({std::move(current_), stats_});
          current_ = ct::Columns(batch_size_);
          break;
        }
      }
      if (cancel_->raised()) return false;
      pollfd waits[2] = {{room_.fd(), POLLIN, 0}, {cancel_->fd(), POLLIN, 0}};
      if (::poll(waits, 2, -1) > 0 && (waits[0].revents & POLLIN) != 0) room_.lower();
    }
    tell();
    return true;
  }
  void tell() {
    environment_.post([self = self_](Napi::Env env) { self->settle(env); });
  }
  // Settles the pending next(), if there is one and something to settle it with.
  void settle(Napi::Env env) {
    if (waiter_ == nullptr) return;
    Ready ready;
    bool have = false;
    std::optional<Error> error;
    {
      const std::lock_guard lock(mutex_);
      if (!ready_.empty()) {
        ready = std::move(ready_.front());
        ready_.pop_front();
        have = true;
      } else if (finished_) {
        error.swap(error_);
      } else {
        return;
      }
    }
    room_.raise();
    const auto waiter = std::move(waiter_);
    environment_.release();
    if (error.has_value()) {
      waiter->Reject(to_failure(env, *error));
    } else if (!have) {
      waiter->Resolve(env.Null());
    } else {
      Napi::Object result = Napi::Object::New(env);
      result.Set("stats", to_stats(env, ready.stats));
      result.Set("batch", to_batch(env, ready.columns));
      waiter->Resolve(result);
    }
  }

  struct Ready {
    ct::Columns columns;
    ct::DumpStats stats;
  };
  Environment& environment_;
  std::shared_ptr<Cancel> cancel_;
  std::size_t batch_size_;
  ct::Columns current_;
  ct::DumpStats stats_;
  std::shared_ptr<DumpStream> self_;  // the dump's thread keeps the stream alive

  std::mutex mutex_;
  std::deque<Ready> ready_;
  bool finished_ = false;
  std::optional<Error> error_;
  Signal room_;
  std::unique_ptr<Napi::Promise::Deferred> waiter_;  // JS thread only
};

using Held = std::shared_ptr<DumpStream>;

Held stream_of(const Napi::CallbackInfo& info) {
  bool matches = false;
  if (info[0].IsExternal()) {
    napi_check_object_type_tag(info.Env(), info[0], &kStreamTag, &matches);
  }
  if (!matches) {
    Napi::TypeError::New(info.Env(), "not a dump stream").ThrowAsJavaScriptException();
    return nullptr;
  }
  return *info[0].As<Napi::External<Held>>().Data();
}

// ctDumpStream(handle, cancel, options, batchSize) → stream
Napi::Value open_stream(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto cancel = cancel_of(info[1]);
  DumpOptions options;
  if (cancel == nullptr || !read_dump_options(info[2], options)) return env.Undefined();
  Environment& environment = Environment::of(env);
  auto stream = std::make_shared<DumpStream>(environment, cancel, info[3].ToNumber().Uint32Value());
  environment.run_alone([handle, options, stream] { stream->run(*handle, options, stream); },
                        cancel);
  auto value = Napi::External<Held>::New(env, new Held(stream), [](Napi::BasicEnv, Held* held) {
    // Collected without having been read to its end: the thread must not wait for ever.
    (*held)->close();
    delete held;
  });
  napi_type_tag_object(env, value, &kStreamTag);
  return value;
}

// ctDumpNext(stream) → { batch, stats } | null
Napi::Value next(const Napi::CallbackInfo& info) {
  auto stream = stream_of(info);
  if (stream == nullptr) return info.Env().Undefined();
  if (stream->busy()) {
    Napi::Error::New(info.Env(), "next() is pending").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  return stream->next(info.Env());
}

}  // namespace

void export_dump_stream(Napi::Env env, Napi::Object exports) {
  exports.Set("ctDumpStream", Napi::Function::New<open_stream>(env));
  exports.Set("ctDumpNext", Napi::Function::New<next>(env));
}

}  // namespace nf::js
