// Reads a flow, changes it, and reads again what the kernel may have dropped.
#include "core/conntrack/change/change.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "core/conntrack/dump/lookup.h"
#include "core/conntrack/request/tuple_request.h"
#include "core/operation.h"

namespace nf::ct {
namespace {

// The kernel refuses an older status (EBUSY) if the flow's seen_reply or assured bit was set since
// it was read. Such a flow is read and tried again. This ends: the kernel never clears the bits.
constexpr int kAttempts = 4;

class OneChange {
 public:
  OneChange(Socket& socket, const Cancel* cancel, const PackedTuple& tuple,
            std::span<const std::uint8_t> fields)
      : exchange_(socket, cancel, operation::kUpdate), tuple_(tuple), change_(fields) {}

  Result<bool> run() {
    constexpr std::uint8_t identity = kTupleHasId | kTupleHasStart;
    const bool reads = change_.has_status() || (tuple_.flags & identity) != 0;
    for (int attempt = 1;; attempt++) {
      std::uint32_t status = 0;
      if (reads) {
        bool broken = false;
        bool meant = false;
        auto found = read([&](const Row* row) {
          broken = row == nullptr;
          if (broken) return;
          status = row->status;
          meant = is_meant(tuple_, *row);
        });
        if (!found) return found.error();
        if (broken) return fail(EBADMSG, operation::kUpdate, "malformed answer");
        if (!meant) return false;
      }
      int code = 0;
      std::string text;
      auto sent = send(status, code, text);
      if (!sent) return sent.error();
      if (code == ENOENT) return false;
      if (code == EBUSY && change_.has_status() && attempt < kAttempts) continue;
      if (code != 0) return fail(code, operation::kUpdate, text);
      break;
    }
    return was_kept();
  }

 private:
  // `each` gets the flow, or nullptr if the answer cannot be read. It is not called if there is no
  // such flow.
  template <typename Each>
  Result<bool> read(const Each& each) {
    bool found = false;
    auto done =
        read_flows(exchange_, TupleVerb::kGet, {&tuple_, 1}, [&](std::size_t, const Row* row) {
          found = true;
          each(row);
        });
    if (!done) return done.error();
    return found;
  }

  Result<void> send(std::uint32_t status, int& code, std::string& text) {
    auto built = change_.append(tuple_, status, exchange_.next(), exchange_.batch());
    if (!built) return built;
    return exchange_.run([&](std::size_t, int refused, const std::string& why) {
      code = refused;
      text = why;
    });
  }

  Result<bool> was_kept() {
    if (!change_.asked().to_read()) return true;
    Missing missing;
    auto found = read([&](const Row* row) { missing = missing_of(change_.asked(), row); });
    if (!found) return found;
    if (missing.code != 0) return fail(missing.code, operation::kUpdate, missing.text);
    return true;
  }

  Exchange exchange_;
  PackedTuple tuple_;
  Change change_;
};

}  // namespace

Change::Change(std::span<const std::uint8_t> fields) : fields_(fields), asked_(asked_of(fields)) {
  has_status_ = find_u32(fields, Field::status, status_);
  // For an existing flow the kernel itself reports that there is no room for labels. And a change
  // may also remove labels.
  asked_.labels = false;
}

Result<void> Change::append(const PackedTuple& tuple, std::uint32_t status, std::uint32_t sequence,
                            MessageBuilder& batch) {
  const std::uint32_t key =
      static_cast<std::uint32_t>(tuple.family) << 8 | static_cast<std::uint32_t>(tuple.protocol);
  auto found = attributes_.find(key);
  if (found == attributes_.end()) {
    auto built = change_attributes(fields_, tuple.family, tuple.protocol);
    if (!built) return built.error();
    found = attributes_.emplace(key, std::move(*built)).first;
  }
  auto built = append_tuple_request(TupleVerb::kUpdate, tuple, sequence, batch);
  if (!built) return built;
  batch.raw(found->second);
  if (has_status_) batch.be32(CTA_STATUS, status | status_);
  batch.end();
  return {};
}

Result<bool> change_flow(Socket& socket, const Cancel* cancel, const PackedTuple& tuple,
                         std::span<const std::uint8_t> fields) {
  if (auto library = require_nfct(operation::kUpdate); !library) return library.error();
  return OneChange(socket, cancel, tuple, fields).run();
}

}  // namespace nf::ct
