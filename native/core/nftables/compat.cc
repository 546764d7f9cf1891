// Asks nft_compat.
#include "core/nftables/compat.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>

#include "core/netlink/exchange.h"
#include "core/netlink/socket.h"
#include "core/operation.h"

namespace nf::nft {

Result<std::vector<bool>> has_extensions(const xt::Family& family,
                                         const std::vector<xt::RevisionQuery>& queries) {
  std::vector<bool> found;
  auto socket = Socket::open(operation::kProbe);
  if (!socket) return socket.error();
  Exchange exchange(*socket, nullptr, operation::kProbe);
  for (const xt::RevisionQuery& query : queries) {
    const auto build = [&](MessageBuilder& message, std::uint32_t sequence) {
      message.begin(NFNL_SUBSYS_NFT_COMPAT << 8 | NFNL_MSG_COMPAT_GET, NLM_F_REQUEST, sequence,
                    static_cast<std::uint8_t>(family.family));
      message.string(NFTA_COMPAT_NAME, query.name);
      message.be32(NFTA_COMPAT_REV, query.revision);
      message.be32(NFTA_COMPAT_TYPE, query.target ? 1 : 0);
      message.end();
    };
    auto refusal = request(exchange, build);
    if (!refusal) return refusal.error();
    // ENOENT: no such extension. The others: it has other revisions.
    const int code = refusal->code;
    const bool lacks = code == ENOENT || code == EPROTONOSUPPORT || code == EPROTOTYPE;
    if (code != 0 && !lacks) {
      return fail(code, std::string(family.tool) + " extension probe", refusal->text,
                  ErrorKind::kXtables);
    }
    found.push_back(!lacks);
  }
  return found;
}

}  // namespace nf::nft
