// Opening and closing handles; cancel cells.
#include "napi/conntrack_handle.h"

#include <errno.h>

#include <algorithm>

#include "core/meeting.h"
#include "core/operation.h"
#include "core/thread.h"
#include "napi/exports.h"
#include "napi/external.h"

namespace nf::js {
namespace {

constexpr std::size_t kCommandBuffer = std::size_t{1} << 20;
constexpr std::int64_t kMaxBuffer = std::int64_t{1} << 30;

// open(path | null, receiveBuffer) → handle
Napi::Value open_handle(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const bool named = !info[0].IsNull();
  const std::string path = named ? text_of(info[0]) : std::string();
  const std::size_t buffer =
      info[1].IsNull()
          ? kCommandBuffer
          : static_cast<std::size_t>(std::clamp<std::int64_t>(i64_of(info[1]), 0, kMaxBuffer));
  if (bad_arguments(env)) return env.Undefined();
  auto netns = named ? Netns::at(path) : Netns::current();
  if (!netns) {
    throw_failure(env, netns.error());
    return env.Undefined();
  }
  auto handle = std::make_shared<Handle>(std::move(*netns), buffer);
  if (named) {
    // This shows now, and not in the first operation, whether the namespace may be entered.
    if (auto opened = handle->open_sync(operation::kOpen); !opened) {
      throw_failure(env, opened.error());
      return env.Undefined();
    }
  }
  return wrap(env, std::move(handle), Kind::kHandle);
}

Napi::Value close_handle(const Napi::CallbackInfo& info) {
  if (auto handle = handle_of(info)) handle->close();
  return info.Env().Undefined();
}

// ctTable(handle) → a text that tells the handle's table from others
Napi::Value table_of(const Napi::CallbackInfo& info) {
  const auto handle = handle_of(info);
  if (handle == nullptr) return info.Env().Undefined();
  return Napi::String::New(info.Env(), handle->netns().key());
}

Napi::Value make_cancel(const Napi::CallbackInfo& info) {
  return wrap(info.Env(), std::make_shared<Cancel>(), Kind::kCancel);
}

Napi::Value raise_cancel(const Napi::CallbackInfo& info) {
  if (auto cancel = unwrap<Cancel>(info[0], Kind::kCancel, "not a cancel cell")) cancel->raise();
  return info.Env().Undefined();
}

}  // namespace

Netns Handle::netns() const {
  const std::lock_guard lock(mutex_);
  return netns_;
}

Result<Socket> Handle::open_socket(const char* operation) const {
  if (auto entered = netns().enter(operation); !entered) return entered.error();
  auto socket = Socket::open(operation);
  if (!socket) return socket;
  socket->set_receive_buffer(receive_buffer_);
  return socket;
}

Result<void> Handle::open_sync(const char* operation) {
  const Netns wanted = netns();
  Result<Socket> socket = fail(0, operation);
  if (wanted.holds_calling_thread()) {
    socket = Socket::open(operation);
  } else {
    // The calling thread belongs to Node: another namespace is entered on a thread made for that.
    auto done = Thread::run_to_end("conntrack-open", [&]() -> Result<void> {
      if (auto entered = wanted.enter(operation); !entered) return entered;
      socket = Socket::open(operation);
      return {};
    });
    if (!done) return done.error();
  }
  if (!socket) return socket.error();
  sync = std::move(*socket);
  return {};
}

Result<Socket> Handle::take(const char* operation) {
  NF_MEETING(handle);
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      Socket socket = std::move(free_.back());
      free_.pop_back();
      return socket;
    }
  }
  return open_socket(operation);
}

void Handle::give_back(Socket socket) {
  const std::lock_guard lock(mutex_);
  if (!closed_ && free_.size() < kFree) free_.push_back(std::move(socket));
}

void Handle::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  free_.clear();
  netns_.reset();
  sync = Socket();
}

std::shared_ptr<Handle> handle_of(const Napi::CallbackInfo& info) {
  return unwrap<Handle>(info[0], Kind::kHandle, "not a conntrack handle");
}

std::shared_ptr<Cancel> cancel_of(const Napi::Value& value) {
  if (value.IsUndefined() || value.IsNull()) return std::make_shared<Cancel>();
  return unwrap<Cancel>(value, Kind::kCancel, "not a cancel cell");
}

void export_handle(Napi::Object exports) {
  export_function<open_handle>(exports, "ctOpen", operation::kOpen);
  export_function<close_handle>(exports, "ctClose", operation::kClose);
  export_function<make_cancel>(exports, "cancelCell", "conntrack");
  export_function<raise_cancel>(exports, "cancel", "conntrack");
  export_function<table_of>(exports, "ctTable", operation::kOpen);
}

}  // namespace nf::js
