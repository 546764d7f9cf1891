// Waiting that a Cancel ends.
#include "core/cancel.h"

#include <poll.h>

namespace nf {

bool wait_readable(int fd, const Cancel* cancel) {
  const int stop = cancel == nullptr ? -1 : cancel->fd();
  // Nothing would wake a sleep without descriptors: it is short then.
  const bool blind = fd < 0 || (cancel != nullptr && stop < 0);
  pollfd waits[2] = {{fd, POLLIN, 0}, {stop, POLLIN, 0}};
  return ::poll(waits, 2, blind ? kBlindSleep : -1) > 0 && waits[0].revents != 0;
}

}  // namespace nf
