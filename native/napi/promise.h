// Work on a pooled thread as a promise. What depends on the kind of work is in JobOf, and is small:
// there is one for each exported function.
#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/cancel.h"
#include "core/result.h"

namespace nf::js {

// The operation to report if memory ran out before anything more exact was known. A literal.
struct Label {
  const char* operation;
  ErrorKind kind = ErrorKind::kNetlink;
};

// What a promise waits for. `work` runs on a pooled thread, `value` afterwards on the JS thread.
// Both may throw what core/guard.h catches.
class Job {
 public:
  Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  virtual ~Job() = default;

  virtual void work() = 0;
  // Everything that the work held, descriptors included, is gone.
  virtual void forget() noexcept = 0;
  virtual Result<Napi::Value> value(Napi::Env env) = 0;
};

template <typename T, typename Work, typename Convert>
class JobOf final : public Job {
 public:
  JobOf(Work work, Convert convert) : work_(std::move(work)), convert_(std::move(convert)) {}

  void work() override { result_.emplace((*work_)()); }
  void forget() noexcept override { work_.reset(); }
  Result<Napi::Value> value(Napi::Env env) override {
    if (!result_->ok()) return std::move(result_->error());
    if constexpr (std::is_void_v<T>) {
      return Napi::Value(env.Undefined());
    } else {
      return Napi::Value(convert_(env, result_->value()));
    }
  }

 private:
  std::optional<Work> work_;
  Convert convert_;
  std::optional<Result<T>> result_;
};

// Undefined when the environment is ending.
Napi::Value promise_of(Napi::Env env, Label label, std::shared_ptr<Cancel> cancel,
                       std::shared_ptr<Job> job);

// A promise whose work runs on a pooled thread. `work` returns a Result<T>; `convert` runs on the
// JS thread and makes the value.
template <typename T, typename Work, typename Convert>
Napi::Value promise(Napi::Env env, Label label, std::shared_ptr<Cancel> cancel, Work work,
                    Convert convert) {
  return promise_of(env, label, std::move(cancel),
                    std::make_shared<JobOf<T, Work, Convert>>(std::move(work), std::move(convert)));
}

}  // namespace nf::js
