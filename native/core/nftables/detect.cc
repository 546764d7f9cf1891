// Looking at nf_tables.
#include "core/nftables/detect.h"

#include <arpa/inet.h>
#include <errno.h>

#include "core/netlink/socket.h"
#include "core/nftables/builtin.h"
#include "core/nftables/objects.h"
#include "core/operation.h"

namespace nf::nft {
Result<Look> look_at_nft(std::uint8_t family, const Cancel* cancel) {
  Look look;
  auto socket = Socket::open(operation::kNftLook);
  if (!socket) {
    // Without netlink for netfilter there is no nf_tables.
    if (socket.error().code == EPROTONOSUPPORT) return look;
    return socket.error();
  }
  Reader reader(*socket, cancel, operation::kNftLook);
  auto tables = reader.each<Table>(
      family, [&] { look.tables.clear(); },
      [&](const Table& table) { look.tables.emplace_back(table.name); });
  if (!tables) {
    if (is_absent(tables.error())) return look;
    return tables.error();
  }
  look.available = true;
  auto chains = reader.each<Chain>(
      family, [&] { look.chains.clear(); },
      [&](const Chain& chain) {
        if (!chain.hook) return;
        const BuiltinTable* builtin = builtin_table(chain.table);
        const bool shaped =
            builtin != nullptr &&
            builtin->has(chain.name, chain.type, chain.hook->number, chain.hook->priority);
        look.chains.push_back({std::string(chain.table), std::string(chain.name), shaped,
                               chain.policy == NF_DROP, chain.use});
      });
  if (!chains) return chains.error();
  // The kernel's count already has what a transaction does that is not committed yet, and perhaps
  // never is. It can be 0 for a chain that has rules.
  for (BaseChainLook& chain : look.chains) {
    if (!chain.iptables || chain.rules != 0) continue;
    std::uint32_t rules = 0;
    auto counted = reader.each_rule(
        family, chain.table, chain.name, [&] { rules = 0; }, [&](const Rule&) { rules++; });
    // The chain may be gone by now.
    if (!counted && counted.error().code != ENOENT) return counted.error();
    chain.rules = rules;
  }
  return look;
}

}  // namespace nf::nft
