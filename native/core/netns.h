// Network namespaces: a reference to one, and entering it on a thread that does nothing else.
// Only threads made for one piece of work call enter(): a thread that Node or libuv owns never
// does.
#pragma once

#include <memory>
#include <string>

#include "core/fd.h"
#include "core/result.h"

namespace nf {

class Netns {
 public:
  // The namespace that the calling thread is in.
  static Result<Netns> current();
  // A file that names a namespace: /run/netns/NAME, /proc/PID/ns/net.
  static Result<Netns> at(const std::string& path);

  // Moves the calling thread into the namespace. Does nothing if it is there already. If the
  // reference was given up, the operation counts as cancelled.
  Result<void> enter(const char* operation) const;
  bool holds_calling_thread() const;
  // A key that no other namespace has at the same time. Empty after reset().
  std::string key() const;
  // Whether enter() has ever moved the calling thread: it keeps that namespace alive until it ends.
  static bool calling_thread_moved();

  // Gives the reference up. Copies keep theirs: a thread that is about to enter is not disturbed.
  void reset() { fd_.reset(); }

 private:
  explicit Netns(Fd fd) : fd_(std::make_shared<const Fd>(std::move(fd))) {}
  std::shared_ptr<const Fd> fd_;
};

}  // namespace nf
