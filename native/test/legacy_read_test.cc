// Tests of the raw reader of legacy tables: damaged blobs, and a played kernel whose table changes
// while it is read. And tests of what is reported about a table: its numbers, and what its rules
// ask for.
#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <random>
#include <string>
#include <thread>

#include "core/legacy/fetch.h"
#include "core/legacy/look.h"
#include "core/legacy/tracking.h"
#include "test/check.h"
#include "test/tables.h"

using namespace nf;
using namespace nf::xt;
using namespace nf::test;

namespace {

// What the played kernel answers: one table after the other, each for one reading of its size. It
// keeps the last one.
struct PlayedTable {
  Blob blob;
  int refusal = 0;  // errno of the request for its entries
};
struct Played {
  std::deque<PlayedTable> tables;
  int sizes = 0;    // how often the size was asked for
  int entries = 0;  // how often the entries were
  std::function<void()> before_entries;
};
Played* played = nullptr;
int asked = 0;  // socket options, while no kernel is played

}  // namespace

extern "C" int getsockopt(int fd, int level, int option, void* value, socklen_t* size) {
  asked++;
  if (played == nullptr || (option != IPT_SO_GET_INFO && option != IPT_SO_GET_ENTRIES)) {
    return static_cast<int>(::syscall(SYS_getsockopt, fd, level, option, value, size));
  }
  static_assert(IPT_SO_GET_INFO == IP6T_SO_GET_INFO);
  const auto refuse = [](int code) {
    errno = code;
    return -1;
  };
  if (option == IPT_SO_GET_INFO) {
    CHECK_EQUAL(*size, sizeof(ipt_getinfo));
    if (played->sizes++ > 0 && played->tables.size() > 1) played->tables.pop_front();
    std::memcpy(value, &played->tables.front().blob.info, sizeof(ipt_getinfo));
    return 0;
  }
  played->entries++;
  if (played->before_entries) played->before_entries();
  const PlayedTable& table = played->tables.front();
  if (table.refusal != 0) return refuse(table.refusal);
  // Like the kernel: the size must be that of the table.
  const auto* request = static_cast<const ipt_get_entries*>(value);
  if (request->size != table.blob.bytes.size()) return refuse(EAGAIN);
  CHECK_EQUAL(*size, kRequestSize + request->size);
  std::memcpy(static_cast<std::uint8_t*>(value) + kRequestSize, table.blob.bytes.data(),
              table.blob.bytes.size());
  return 0;
}

namespace {

struct Play {
  explicit Play(Played& what) { played = &what; }
  ~Play() { played = nullptr; }
  Play(const Play&) = delete;
  Play& operator=(const Play&) = delete;
};

Result<RawTable> read_played(Played& what, const Cancel* cancel = nullptr) {
  const Play play(what);
  return read_raw(kIpv4, "filter", cancel);
}

bool is_blob(const RawTable& raw, const Blob& blob) {
  const auto entries = raw.entries();
  return std::equal(entries.begin(), entries.end(), blob.bytes.begin(), blob.bytes.end()) &&
         std::memcmp(&raw.info, &blob.info, sizeof raw.info) == 0;
}

// A table of the same size. Its chain INPUT has one rule less, and its other chain one more.
Blob moved_rule(const Blob& blob) {
  Blob moved = blob;
  const std::size_t rule = load16(&blob.bytes[kIpv4.next_offset]);
  moved.info.hook_entry[NF_INET_LOCAL_IN] = 0;
  moved.info.underflow[NF_INET_LOCAL_IN] = static_cast<std::uint32_t>(rule);
  // rule, policy, head of the chain, rule, rule, return, end
  moved.bytes.clear();
  std::vector<Bytes> entries;
  for (std::size_t at = 0; at < blob.bytes.size();) {
    const std::size_t size = load16(&blob.bytes[at + kIpv4.next_offset]);
    entries.emplace_back(&blob.bytes[at], &blob.bytes[at] + size);
    at += size;
  }
  for (const int index : {0, 2, 3, 1, 4, 5, 6}) {
    const Bytes& bytes = entries[static_cast<std::size_t>(index)];
    moved.bytes.insert(moved.bytes.end(), bytes.begin(), bytes.end());
  }
  return moved;
}

void check_count(const Layout& layout) {
  const Blob blob = make_blob(layout);
  TableLook look;
  CHECK(count_table(layout, blob.info, blob.bytes, look) == nullptr);
  CHECK_EQUAL(look.rules, 3U);
  CHECK_EQUAL(look.chains, 2U);
  CHECK(look.own_chains && look.drops);

  // If it is cut anywhere, it is no table any more.
  for (std::size_t size = 0; size < blob.bytes.size(); size++) {
    TableLook none;
    const Bytes cut(blob.bytes.begin(), blob.bytes.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK(count_table(layout, blob.info, cut, none) != nullptr);
  }
  // The numbers of the kernel are compared with the entries.
  const auto refused = [&](auto change) {
    Blob other = blob;
    change(other.info);
    TableLook none;
    return count_table(layout, other.info, other.bytes, none) != nullptr;
  };
  CHECK(refused([](ipt_getinfo& info) { info.num_entries--; }));
  CHECK(refused([](ipt_getinfo& info) { info.num_entries++; }));
  CHECK(refused([](ipt_getinfo& info) { info.valid_hooks |= 1U << NF_INET_FORWARD; }));
  CHECK(refused([](ipt_getinfo& info) { info.valid_hooks = 0; }));
  CHECK(refused([](ipt_getinfo& info) { info.hook_entry[NF_INET_LOCAL_IN] += 8; }));
  CHECK(refused([](ipt_getinfo& info) { info.underflow[NF_INET_LOCAL_IN] = 0; }));
  CHECK(!refused([](ipt_getinfo& info) { info.hook_entry[NF_INET_FORWARD] = 8; }));
}

// A damaged table is refused, or counted as the snapshot has it. The sanitizer watches the rest.
void check_damage(const Layout& layout) {
  const Blob blob = make_blob(layout);
  std::mt19937 engine(3);
  const auto random = [&] { return static_cast<std::uint32_t>(engine()); };
  int accepted = 0;
  for (int round = 0; round < 20000; round++) {
    Blob other = blob;
    for (unsigned k = 0; k < 1 + random() % 4; k++) {
      other.bytes[random() % other.bytes.size()] = static_cast<std::uint8_t>(random());
    }
    if (random() % 8 == 0) other.bytes.resize(random() % other.bytes.size());
    if (random() % 8 == 0) other.info.num_entries = random();
    if (random() % 8 == 0) other.info.hook_entry[random() % 5] = random() % 4096;
    if (random() % 8 == 0) other.info.valid_hooks = random() % 64;
    other.info.size = static_cast<std::uint32_t>(other.bytes.size());
    TableLook look;
    TrackingReport report;
    const char* wrong = count_table(layout, other.info, other.bytes, look);
    const char* scanned = scan_table(layout, "filter", other.info, other.bytes, report);
    CHECK((wrong == nullptr) == (scanned == nullptr));
    auto table = parse_table(layout, "filter", other.info, other.bytes);
    if (!table.ok()) continue;
    accepted++;
    CHECK(wrong == nullptr);
    CHECK_EQUAL(look.rules, table->rule_count());
    CHECK_EQUAL(look.chains, table->chain_count());
  }
  CHECK(accepted > 1000);
}

// A blob of INPUT with one rule that has this match, and one with this target.
Blob with_extensions(const Layout& layout, const std::string& match, const std::string& target,
                     std::uint16_t flags) {
  Blob blob = make_blob(layout);
  const std::size_t rule = load16(&blob.bytes[layout.next_offset]);
  const auto name = [](std::uint8_t* at, const std::string& text) {
    std::memset(at, 0, kNameSize);
    std::copy(text.begin(), text.end(), at);
  };
  name(&blob.bytes[layout.entry_size + 2], match);
  std::uint8_t* second = &blob.bytes[rule];
  const std::size_t at = load16(second + layout.target_offset);
  name(second + at + 2, target);
  std::memcpy(second + at + kHeader, &flags, sizeof flags);
  return blob;
}

void check_tracking(const Layout& layout) {
  const bool ipv4 = layout.family == AF_INET;
  const std::string place = ipv4 ? "ip filter: " : "ip6 filter: ";
  const auto scan = [&](const Blob& blob) {
    TrackingReport report;
    CHECK(scan_table(layout, "filter", blob.info, blob.bytes, report) == nullptr);
    CHECK((ipv4 ? report.tracking.ipv6 : report.tracking.ipv4) == Verdict::kNo);
    CHECK(report.tracking.found.empty() ==
          ((ipv4 ? report.tracking.ipv4 : report.tracking.ipv6) == Verdict::kNo));
    return report.tracking.found;
  };
  using Found = std::vector<std::string>;
  CHECK(scan(make_blob(layout)).empty());
  CHECK((scan(with_extensions(layout, "state", "LOG", 0)) == Found{place + "state"}));
  CHECK((scan(with_extensions(layout, "comment", "CT", 0)) == Found{place + "CT"}));
  CHECK(scan(with_extensions(layout, "comment", "CT", 1)).empty());
  CHECK((scan(with_extensions(layout, "connmark", "CONNMARK", 0)) ==
         Found{place + "connmark", place + "CONNMARK"}));
}

}  // namespace

TEST(legacy_count) {
  for (const Layout* layout : {&kIpv4, &kIpv6}) check_count(*layout);
}
TEST(legacy_damage) {
  for (const Layout* layout : {&kIpv4, &kIpv6}) check_damage(*layout);
}
TEST(legacy_tracking) {
  for (const Layout* layout : {&kIpv4, &kIpv6}) check_tracking(*layout);
}

TEST(legacy_fetch) {
  const Blob blob = make_blob(kIpv4);
  Played steady{{{blob, 0}}, 0, 0, {}};
  auto raw = read_played(steady);
  CHECK(raw.ok() && is_blob(*raw, blob));
  CHECK_EQUAL(steady.entries, 1);
  CHECK(!read_raw(kIpv4, "", nullptr).ok());
  CHECK(!read_raw(kIpv4, std::string(XT_TABLE_MAXNAMELEN, 'a'), nullptr).ok());
}

TEST(legacy_fetch_growing) {
  const Blob blob = make_blob(kIpv4);
  Blob larger = blob;
  larger.bytes.insert(larger.bytes.begin(), blob.bytes.begin(),
                      blob.bytes.begin() + load16(&blob.bytes[kIpv4.next_offset]));
  larger.info.num_entries++;
  larger.info.size = static_cast<std::uint32_t>(larger.bytes.size());
  // The table grows after its size was read, and the kernel answers EAGAIN.
  Played growing{{{blob, 0}, {larger, 0}}, 0, 0, {}};
  growing.before_entries = [&] {
    if (growing.tables.size() > 1) growing.tables.pop_front();
  };
  auto raw = read_played(growing);
  CHECK(raw.ok() && is_blob(*raw, larger));
  CHECK_EQUAL(growing.entries, 2);
}

// The kernel compares sizes only.
TEST(legacy_fetch_of_the_same_size) {
  const Blob blob = make_blob(kIpv4);
  const Blob moved = moved_rule(blob);
  TableLook look;
  CHECK(count_table(kIpv4, moved.info, moved.bytes, look) == nullptr);
  CHECK_EQUAL(moved.bytes.size(), blob.bytes.size());
  Played changing{{{blob, 0}, {moved, 0}}, 0, 0, {}};
  changing.before_entries = [&] {
    if (changing.tables.size() > 1) changing.tables.pop_front();
  };
  auto raw = read_played(changing);
  CHECK(raw.ok() && is_blob(*raw, moved));
  CHECK_EQUAL(changing.entries, 2);
}

TEST(legacy_fetch_gives_up) {
  const Blob blob = make_blob(kIpv4);
  Played always{{{blob, EAGAIN}}, 0, 0, {}};
  auto raw = read_played(always);
  CHECK(!raw.ok() && raw.error().code == EAGAIN && raw.error().operation == "iptables read filter");
  CHECK_EQUAL(always.entries, 16);

  Played denied{{{blob, EPERM}}, 0, 0, {}};
  auto refused = read_played(denied);
  CHECK(!refused.ok() && refused.error().code == EPERM);
  CHECK_EQUAL(denied.entries, 1);

  Played wrong{{{blob, 0}}, 0, 0, {}};
  wrong.tables.front().blob.info.num_entries = 0xffffffff;
  auto implausible = read_played(wrong);
  CHECK(!implausible.ok() && implausible.error().code == EBADMSG);
  CHECK_EQUAL(wrong.entries, 0);

  Cancel cancel;
  Played cancelled{{{blob, EAGAIN}}, 0, 0, {}};
  cancelled.before_entries = [&] {
    if (cancelled.entries == 3) cancel.raise();
  };
  auto ended = read_played(cancelled, &cancel);
  CHECK(!ended.ok() && ended.error().kind == ErrorKind::kCancelled);
  CHECK_EQUAL(cancelled.entries, 3);
}

// Asking for a table by name makes it. So nothing is asked if nothing is registered.
TEST(legacy_look_asks_for_nothing) {
  std::thread([] {
    if (::unshare(CLONE_NEWNET) != 0) {
      std::cout << "skipped: no network namespaces here\n";
      return;
    }
    for (const Layout* layout : {&kIpv4, &kIpv6}) {
      asked = 0;
      auto looks = look_at_tables(*layout, nullptr);
      CHECK(looks.ok() && looks->empty());
      TrackingReport report;
      scan_legacy_rules(nullptr, report);
      CHECK(report.unknown.empty() && report.nat.found.empty());
      CHECK_EQUAL(asked, 0);
    }
  }).join();
}
