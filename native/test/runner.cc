// The runner of check.h.
#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "test/check.h"

namespace nf::test {
namespace {

struct Case {
  const char* name;
  Function function;
};

// Registrations run before main, in no order across files. So this is no object at namespace scope.
std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

int failures = 0;

// If a test does not end, its name is printed. All of them together take a few seconds.
constexpr unsigned kSecondsOfATest = 120;
const char* current = "";

void does_not_end(int /*signal*/) {
  for (const char* part : {"FAILED ", current, ": it does not end\n"}) {
    if (::write(STDOUT_FILENO, part, std::strlen(part)) < 0) break;
  }
  ::_exit(1);
}

bool wanted(const char* name, int count, char** parts) {
  if (count == 0) return true;
  for (int i = 0; i < count; i++) {
    if (std::strstr(name, parts[i]) != nullptr) return true;
  }
  return false;
}

}  // namespace

Registration::Registration(const char* name, Function function) {
  cases().push_back({name, function});
}

void report(const char* file, int line, std::string_view what) {
  failures++;
  std::cout << file << ':' << line << ": " << what << '\n';
}

int run(int count, char** parts) {
  int passed = 0;
  int failed = 0;
  // What was reported before a test that does not end must not be lost.
  std::cout << std::unitbuf;
  ::signal(SIGALRM, does_not_end);
  for (const auto& [name, function] : cases()) {
    if (!wanted(name, count, parts)) continue;
    const int before = failures;
    current = name;
    ::alarm(kSecondsOfATest);
    function();
    if (failures == before) {
      passed++;
    } else {
      failed++;
      std::cout << "FAILED " << name << '\n';
    }
  }
  ::alarm(0);
  std::cout << passed << " passed, " << failed << " failed\n";
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace nf::test

int main(int argc, char** argv) { return nf::test::run(argc - 1, argv + 1); }
