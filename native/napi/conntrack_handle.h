// The native side of a Conntrack: a network namespace and the command sockets opened in it.
#pragma once

#include <napi.h>

#include <memory>
#include <mutex>
#include <vector>

#include "core/cancel.h"
#include "core/netlink/message.h"
#include "core/netlink/socket.h"
#include "core/netns.h"
#include "napi/promise.h"

namespace nf::js {

// Shared between the JavaScript object and the work under way; sockets close with the last of them.
class Handle {
 public:
  explicit Handle(Netns netns, std::size_t receive_buffer)
      : receive_buffer_(receive_buffer), netns_(std::move(netns)) {
    free_.reserve(kFree);  // giving back comes after the work: it must not fail then
  }

  // A reference that belongs to the caller. After close() it is empty, and nobody can enter it.
  Netns netns() const;
  // A socket in the handle's namespace for the calling pooled thread, which may change namespace.
  Result<Socket> open_socket(const char* operation) const;
  // JS thread: opens `sync` in the handle's namespace without ever changing the calling thread's.
  Result<void> open_sync(const char* operation);
  // A command socket: one that was given back, or a new one.
  Result<Socket> take(const char* operation);
  // Only after every answer has been read. If something failed on a socket, drop it instead.
  void give_back(Socket socket);
  // Closes all descriptors except those of work under way, which close when it ends.
  void close();

  // For getSync, on the JS thread only.
  Socket sync;
  MessageBuilder sync_request;
  std::unique_ptr<std::uint8_t[]> sync_buffer;

 private:
  static constexpr std::size_t kFree = 4;  // sockets kept for the next operation

  const std::size_t receive_buffer_;
  mutable std::mutex mutex_;  // of all below
  Netns netns_;
  std::vector<Socket> free_;
  bool closed_ = false;
};

// Runs `work(socket)` on a command socket of the handle.
template <typename Work>
auto with_command_socket(Handle& handle, const char* operation, Work work)
    -> decltype(work(std::declval<Socket&>())) {
  auto socket = handle.take(operation);
  if (!socket) return socket.error();
  auto result = work(*socket);
  if (result.ok()) handle.give_back(std::move(*socket));
  return result;
}

// Argument 0 of a call; null (and an exception pending) when it is no handle.
std::shared_ptr<Handle> handle_of(const Napi::CallbackInfo& info);
// A cancel cell argument; never null.
std::shared_ptr<Cancel> cancel_of(const Napi::Value& value);

void export_handle(Napi::Object exports);

}  // namespace nf::js
