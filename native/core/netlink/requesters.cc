// The list of requesters.
#include "core/netlink/requesters.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "core/meeting.h"

namespace nf {
namespace {

// Headers of older systems do not have them. They are the same on x86 and ARM.
constexpr int kNetnsCookie = 71;             // SO_NETNS_COOKIE
constexpr unsigned long kGetNetns = 0x894c;  // SIOCGSKNS
constexpr std::uint64_t kNone = ~std::uint64_t{0};
constexpr NetnsKey kInode = NetnsKey{1} << 63;  // an inode, and no cookie

}  // namespace

// Never destroyed: sockets of static objects may outlive it otherwise.
class RequesterList {
 public:
  static RequesterList& instance() {
    static auto* const list = new RequesterList;
    return *list;
  }

  void enter(NetnsKey netns, std::uint32_t port, int fd) {
    NF_MEETING(requesters);
    const std::lock_guard lock(mutex_);
    open_.push_back({{netns, port}, fd});
    version_++;
  }
  void leave(NetnsKey netns, std::uint32_t port) {
    NF_MEETING(requesters);
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(open_.begin(), open_.end(), [&](const Open& one) {
      return one.name.netns == netns && one.name.port == port;
    });
    if (found == open_.end()) return;
    *found = open_.back();
    open_.pop_back();
    if (views_.empty() || !remember({netns, port})) version_++;
  }

  void add(RequesterView& view) {
    const std::lock_guard lock(mutex_);
    closed_.resize(RequesterView::kMostClosed);
    views_.push_back(&view);
    view.passed_ = closed_count_.load();
  }
  void remove(RequesterView& view) {
    const std::lock_guard lock(mutex_);
    std::erase(views_, &view);
    forget();
  }
  void pass(RequesterView& view, std::uint64_t count) {
    const std::lock_guard lock(mutex_);
    view.passed_ = count;
    forget();
  }

  std::uint64_t closed() const { return closed_count_.load(); }
  std::uint64_t version() const { return version_.load(); }
  // Returns the version of the copy.
  std::uint64_t copy(std::vector<RequesterPort>& out) {
    NF_MEETING(requesters);
    const std::lock_guard lock(mutex_);
    out.clear();
    for (const Open& one : open_) out.push_back(one.name);
    const std::uint64_t count = closed_count_.load();
    for (std::uint64_t i = count - kept_; i < count; i++) {
      out.push_back(closed_[i % RequesterView::kMostClosed]);
    }
    std::sort(out.begin(), out.end(),
              [](const RequesterPort& a, const RequesterPort& b) { return a.port < b.port; });
    return version_.load();
  }

  Fd open_namespace(NetnsKey netns) {
    const std::lock_guard lock(mutex_);  // the descriptor stays open meanwhile
    const auto found = std::find_if(open_.begin(), open_.end(),
                                    [&](const Open& one) { return one.name.netns == netns; });
    return found == open_.end() ? Fd() : Fd(::ioctl(found->fd, kGetNetns));
  }

 private:
  struct Open {
    RequesterPort name;
    int fd;
  };

  // Takes no memory: a socket is closed. False: an older one had to be forgotten.
  bool remember(RequesterPort port) {
    closed_[closed_count_++ % RequesterView::kMostClosed] = port;
    kept_++;
    if (kept_ <= RequesterView::kMostClosed) return true;
    kept_--;
    return false;
  }
  // Forgets those that every view has passed.
  void forget() {
    std::uint64_t passed = closed_count_.load();
    for (const RequesterView* view : views_) passed = std::min(passed, view->passed_);
    const std::uint64_t kept = closed_count_.load() - passed;
    if (kept_ <= kept) return;
    kept_ = kept;
    version_++;
  }

  std::mutex mutex_;  // of all below; the two numbers are also read without it
  std::vector<Open> open_;
  std::vector<RequesterPort>
      closed_;  // a ring: the latest ones are the last `kept_` before the count
  std::uint64_t kept_ = 0;
  std::vector<RequesterView*> views_;
  std::atomic<std::uint64_t> closed_count_{0};  // of all times
  std::atomic<std::uint64_t> version_{0};
};

NetnsKey netns_key(int socket) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (::getsockopt(socket, SOL_SOCKET, kNetnsCookie, &cookie, &size) == 0) return cookie;
  struct stat here {};
  return ::stat("/proc/thread-self/ns/net", &here) == 0 ? kInode | here.st_ino : 0;
}

Requester::Requester(Requester&& other) noexcept
    : netns_(std::exchange(other.netns_, 0)), port_(std::exchange(other.port_, 0)) {}

void Requester::enter(NetnsKey netns, std::uint32_t port, int fd) {
  RequesterList::instance().enter(netns, port, fd);
  netns_ = netns;
  port_ = port;
}

void Requester::leave() {
  if (port_ == 0) return;
  RequesterList::instance().leave(netns_, std::exchange(port_, 0));
}

RequesterView::RequesterView(bool forever) : forever_(forever) {
  RequesterList::instance().add(*this);
}

RequesterView::~RequesterView() { RequesterList::instance().remove(*this); }

void RequesterView::before_receive() { before_ = RequesterList::instance().closed(); }

bool RequesterView::refresh() {
  RequesterList& list = RequesterList::instance();
  // The kernel sent the event while its requester was in the list already: this number is not
  // older.
  if (list.version() == version_) return false;
  version_ = kNone;  // if there is no memory for the copy
  version_ = list.copy(ports_);
  return true;
}

void RequesterView::drained() {
  if (!forever_ && before_ != passed_) RequesterList::instance().pass(*this, before_);
}

Fd requester_namespace(NetnsKey netns) { return RequesterList::instance().open_namespace(netns); }

}  // namespace nf
