// Commits of nf_tables as JavaScript pulls them: a socket and a thread of their own, until a cancel
// cell is raised or the value is collected.
#include "core/nftables/commit_stream.h"
#include "core/operation.h"
#include "core/thread.h"
#include "napi/conntrack_handle.h"
#include "napi/exports.h"
#include "napi/pull.h"
#include "napi/values.h"
#include "napi/xtables.h"

namespace nf::js {
namespace {

// Commits that nobody takes.
constexpr std::size_t kMostQueued = std::size_t{64} << 20;

class NftChanges final : public Pull {
 public:
  static constexpr Kind kKind = Kind::kNftChanges;
  static constexpr const char* kRefusal = "not a stream of commits";

  NftChanges(Environment& environment, const char* operation, std::shared_ptr<Cancel> stop,
             Netns netns, Socket socket, nft::CommitReader reader)
      : Pull(environment, operation, std::move(stop), Keeps::kWhileAwaited),
        operation_(operation),
        netns_(std::move(netns)),
        socket_(std::move(socket)),
        reader_(std::move(reader)),
        queue_(kMostQueued) {}

 private:
  Result<void> produce() override {
    if (auto entered = netns_.enter(operation_); !entered) return entered;
    return nft::follow_commits(socket_, reader_, queue_, *stop(), operation_, [this] { ring(); });
  }
  void close_descriptors() override {
    socket_ = Socket();
    netns_.reset();
    stop()->retire();
  }
  // The JS thread.
  Taken take(Napi::Env env) override {
    nft::Commit commit;
    // Once it is stopped, only the end is of interest.
    if (stop()->raised() || !queue_.take(commit)) return nothing();
    return given(to_commit(env, commit));
  }
  // → { lost, generation, pid?, name?, images }
  static Napi::Value to_commit(Napi::Env env, nft::Commit& commit) {
    Napi::Object result = Napi::Object::New(env);
    result.Set("lost", commit.lost);
    result.Set("generation", commit.generation);
    if (commit.process) {
      result.Set("pid", commit.process->pid);
      result.Set("name", commit.process->name);
    }
    Napi::Array images = Napi::Array::New(env, commit.images.size());
    for (std::uint32_t i = 0; i < commit.images.size(); i++) {
      const std::size_t size = commit.images[i].size;
      images[i] = to_array_buffer(env, std::move(commit.images[i].memory), size);
    }
    result.Set("images", images);
    return result;
  }

  const char* const operation_;
  // Of the thread, once it runs.
  Netns netns_;
  Socket socket_;
  nft::CommitReader reader_;
  nft::CommitQueue queue_;
};

// nftChangesOpen(handle, cancel, family, tables, receiveBuffer) → stream. A few system calls, on a
// thread that may enter the handle's namespace; every commit after the return is caught.
Napi::Value open_changes(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto cancel = cancel_of(info[1]);
  if (cancel == nullptr) return env.Undefined();
  const std::uint32_t family = u32_of(info[2]);
  const xt::Layout* layout = xt::layout_of(static_cast<int>(std::min(family, 255U)));
  if (layout == nullptr) throw_type_error(env, "not a family");
  std::vector<const nft::BuiltinTable*> tables;
  for (const std::string& name : texts_of(info[3])) {
    const nft::BuiltinTable* table = nft::builtin_table(name);
    // iptables has no other tables. The reading of this one is refused, and says so.
    if (table != nullptr) tables.push_back(table);
  }
  const auto buffer = static_cast<std::size_t>(std::max<std::int64_t>(i64_of(info[4]), 0));
  if (bad_arguments(env)) return env.Undefined();
  const char* const operation = layout == &xt::kIpv4 ? operation::kChanges : operation::kChanges6;
  Result<Socket> socket = fail(0, operation);
  auto ran = Thread::run_to_end("conntrack-open", [&]() -> Result<void> {
    if (auto entered = handle->netns().enter(operation); !entered) return entered;
    socket = nft::open_commit_socket(buffer, operation);
    return {};
  });
  if (!ran || !socket) {
    Error& error = ran ? socket.error() : ran.error();
    error.kind = error.kind == ErrorKind::kNetlink ? ErrorKind::kXtables : error.kind;
    throw_failure(env, error);
    return env.Undefined();
  }
  return open_puller(env, std::make_shared<NftChanges>(
                              Environment::of(env), operation, std::move(cancel), handle->netns(),
                              std::move(*socket), nft::CommitReader(*layout, tables)));
}

}  // namespace

void export_nft_changes(Napi::Object exports) {
  export_function<open_changes, ErrorKind::kXtables>(exports, "nftChangesOpen",
                                                     operation::kChanges);
  export_function<next_of<NftChanges>, ErrorKind::kXtables>(exports, "nftChangesNext",
                                                            operation::kChanges);
}

}  // namespace nf::js
