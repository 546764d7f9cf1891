// The two socket options that read a table.
#include "core/legacy/fetch.h"

#include <errno.h>
#include <sys/socket.h>

#include "core/fd.h"

namespace nf::xt {
namespace {

// A table that changes while it is fetched is asked for again.
constexpr int kAttempts = 16;

}  // namespace

Result<ipt_getinfo> fetch_table(const Layout& layout, const std::string& table,
                                const FetchOptions& options, const MakeRoom& make_room) {
  ipt_getinfo info{};
  if (table.empty() || table.size() >= sizeof info.name) {
    return read_error(layout, table, EINVAL, "not a table's name");
  }
  // Any socket of the family takes the options (nf_sockopt.c). This one needs no CAP_NET_RAW.
  const Fd fd(::socket(layout.family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return read_error(layout, table, errno);
  const auto ask = [&](ipt_getinfo& out) {
    out = {};
    std::memcpy(out.name, table.data(), table.size());
    socklen_t size = sizeof out;
    return ::getsockopt(fd.get(), layout.level, layout.get_info, &out, &size) == 0;
  };
  if (!ask(info)) return read_error(layout, table, errno);
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    if (options.cancel != nullptr && options.cancel->raised()) {
      Error cancelled = read_error(layout, table, ECANCELED);
      cancelled.kind = ErrorKind::kCancelled;
      return cancelled;
    }
    if (!is_plausible(layout, info)) return read_error(layout, table, EBADMSG, kTooManyEntries);
    std::uint8_t* const memory = make_room(info);
    if (memory == nullptr) return read_error(layout, table, ENOMEM);
    auto* request = reinterpret_cast<ipt_get_entries*>(memory);
    std::memset(request, 0, kRequestSize);
    std::memcpy(request->name, table.data(), table.size());
    request->size = info.size;
    auto size = static_cast<socklen_t>(kRequestSize + info.size);
    const bool fetched =
        ::getsockopt(fd.get(), layout.level, layout.get_entries, request, &size) == 0;
    if (!fetched && errno != EAGAIN) return read_error(layout, table, errno);
    if (fetched && !options.confirmed) return info;
    ipt_getinfo now{};
    if (!ask(now)) return read_error(layout, table, errno);
    if (fetched && std::memcmp(&now, &info, sizeof info) == 0) return info;
    info = now;
  }
  return read_error(layout, table, EAGAIN, "the table changes all the time");
}

Result<RawTable> read_raw(const Layout& layout, const std::string& table, const Cancel* cancel) {
  RawTable raw;
  auto info = fetch_table(layout, table, {cancel, true}, [&](const ipt_getinfo& wanted) {
    return raw.memory.resize(kRequestSize + wanted.size) ? raw.memory.data() : nullptr;
  });
  if (!info) return info.error();
  raw.info = *info;
  return raw;
}

}  // namespace nf::xt
