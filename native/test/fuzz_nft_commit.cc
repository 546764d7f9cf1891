// Fuzzes gathering commits of nf_tables. Whatever the messages are, nothing is read beyond them,
// and every record of a commit's buffer lies within it. Input: the family, then a datagram.
#include "core/nftables/commit_stream.h"
#include "test/commit_messages.h"

using namespace nf;

namespace {

void check_slice(const nft::NftImage& image, const nft::Slice& slice) {
  if (slice.at > image.size || slice.size > image.size - slice.at) __builtin_trap();
}

void check_image(const nft::NftImage& image) {
  xt::ImageHeader header{};
  if (image.size < sizeof header) __builtin_trap();
  std::memcpy(&header, image.memory.data(), sizeof header);
  if (header.size != image.size) __builtin_trap();
  nft::NftHeader own{};
  if (header.own + sizeof own > image.size) __builtin_trap();
  std::memcpy(&own, image.memory.data() + header.own, sizeof own);
  if (own.rules + header.rule_count * sizeof(nft::NftRule) > image.size) __builtin_trap();
  if (own.events + own.event_count * sizeof(nft::NftEvent) > image.size) __builtin_trap();
  for (std::uint32_t i = 0; i < header.rule_count; i++) {
    nft::NftRule rule{};
    std::memcpy(&rule, image.memory.data() + own.rules + i * sizeof rule, sizeof rule);
    for (const nft::Slice& slice : {rule.expressions, rule.user_data, rule.note}) {
      check_slice(image, slice);
    }
  }
  for (std::uint32_t i = 0; i < own.event_count; i++) {
    nft::NftEvent event{};
    std::memcpy(&event, image.memory.data() + own.events + i * sizeof event, sizeof event);
    check_slice(image, event.chain);
    check_slice(image, event.type);
    const bool is_rule = event.kind >= static_cast<std::uint32_t>(nft::NftEventKind::kRuleAdded);
    if (is_rule && event.rule >= header.rule_count) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const xt::Layout& layout = (data[0] & 1) != 0 ? xt::kIpv6 : xt::kIpv4;
  // The messages of a datagram are aligned.
  std::vector<std::uint32_t> aligned((size + 3) / 4);
  auto* bytes = reinterpret_cast<std::uint8_t*>(aligned.data());
  std::memcpy(bytes, data + 1, size - 1);
  nft::CommitReader reader(layout, {nft::builtin_table("filter"), nft::builtin_table("nat")});
  MessageWalker walker(bytes, size - 1);
  for (MessageView message; walker.next(message);) {
    if (!reader.add(message)) continue;
    const nft::Commit commit = reader.take();
    if (commit.lost && !commit.images.empty()) __builtin_trap();
    for (const nft::NftImage& image : commit.images) check_image(image);
  }
  return 0;
}
