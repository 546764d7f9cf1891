// One commit through libiptc.
#include "core/legacy/commit.h"

#include <errno.h>

#include <mutex>
#include <utility>

#include "core/legacy/contents.h"
#include "core/legacy/culprit.h"
#include "core/legacy/iptc_session.h"
#include "core/legacy/snapshot.h"
#include "core/meeting.h"

namespace nf::xt {
namespace {

std::string explain(int code) {
  switch (code) {
    case ELOOP:
      return "chains jump in a loop";
    case ENOENT:
      return "the kernel lacks an extension, its revision, or an object that it names";
    case EINVAL:
      return "the kernel refused it: an extension in the wrong table, chain or protocol, or a "
             "value that it does not take";
    default:
      return {};
  }
}

// The snapshot that the plan was made on. Reading it again would take a third of a commit. What
// libiptc reads shows whether the kernel still has it.
Result<Snapshot> base_of(const Plan& plan, SeenTable seen, const ReadOptions& options) {
  Snapshot base;
  if (Snapshot::adopt(plan.layout(), plan.table(), std::move(seen.memory), seen.size, base) ==
      nullptr) {
    return base;
  }
  return read_table(plan.layout(), plan.table(), options);
}

template <typename Iptc>
Result<CommitOutcome> commit_with(const Iptc& iptc, const Plan& plan, SeenTable seen) {
  const Layout& layout = plan.layout();
  const std::string table = plan.table();
  if (!iptc.usable) {
    const LibraryState& state = iptc.state;
    std::string detail = state.soname;
    detail += state.found ? ": symbol missing: " + state.missing.front() : ": " + state.error;
    return commit_error(layout, table, 0, std::move(detail), ErrorKind::kLibrary);
  }
  ReadOptions options;
  options.create = true;
  options.sets = false;
  auto base = base_of(plan, std::move(seen), options);
  if (!base) return base.error();
  CommitOutcome outcome;
  if (base->header().fingerprint != plan.header().fingerprint) {
    outcome.kind = CommitOutcome::kChanged;
    return outcome;
  }
  if (base->not_writable() != nullptr)
    return commit_error(layout, table, ENOTSUP, base->not_writable());
  if (auto fits = plan.check(*base); !fits) return fits.error();

  NF_MEETING(iptables);
  const std::lock_guard lock(iptc_mutex());
  IptcSession<Iptc> session(iptc, layout, table);
  if (auto opened = session.open(); !opened) return opened.error();
  if (!session.matches(*base)) {
    // Another writer came in between, or libiptc cannot parse the table: a second reading shows it.
    auto again = read_table(layout, table, options);
    if (!again) return again.error();
    if (again->header().fingerprint == base->header().fingerprint) {
      return commit_error(
          layout, table, EBADMSG,
          "libiptc reads the table differently than the kernel, or had no memory for all of it");
    }
    outcome.kind = CommitOutcome::kChanged;
    return outcome;
  }
  if (auto applied = session.apply(*base, plan, outcome); !applied) return applied.error();
  const int code = session.commit();
  if (code == 0) {
    if (outcome.operations == 0) outcome.kind = CommitOutcome::kUnchanged;
    return outcome;
  }
  if (code == EAGAIN) {
    // The kernel has another number of entries than libiptc read, so it replaced nothing.
    outcome.kind = CommitOutcome::kChanged;
    return outcome;
  }
  if (code == EINVAL) {
    // Either the kernel refused the table, or it took it and then another writer changed its length
    // before the counters came: only the table itself can tell.
    auto now = read_table(layout, table, options);
    if (!now) return now.error();
    if (session.matches(*now)) {
      outcome.kind = CommitOutcome::kCountersLost;
      return outcome;
    }
    if (now->header().fingerprint != base->header().fingerprint) {
      switch (shows_edit(contents_of(*base), session.contents(), contents_of(*now))) {
        case Shows::kAll:
          outcome.kind = CommitOutcome::kCountersLost;
          return outcome;
        case Shows::kNothing:
          // The kernel refused the edit, or the other writer undid it: the next attempt shows.
          outcome.kind = CommitOutcome::kChanged;
          return outcome;
        case Shows::kPart:
          return commit_error(
              layout, table, EINVAL,
              "another writer without the xtables lock changed the table at the same "
              "moment; read the table to see whether this edit is live");
      }
    }
  }
  std::string detail = explain(code);
  if (code != ENOMEM) {
    if (const auto culprit = find_culprit(plan, *base, code)) {
      detail = "rule " + std::to_string(culprit->index) + " of chain " + culprit->chain +
               (detail.empty() ? "" : ": " + detail);
    }
  }
  return commit_error(layout, table, code, std::move(detail));
}

}  // namespace

Result<CommitOutcome> commit_plan(const Plan& plan, SeenTable seen) {
  return plan.layout().family == AF_INET ? commit_with(iptc4(), plan, std::move(seen))
                                         : commit_with(iptc6(), plan, std::move(seen));
}

}  // namespace nf::xt
