// What the two backends of iptables do not have in common, in one place, with the reasons. Tests that run over both use
// this list, and no other exception.

/** A rule that iptables-nft 1.8.9 stores as another rule than iptables-legacy does. */
export interface RuleDifference {
  /** Fits the text of the rule. */
  readonly rule: RegExp;
  readonly because: string;
}

/** Rules that iptables-nft changes when it writes them. What this package writes means what the text says. */
export const changedByTool: readonly RuleDifference[] = [
  {
    rule: /-j NFLOG .*--nflog-range/,
    because: 'it leaves out the range, which no kernel ever looked at',
  },
  {
    rule: /-m (tcp|udp) .*! --[sd]port 0:65535/,
    because: 'it leaves out a port that is any, and forgets that it was negated',
  },
  {
    rule: /-m tcp .*--tcp-flags NONE/,
    because: 'it leaves out flags without a mask, also those that can never be set',
  },
  {
    rule: /-m (tcp|udp) .*! --sport \d+ ! --dport \d+( |$)/,
    because: 'it compares both ports at once, which negates the pair and not each',
  },
];

/** Rules that iptables-nft or nf_tables refuses, and iptables-legacy takes. */
export const refusedByTool: readonly RuleDifference[] = [
  {
    rule: /^! -s 0\.0\.0\.0\/0|! -[sd] ::\/0/,
    because: 'it loads no bytes, which the kernel refuses',
  },
  {
    rule: /-j QUEUE$/,
    because: 'it takes the verdict for a target, which the kernel does not have',
  },
  {
    rule: /-j (INPUT|FORWARD|OUTPUT|PREROUTING|POSTROUTING)$/,
    because: 'nothing jumps to a base chain',
  },
];
