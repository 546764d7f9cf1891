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
    rule: /! -[sd] (0\.0\.0\.0|::)\/0/,
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

/** Rules that we write in nf_tables in another form than they have in legacy tables. */
export const writtenByUs: readonly RuleDifference[] = [
  { rule: /^-j QUEUE$/, because: 'it is NFQUEUE with queue 0 there, which does the same' },
  {
    rule: /-j NFLOG .*--nflog-range/,
    because: 'nf_tables has no such field, and no kernel ever looked at it',
  },
];

/** Rules that iptables-nft-save prints otherwise than this package does. */
export const printedByTool: readonly RuleDifference[] = [
  { rule: /"/, because: 'it prints names of interfaces without quotes' },
  {
    rule: /! --[sd]port 0:65535|--tcp-flags NONE/,
    because: 'it leaves out what a rule can never pass',
  },
  { rule: /! --[sd]port 0:\d+/, because: 'it prints the ports that are left' },
  {
    rule: /--ct(orig|repl)(src|dst)port \d+:0/,
    because: 'it prints a range that ends at 0 as one port',
  },
  { rule: /-m (tcp|udp) .*-m (tcp|udp) /, because: 'it prints two matches as one' },
  {
    rule: /! --fragid 0:4294967295|! --mh-type 0:255/,
    because: 'it leaves out what a rule can never pass',
  },
];
