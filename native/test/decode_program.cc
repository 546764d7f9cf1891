// Decodes netlink messages given in hex, one per line (nlmsghdr included), as a dump does: parser,
// filter, columns. Tests give it the same bytes as another parser, and damaged ones.
// decode_program [filter word]…   words as schema/filter_words.h packs them, in decimal
// Standard output, host order: u32 lines, then a byte per line (0 undecodable, 1 outside the
// filter, 2 a row), then u64 rows, capacity, rows without counters, and the sizes of arena,
// addresses, index of rare attributes and rare attributes, then those four.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/conntrack/columns.h"
#include "core/conntrack/decode/parse.h"
#include "core/conntrack/filter/filter.h"
#include "core/netlink/socket.h"

namespace {

[[noreturn]] void die(const char* why) {
  std::fprintf(stderr, "decode_program: %s\n", why);
  std::exit(2);
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  die("not hex");
}

bool read_line(std::string& line) {
  line.clear();
  for (int c = std::getchar(); c != EOF; c = std::getchar()) {
    if (c == '\n') return true;
    line.push_back(static_cast<char>(c));
  }
  return !line.empty();
}

void write(const void* data, std::size_t size) {
  if (size > 0 && std::fwrite(data, 1, size, stdout) != size) die("standard output");
}

class Decoder {
 public:
  explicit Decoder(nf::ct::Filter filter) : filter_(std::move(filter)) {}

  void line(const std::string& hex) {
    if (hex.size() % 2 != 0) die("half a byte");
    // A block of exactly that size, so that the sanitizer sees a read past its end.
    const std::size_t size = hex.size() / 2;
    const auto bytes = std::make_unique<std::uint8_t[]>(size);
    for (std::size_t i = 0; i < size; i++) {
      bytes[i] = static_cast<std::uint8_t>(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    }
    verdicts_.push_back(0);
    nf::MessageWalker walker(bytes.get(), size);
    nf::MessageView message;
    if (!walker.next(message) || !nf::ct::parse(message.payload, message.size, row_)) return;
    verdicts_.back() = 1;
    if (!filter_.matches(row_)) return;
    verdicts_.back() = 2;
    if (!columns_.append(row_)) die("no memory");
  }

  void finish() {
    columns_.compact();
    const auto lines = static_cast<std::uint32_t>(verdicts_.size());
    write(&lines, sizeof lines);
    write(verdicts_.data(), verdicts_.size());
    const std::uint64_t sizes[] = {columns_.size(),
                                   columns_.capacity(),
                                   columns_.without_counters(),
                                   columns_.empty() ? 0 : columns_.arena_bytes(),
                                   columns_.addresses().size(),
                                   columns_.extra_index().size(),
                                   columns_.extra_bytes().size()};
    write(sizes, sizeof sizes);
    const nf::Memory arena = columns_.take_arena();
    write(arena.data(), sizes[3]);
    write(columns_.addresses().data(), sizes[4]);
    write(columns_.extra_index().data(), sizes[5]);
    write(columns_.extra_bytes().data(), sizes[6]);
    if (std::fflush(stdout) != 0) die("standard output");
  }

 private:
  nf::ct::Filter filter_;
  nf::ct::Row row_;
  nf::ct::Columns columns_;
  std::vector<std::uint8_t> verdicts_;
};

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::uint32_t> words;
  for (int i = 1; i < argc; i++) {
    words.push_back(static_cast<std::uint32_t>(std::strtoul(argv[i], nullptr, 10)));
  }
  auto filter = nf::ct::Filter::compile(words);
  if (!filter) die("filter");
  Decoder decoder(std::move(*filter));
  std::string line;
  while (read_line(line)) decoder.line(line);
  decoder.finish();
  return 0;
}
