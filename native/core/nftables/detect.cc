// Looking at nf_tables.
#include "core/nftables/detect.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <functional>

#include "core/netlink/attribute.h"
#include "core/netlink/socket.h"
#include "core/netlink/walk.h"

namespace nf::xt {
namespace {

std::string text_of(const Attribute& attribute) {
  const auto* data = reinterpret_cast<const char*>(attribute.data);
  return {data, ::strnlen(data, attribute.size)};
}

// Dumps one kind of object; `each` gets the attributes of every one.
Result<void> dump(Socket& socket, std::uint16_t type, std::uint8_t family, const Cancel* cancel,
                  const char* operation, const std::function<void()>& restart,
                  const std::function<void(AttributeCursor)>& each) {
  WalkRequest request;
  request.type = static_cast<std::uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | type);
  request.family = family;
  return walk(socket, request, cancel, operation, restart,
              [&](std::uint8_t, AttributeCursor attributes) { each(attributes); });
}

}  // namespace

Result<NftState> read_nft_state(const Layout& layout, const Cancel* cancel) {
  constexpr const char* kOperation = "nf_tables look";
  NftState state;
  auto socket = Socket::open(kOperation);
  if (!socket) {
    // No netfilter netlink, no nf_tables.
    if (socket.error().code == EPROTONOSUPPORT) return state;
    return socket.error();
  }
  const auto family =
      static_cast<std::uint8_t>(layout.family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
  auto tables = dump(
      *socket, NFT_MSG_GETTABLE, family, cancel, kOperation, [&] { state.tables.clear(); },
      [&](AttributeCursor attributes) {
        for (Attribute a; attributes.next(a);) {
          if (a.type == NFTA_TABLE_NAME) state.tables.push_back(text_of(a));
        }
      });
  if (!tables) {
    // nfnetlink.c: EINVAL for a subsystem that nobody registered.
    if (tables.error().code == EINVAL || tables.error().code == EOPNOTSUPP) return state;
    return tables.error();
  }
  state.available = true;
  auto chains = dump(
      *socket, NFT_MSG_GETCHAIN, family, cancel, kOperation,
      [&] {
        state.chains.clear();
        state.other_rules = 0;
      },
      [&](AttributeCursor attributes) {
        NftChain chain;
        bool base = false;
        for (Attribute a; attributes.next(a);) {
          if (a.type == NFTA_CHAIN_TABLE) chain.table = text_of(a);
          if (a.type == NFTA_CHAIN_NAME) chain.name = text_of(a);
          if (a.type == NFTA_CHAIN_TYPE) chain.type = text_of(a);
          if (a.type == NFTA_CHAIN_USE && a.size >= 4) chain.rules = a.be32();
          if (a.type == NFTA_CHAIN_POLICY && a.size >= 4) chain.drops = a.be32() == NF_DROP;
          if (a.type != NFTA_CHAIN_HOOK) continue;
          base = true;
          AttributeCursor hook(a);
          for (Attribute h; hook.next(h);) {
            if (h.size < 4) continue;
            if (h.type == NFTA_HOOK_HOOKNUM) chain.hook = h.be32();
            if (h.type == NFTA_HOOK_PRIORITY) {
              chain.priority = static_cast<std::int32_t>(h.be32());
            }
          }
        }
        if (base) {
          state.chains.push_back(chain);
        } else {
          state.other_rules += chain.rules;
        }
      });
  if (!chains) return chains.error();
  return state;
}

}  // namespace nf::xt
