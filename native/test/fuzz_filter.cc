// Fuzzes packed filters: what compiles can be tested against a row and given to the kernel, for
// dumps and for events.
#include <cstring>
#include <vector>

#include "core/conntrack/filter/event_filter.h"
#include "core/conntrack/filter/filter.h"
#include "core/conntrack/filter/kernel_filter.h"
#include "test/messages.h"

namespace {

const nf::ct::Row& sample() {
  static const auto payload = [] {
    auto message = nf::test::tcp_flow();
    const std::uint8_t labels[16] = {0xff};
    message.builder.bytes(CTA_LABELS, labels, sizeof labels);
    const auto help = message.builder.open_nest(CTA_HELP);
    message.builder.string(CTA_HELP_NAME, "ftp");
    message.builder.close_nest(help);
    return message.payload();
  }();
  static const nf::ct::Row row = [] {
    nf::ct::Row made{};
    if (!nf::test::parse(payload, made)) __builtin_trap();
    return made;
  }();
  return row;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint32_t> words(size / 4);
  if (!words.empty()) std::memcpy(words.data(), data, words.size() * 4);
  auto filter = nf::ct::Filter::compile(words);
  if (!filter.ok()) return 0;
  static_cast<void>(filter->matches(sample()));
  const auto program = nf::ct::compile_event_filter(*filter);
  if (program.code.size() > BPF_MAXINSNS) __builtin_trap();
  nf::MessageBuilder builder;
  const auto plan = nf::ct::plan_kernel_filter(*filter);
  builder.begin(0x101, 0, 1, plan.family);
  nf::ct::append_kernel_filter(*filter, plan, {.status = 4, .status_mask = 4}, builder);
  builder.end();
  // What is sent must be well-formed: the kernel refuses other requests.
  nf::AttributeCursor cursor(builder.data() + NLMSG_HDRLEN + 4, builder.size() - NLMSG_HDRLEN - 4);
  for (nf::Attribute a; cursor.next(a);) {
  }
  if (!cursor.intact()) __builtin_trap();
  return 0;
}
