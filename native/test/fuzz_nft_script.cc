// Fuzzes scripts of transactions. Whatever the bytes are, a script that parses can be checked: each
// step becomes a message, or the outcome names the step and why. Input: a script. Its magic is put
// in.
#include <string_view>
#include <vector>

#include "core/nftables/transaction.h"

using namespace nf;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> bytes(data, data + size);
  if (size >= sizeof(nft::ScriptHeader)) {
    std::memcpy(bytes.data(), &nft::kScriptMagic, sizeof nft::kScriptMagic);
  }
  auto script = nft::Script::parse(bytes);
  if (!script) return 0;
  if (size < sizeof(nft::ScriptHeader)) __builtin_trap();
  std::size_t names = 0;
  for (const std::string& name : script->chains()) names += name.size() + 1;
  if (names > script->header().chains.size + std::size_t{1}) __builtin_trap();
  auto outcome = nft::check_scripts({&*script, 1});
  if (!outcome) __builtin_trap();
  if (outcome->end == nft::TransactionEnd::kCommitted) {
    if (outcome->step != nft::TransactionOutcome::kNoStep) __builtin_trap();
  } else if (outcome->end != nft::TransactionEnd::kRefused || outcome->text.empty() ||
             outcome->script != 0 || outcome->step >= script->header().count) {
    __builtin_trap();
  }
  return 0;
}
