// Which namespaces the ids mean that mark the messages of other network namespaces. An id belongs
// to one namespace as long as that exists; after that another can get it. The kernel reports when
// an id becomes free, so what was found out is right until then.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "core/netlink/requesters.h"
#include "core/netlink/socket.h"

namespace nf {

class Peers {
 public:
  // Opens its socket in the namespace of the calling thread. Call it before the first message can
  // come. If that fails, no id is ever known.
  void open(const char* operation);

  // Before a receive: takes the kernel's reports of ids that became free.
  void before_receive();
  // The receive took all that there was. Messages that come later have the ids of today.
  void drained();
  // Whether a message with this id is of this namespace. Empty if that cannot be known: no socket
  // is open in the namespace, or the id was another's while the message may have waited.
  std::optional<bool> is(std::int32_t nsid, NetnsKey netns);
  // Reports were lost, or there was no memory for them: nothing is known until all was taken.
  void lose_all();

 private:
  std::optional<std::int32_t> ask(int netns);
  void take(const MessageView& message);

  Socket socket_;
  const char* operation_ = "";
  std::unordered_map<std::int32_t, NetnsKey> known_;
  // Ids that became free: reported before the receive that is being read, and after it.
  std::unordered_set<std::int32_t> doubted_;
  std::unordered_set<std::int32_t> fresh_;
  bool lost_ = false;  // every id is in doubt
};

}  // namespace nf
