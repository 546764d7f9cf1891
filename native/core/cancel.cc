// Waiting that a Cancel ends.
#include "core/cancel.h"

#include <poll.h>

namespace nf {

bool wait_readable(int fd, const Cancel* cancel, int limit) {
  const int stop = cancel == nullptr ? -1 : cancel->fd();
  // Nothing can wake a sleep without descriptors, so it is short.
  const bool blind = fd < 0 || (cancel != nullptr && stop < 0);
  if (blind && (limit < 0 || limit > kBlindSleep)) limit = kBlindSleep;
  pollfd waits[2] = {{fd, POLLIN, 0}, {stop, POLLIN, 0}};
  return ::poll(waits, 2, limit) > 0 && waits[0].revents != 0;
}

bool wait_readable(int fd, const Cancel* cancel) { return wait_readable(fd, cancel, -1); }

}  // namespace nf
