// Batched writes.
#include "core/conntrack/write.h"

#include <errno.h>

#include <cstring>

#include "core/conntrack/plain_request.h"
#include "core/conntrack/tuple_request.h"

namespace nf::ct {
namespace {

// Fills batches by `append(sequence, batch)` until it returns false, and records each outcome.
template <typename Append>
Result<void> run_batches(Socket& socket, const Cancel* cancel, const char* operation,
                         WriteOutcome& outcome, const Append& append) {
  Exchange exchange(socket, cancel, operation);
  const std::size_t window = exchange.window(1);
  MessageBuilder batch;
  bool more = true;
  while (more) {
    if (cancel != nullptr && cancel->raised()) {
      return fail(ECANCELED, operation, {}, ErrorKind::kCancelled);
    }
    batch.clear();
    const std::size_t base = outcome.codes.size();
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    while (batch.count() < window) {
      const std::uint32_t sequence = exchange.sequence();
      Result<bool> appended = append(sequence, batch);
      if (!appended) return appended.error();
      more = *appended;
      if (!more) break;
      if (batch.count() == 1) first = sequence;
      last = sequence;
      outcome.codes.push_back(0);
    }
    if (batch.count() == 0) return {};
    auto done = exchange.run(
        batch, first, last, [](const MessageView&) {},
        [&](std::uint32_t sequence, int code, const std::string& text) {
          const std::size_t index = base + (sequence - first);
          outcome.codes[index] = code;
          if (!text.empty()) outcome.texts.emplace_back(static_cast<std::uint32_t>(index), text);
        });
    if (!done) return done.error();
  }
  return {};
}

}  // namespace

Result<WriteOutcome> write_flows(Socket& socket, const Cancel* cancel, WriteVerb verb,
                                 std::span<const std::uint8_t> packed) {
  const char* operation = verb == WriteVerb::kCreate ? "conntrack create" : "conntrack update";
  if (auto library = require_nfct(operation); !library) return library.error();
  WriteOutcome outcome;
  auto done = run_batches(socket, cancel, operation, outcome,
                          [&](std::uint32_t sequence, MessageBuilder& batch) -> Result<bool> {
                            std::uint32_t size = 0;
                            if (packed.empty()) return false;
                            if (packed.size() < sizeof size)
                              return fail(EINVAL, operation, "packed flow");
                            std::memcpy(&size, packed.data(), sizeof size);
                            packed = packed.subspan(sizeof size);
                            if (size > packed.size()) return fail(EINVAL, operation, "packed flow");
                            const auto fields = packed.first(size);
                            packed = packed.subspan(size);
                            if (append_plain_flow(verb, fields, sequence, batch)) return true;
                            auto built = append_flow(verb, fields, 0, sequence, batch);
                            if (!built) return built.error();
                            return true;
                          });
  if (!done) return done.error();
  return outcome;
}

Result<WriteOutcome> delete_flows(Socket& socket, const Cancel* cancel,
                                  std::span<const PackedTuple> tuples) {
  WriteOutcome outcome;
  std::size_t at = 0;
  auto done = run_batches(socket, cancel, "conntrack delete", outcome,
                          [&](std::uint32_t sequence, MessageBuilder& batch) -> Result<bool> {
                            if (at == tuples.size()) return false;
                            auto built = append_tuple_request(TupleVerb::kDelete, tuples[at++], 0,
                                                              sequence, batch);
                            if (!built) return built.error();
                            return true;
                          });
  if (!done) return done.error();
  return outcome;
}

}  // namespace nf::ct
