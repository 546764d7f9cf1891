// What the two backends of iptables do not have in common, in one place, with the reasons. Tests that run over both use
// this list, and no other exception.
import { backend } from './backend.js';

/** Something that is not the same in the two columns. */
export interface Difference<T> {
  readonly legacy: T;
  readonly nft: T;
  readonly because: string;
}

/** What it is in the backend of this run. */
export function here<T>(difference: Difference<T>): T {
  return difference[backend];
}

/** The families in which iptables and iptables-restore take the counters of a rule. */
export const takesCounters: Difference<readonly string[]> = {
  legacy: ['ipv4', 'ipv6'],
  nft: ['ipv4'],
  because: 'ip6tables-nft 1.8.9 and its restore make every rule with counters of zero',
};

/** Whether `-P` takes counters. */
export const policyTakesCounters: Difference<boolean> = {
  legacy: true,
  nft: false,
  because: 'iptables-nft 1.8.9 reads the -c of a -P, and sends the policy without it',
};

/** Whether commands of one section can build on each other. */
export const commandsTogether: Difference<boolean> = {
  legacy: true,
  nft: false,
  because:
    'until it commits, iptables-nft-restore 1.8.9 knows a renamed chain by its old name only, and inserts before rules that it has deleted',
};

/** Names of chains that iptables-restore takes in the line that declares them. */
export const declaredNames: Difference<RegExp> = {
  legacy: /^/,
  nft: /^[^-!]/,
  because: 'iptables-nft-restore checks the first character also there, and -N does so in both',
};

/** Lines that iptables-restore takes. iptables-legacy-restore and this package refuse them. */
export const takenByTool: Difference<readonly string[]> = {
  legacy: [],
  nft: ['-Z INPUT 4', '-E INPUT new', ':old ACCEPT [0:0]'],
  because:
    'iptables-nft zeroes nothing if there is no such rule, renames also a base chain, and drops the policy of another chain',
};

/** The code of a commit that makes chains jump in a loop. */
export const loopCode: Difference<string> = {
  legacy: 'ELOOP',
  nft: 'EMLINK',
  because:
    'ip_tables finds the loop itself; nf_tables follows the jumps, and stops where they are too deep',
};

/** Whether a restore that only tests finds what only the kernel knows. */
export const testAsksKernel: Difference<boolean> = {
  legacy: false,
  nft: true,
  because:
    'nf_tables answers for a transaction that is not committed; ip_tables has only the commit',
};

/** What the message says of two rules, each of which names an object that does not exist. */
export const missingObjects: Difference<RegExp> = {
  legacy: /^line 1: .*helper one .*or.* timeout policy two/,
  nft: /^line 2: .*helper one \(rule 0 of chain PREROUTING\)\)/,
  because: 'ip_tables answers for the whole table, nf_tables for each rule',
};

/** Which counters a rule keeps that a commit makes again, if packets come between the reading and the commit. */
export const remadeRuleKeeps: Difference<'all' | 'what was read'> = {
  legacy: 'all',
  nft: 'what was read',
  because:
    'ip_tables adds what the old rule has counted since the reading; a rule of nf_tables is made with its counters',
};

/** Whether an edit waits for the xtables lock. */
export const waitsForLock: Difference<boolean> = {
  legacy: true,
  nft: false,
  because: 'iptables-nft does not take the lock, so it would keep nobody away',
};

/** Rules of one chain in tests of many rules. */
export const manyRules: Difference<number> = {
  legacy: 130_000,
  nft: 30_000,
  because:
    'the kernel begins at the first rule again for each part of a listing: 30,000 rules take half a second, 130,000 take nine',
};

/** Rules of a large table that is loaded, listed and compared again and again. */
export const largeTable: Difference<number> = {
  legacy: 50_000,
  nft: 10_000,
  because: manyRules.because,
};

/** How often an edit is tried that others disturb. */
export const attempts: Difference<number> = {
  legacy: 3,
  nft: 32,
  because: 'the lock keeps other writers of ip_tables away, and nothing those of nf_tables',
};

/** What can be done about a writer that disturbs each try. */
export const whenChanged: Difference<RegExp> = {
  legacy: /does not take the xtables lock/,
  nft: /no lock keeps other writers of nf_tables away/,
  because: 'there is no lock in nf_tables that could be taken',
};

/** Whether the kernel tells each commit. If not, changes are found by reading the tables again. */
export const tellsEachCommit: Difference<boolean> = {
  legacy: false,
  nft: true,
  because: 'ip_tables sends no events',
};

/** Whether it is known who made a commit. */
export const whoMade: Difference<boolean> = {
  legacy: false,
  nft: true,
  because: tellsEachCommit.because,
};

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

/** Whether the tool of this run's backend refuses a rule that iptables-legacy takes. */
export function isRefusedByTool(rule: string): boolean {
  return backend === 'nft' && refusedByTool.some((each) => each.rule.test(rule));
}
