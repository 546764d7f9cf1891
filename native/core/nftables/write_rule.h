// A rule of iptables as a rule of nf_tables. Given is a portable entry (core/xtables/entry.h). The
// result is in the form that iptables-nft 1.8.9 writes, byte for byte, wherever that form means
// what the entry means to ip_tables. So iptables-nft reads, prints, finds and deletes these rules.
//
// A rule is: -i, -o, -p, -s, -d, -f, then the matches in their order, a counter, and the target.
// Most matches and targets are the same bytes as in the entry, with the kernel's private tails.
// These have expressions of their own: the ports and flags of tcp and udp, mark, limit, NFLOG,
// TRACE, verdicts and jumps.
//
// Where the form of iptables-nft means something else, another one is written that iptables-nft
// also reads:
//
// - `! --sport A ! --dport B`: two comparisons. iptables-nft compares both ports at once. This also
//   matches a packet of which only one port differs.
// - `! --sport 0:65535`: a range that no port is outside of. iptables-nft leaves it out.
// - `! --tcp-flags NONE NONE`, `--tcp-flags NONE SYN`: a comparison that always fails. iptables-nft
//   leaves out each comparison without a mask.
// - A second tcp or udp match: the match of x_tables. iptables-nft writes it like the first. When
//   it reads the rule, the ports of both become one match.
// - `! -s 0.0.0.0/0`: a load under an empty mask. iptables-nft loads no bytes, which the kernel
//   refuses.
// - An address with bits outside its mask: in IPv4 a load under the whole mask, which no packet
//   passes; iptables-nft compares fewer bytes, and then packets pass. In IPv6 without these bits,
//   as ip6_tables compares only under the mask.
// - A limit that is no whole number in a unit: the match of x_tables. iptables-nft rounds it, and
//   cannot divide by zero.
// - `-p all` of IPv6: a load of the protocol without a comparison. It fails where ip6_tables fails:
//   in packets whose headers lead to no protocol. iptables-nft writes nothing.
// - A protocol of IPv6 without the flag for it: nothing, as ip6_tables does not look at it.
//   iptables-nft compares.
// - An interface with an empty mask: nothing, or what never matches if it is inverted. iptables-nft
//   looks at the name only. (`-i +` itself is a load, as iptables-nft has it.)
// - A prefix of 15 bytes: the whole name, as no longer name exists. iptables-nft could not read it.
// - QUEUE: the target NFQUEUE with queue 0, which does the same. iptables-nft writes a target that
//   the kernel does not have. The kernel has the verdict, but iptables-nft would read a rule
//   without a target.
// - mark, limit, tcp, udp, NFLOG and TRACE with bytes that have no expression, such as a prefix of
//   NFLOG without an end: the bytes of x_tables. The kernel judges them, and refuses most.
//
// One difference to ip_tables is left, and iptables-nft has it too. Kernels (seen in 6.18) load up
// to four bytes of a transport header by a short way that does not ask whether the packet is a
// later fragment. There the ports and flags of tcp and udp are compared with what the fragment has
// in that place. With connection tracking no such packet comes: it puts them together first.
//
// The range of NFLOG without its flag (--nflog-range) is left out, as iptables-nft does: the kernel
// has never looked at it.
//
// These are refused: what iptables-nft could not read back, and what ip_tables refuses although
// nf_tables would take it. tcp and udp under another protocol, protocols above 255, parts of
// interface names, an inverted -f without -f, unknown flags, ERROR, and rules too long for one
// attribute.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/netlink/message.h"
#include "core/nftables/chain_names.h"
#include "core/xtables/entry.h"

namespace nf::nft {

// Appends NFTA_RULE_EXPRESSIONS and NFTA_RULE_COMPAT to the message that is open. Returns null, or
// why nf_tables cannot have this rule: nothing was appended then. The counters of the entry itself
// do not matter.
const char* write_rule(const xt::Layout& layout, const std::uint8_t* entry, std::size_t size,
                       const xt::Counters& counters, const IsChain& is_chain, MessageBuilder& out);

}  // namespace nf::nft
