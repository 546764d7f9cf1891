// Libraries, and files of /proc as a network namespace shows them.
#include "napi/system.h"

#include "core/conntrack/request/flow_request.h"
#include "core/files.h"
#include "core/legacy/libraries.h"
#include "core/nsid.h"
#include "core/operation.h"
#include "core/thread.h"
#include "core/tracking.h"
#include "napi/conntrack_handle.h"
#include "napi/exports.h"
#include "napi/values.h"

namespace nf::js {
namespace {

using FileContents = std::vector<Result<std::string>>;

// nsReadFiles(handle, paths, operation) → (string | failure)[]
Napi::Value read_files(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto paths = std::make_shared<std::vector<std::string>>(texts_of(info[1]));
  auto operation = std::make_shared<std::string>(text_of(info[2]));
  if (bad_arguments(env)) return env.Undefined();
  return promise<FileContents>(
      env, {"file read"}, nullptr,
      [handle, paths, operation]() -> Result<FileContents> {
        if (auto entered = handle->netns().enter(operation->c_str()); !entered) {
          return entered.error();
        }
        FileContents contents;
        for (const auto& path : *paths) contents.push_back(read_file(path, operation->c_str()));
        return contents;
      },
      [](Napi::Env js, FileContents& contents) {
        Napi::Array result = Napi::Array::New(js, contents.size());
        for (std::uint32_t i = 0; i < contents.size(); i++) {
          if (contents[i].ok()) {
            result[i] = Napi::String::New(js, *contents[i]);
          } else {
            result[i] = to_failure(js, contents[i].error());
          }
        }
        return result;
      });
}

// nsWriteFile(handle, path, text, operation)
Napi::Value write_ns_file(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto path = text_of(info[1]);
  auto text = text_of(info[2]);
  auto operation = text_of(info[3]);
  if (bad_arguments(env)) return env.Undefined();
  return promise<void>(
      env, {"file write"}, nullptr,
      [handle, path, text, operation]() -> Result<void> {
        if (auto entered = handle->netns().enter(operation.c_str()); !entered) {
          return entered.error();
        }
        return write_file(path, text, operation.c_str());
      },
      [](Napi::Env js) { return js.Undefined(); });
}

const char* to_word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kYes:
      return "active";
    case Verdict::kUnknown:
      return "unknown";
    case Verdict::kNo:
      break;
  }
  return "none";
}

Napi::Object to_hook_report(Napi::Env env, const HookReport& report) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("ipv4", to_word(report.ipv4));
  result.Set("ipv6", to_word(report.ipv6));
  result.Set("bridge", to_word(report.bridge));
  result.Set("found", to_strings(env, report.found));
  return result;
}

Napi::Object to_tracking_report(Napi::Env env, const TrackingReport& report) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("source", report.from_hooks ? "hooks" : "rules");
  result.Set("tracking", to_hook_report(env, report.tracking));
  result.Set("nat", to_hook_report(env, report.nat));
  result.Set("unknown", to_strings(env, report.unknown));
  return result;
}

// ctTracking(handle) → { source, tracking, nat, unknown }
Napi::Value tracking(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto handle = handle_of(info);
  if (handle == nullptr) return env.Undefined();
  auto cancel = std::make_shared<Cancel>();
  return promise<TrackingReport>(
      env, {operation::kTracking}, cancel,
      [handle, cancel]() -> Result<TrackingReport> {
        if (auto entered = handle->netns().enter(operation::kTracking); !entered) {
          return entered.error();
        }
        return find_tracking(cancel.get());
      },
      [](Napi::Env js, TrackingReport& report) { return to_tracking_report(js, report); });
}

// trackingSync() → the same of this process's namespace: for support()
Napi::Value tracking_sync(const Napi::CallbackInfo& info) {
  return to_tracking_report(info.Env(), find_tracking(nullptr));
}

// netnsIds(handle | null, paths) → { own: bigint, ids: number[] }, as the namespace of the handle,
// or of this process, knows them. A few system calls, on a thread that may enter it.
Napi::Value netns_ids(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::shared_ptr<Handle> handle;
  if (!info[0].IsNull()) {
    handle = handle_of(info);
    if (handle == nullptr) return env.Undefined();
  }
  const std::vector<std::string> paths = texts_of(info[1]);
  if (bad_arguments(env)) return env.Undefined();
  Result<NamespaceIds> ids = fail(0, operation::kNamespaces);
  auto ran = Thread::run_to_end("netns-ids", [&]() -> Result<void> {
    if (handle != nullptr) {
      if (auto entered = handle->netns().enter(operation::kNamespaces); !entered) return entered;
    }
    ids = namespace_ids(paths, operation::kNamespaces);
    return {};
  });
  if (!ran || !ids) {
    throw_failure(env, ran ? ids.error() : ran.error());
    return env.Undefined();
  }
  Napi::Object result = Napi::Object::New(env);
  Napi::Array list = Napi::Array::New(env, ids->ids.size());
  for (std::uint32_t i = 0; i < ids->ids.size(); i++) list[i] = ids->ids[i];
  result.Set("own", Napi::BigInt::New(env, ids->own));
  result.Set("ids", list);
  return result;
}

Napi::Object to_library(Napi::Env env, const LibraryState& state) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("soname", state.soname);
  result.Set("found", state.found);
  result.Set("path", state.path);
  result.Set("error", state.error);
  result.Set("missing", to_strings(env, state.missing));
  return result;
}

// libraries() → [{ soname, found, path, error, missing }]
Napi::Value libraries(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array result = Napi::Array::New(env);
  result[0U] = to_library(env, ct::nfct_state());
  result[1U] = to_library(env, xt::iptc_state(false));
  result[2U] = to_library(env, xt::iptc_state(true));
  return result;
}

}  // namespace

void export_system(Napi::Object exports) {
  export_function<read_files>(exports, "nsReadFiles", "file read");
  export_function<write_ns_file>(exports, "nsWriteFile", "file write");
  export_function<tracking>(exports, "ctTracking", operation::kTracking);
  export_function<tracking_sync>(exports, "trackingSync", operation::kTracking);
  export_function<netns_ids>(exports, "netnsIds", operation::kNamespaces);
  export_function<libraries>(exports, "libraries", "libraries");
}

}  // namespace nf::js
