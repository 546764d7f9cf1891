// Finding the rule that the kernel refuses.
#include "core/legacy/culprit.h"

#include <errno.h>
#include <sched.h>

#include <algorithm>
#include <vector>

#include "core/legacy/iptc_library.h"
#include "core/thread.h"
#include "core/xtables/entry.h"

namespace nf::xt {
namespace {

// If there are more new rules than this, nothing is tried: each attempt is a commit, and the lock
// is held meanwhile.
constexpr std::size_t kMostRules = 20000;

// A rule of the table that is tried.
struct Trial {
  std::uint32_t chain = 0;   // in the plan
  std::uint32_t index = 0;   // in that chain
  std::uint32_t number = 0;  // among the new rules, from 1; 0 in the skeleton
  std::vector<std::uint8_t> bytes;
};

bool names_objects(const Layout& layout, const std::uint8_t* entry, const EntryView& view) {
  bool found = false;
  // These refer to something that exists in one namespace only.
  for_each_part(layout, entry, view, [&](const Part& part) {
    found = found || part.name == "set" || part.name == "SET" || part.name == "nfacct" ||
            part.name == "CT" || part.name == "rateest";
  });
  return found;
}

// A rule without matches that jumps to a chain: it only matters which hooks reach a chain.
std::vector<std::uint8_t> bare_jump(const Layout& layout, std::string_view chain) {
  std::vector<std::uint8_t> bytes(layout.entry_size + kStandardSize);
  const auto put = [&](std::size_t at, std::size_t value) {
    const auto half = static_cast<std::uint16_t>(value);
    std::memcpy(&bytes[at], &half, sizeof half);
  };
  put(layout.target_offset, layout.entry_size);
  put(layout.next_offset, bytes.size());
  put(layout.entry_size, kStandardSize);
  std::memcpy(&bytes[layout.entry_size + 2], chain.data(), std::min(chain.size(), kNameSize - 1));
  return bytes;
}

bool is_planned_chain(const Plan& plan, std::string_view name) {
  for (std::uint32_t i = 0; i < plan.chain_count(); i++) {
    if (plan.chain(i).hook == 0 && chain_name(plan.chain(i).name) == name) return true;
  }
  return false;
}

// The skeleton of the planned table, and its new rules in their places.
std::vector<Trial> make_trials(const Plan& plan, const Snapshot& base, std::uint32_t& count) {
  const Layout& layout = plan.layout();
  std::vector<Trial> trials;
  for (std::uint32_t c = 0; c < plan.chain_count(); c++) {
    const std::vector<PlanRule> rules = plan.rules(plan.chain(c));
    for (std::uint32_t i = 0; i < rules.size(); i++) {
      const std::uint8_t* bytes =
          rules[i].bytes != nullptr ? rules[i].bytes : base.rule(rules[i].base);
      const std::size_t size = load16(bytes + layout.next_offset);
      EntryView view;
      if (view_entry(layout, bytes, size, view) != nullptr) continue;
      if (rules[i].bytes != nullptr && !names_objects(layout, bytes, view)) {
        trials.push_back({c, i, ++count, {bytes, bytes + size}});
      } else if (view.target_size == kStandardSize && is_planned_chain(plan, view.target_name)) {
        trials.push_back({c, i, 0, bare_jump(layout, view.target_name)});
      }
    }
  }
  return trials;
}

// Commits the skeleton with the first `count` new rules, and returns the errno.
template <typename Iptc>
int attempt(const Iptc& iptc, const Plan& plan, const std::vector<Trial>& trials,
            std::uint32_t count) {
  errno = 0;
  xtc_handle* handle = iptc.init(plan.table().c_str());
  if (handle == nullptr) return errno;
  int code = 0;
  for (std::uint32_t i = 0; i < plan.chain_count(); i++) {
    const PlanChain& chain = plan.chain(i);
    // The chain may exist from an earlier attempt.
    if (chain.hook == 0) (void)iptc.create_chain(chain.name, handle);
    if (iptc.flush_entries(chain.name, handle) == 0) code = errno;
  }
  for (const Trial& trial : trials) {
    if (code != 0) break;
    if (trial.number > count) continue;
    const auto* entry = reinterpret_cast<const typename Iptc::Entry*>(trial.bytes.data());
    if (iptc.append_entry(plan.chain(trial.chain).name, entry, handle) == 0) code = errno;
  }
  if (code == 0) {
    errno = 0;
    if (iptc.commit(handle) == 0) code = errno != 0 ? errno : EIO;
  }
  iptc.free(handle);
  return code;
}

template <typename Iptc>
std::optional<Culprit> search(const Iptc& iptc, const Plan& plan, const Snapshot& base, int code) {
  std::uint32_t count = 0;
  const std::vector<Trial> trials = make_trials(plan, base, count);
  if (count == 0 || count > kMostRules) return std::nullopt;
  if (attempt(iptc, plan, trials, 0) != 0) return std::nullopt;
  if (attempt(iptc, plan, trials, count) != code) return std::nullopt;
  // Looks for the smallest number of new rules that is refused: the last of them is the culprit.
  std::uint32_t good = 0;
  std::uint32_t bad = count;
  while (bad - good > 1) {
    const std::uint32_t middle = good + (bad - good) / 2;
    const int result = attempt(iptc, plan, trials, middle);
    if (result == 0) {
      good = middle;
    } else if (result == code) {
      bad = middle;
    } else {
      return std::nullopt;
    }
  }
  for (const Trial& trial : trials) {
    if (trial.number != bad) continue;
    return Culprit{std::string(chain_name(plan.chain(trial.chain).name)), trial.index};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Culprit> find_culprit(const Plan& plan, const Snapshot& base, int code) {
  std::optional<Culprit> found;
  // The thread ends, and the namespace with it. If the system has no thread or no memory, the
  // culprit stays unknown, and the refusal is reported without it.
  const auto looked = Thread::run_to_end("xt-culprit", [&]() -> Result<void> {
    if (::unshare(CLONE_NEWNET) != 0) return {};
    found = plan.layout().family == AF_INET ? search(iptc4(), plan, base, code)
                                            : search(iptc6(), plan, base, code);
    return {};
  });
  if (!looked) return std::nullopt;
  return found;
}

}  // namespace nf::xt
