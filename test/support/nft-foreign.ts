// Rules of the nft tool in iptables' tables of nf_tables, with and without words of iptables. A table that has them,
// and the expressions of its rules as the nft tool lists them. For tests under test/kernel only.
import { Iptables } from '../../src/iptables/iptables.js';
import { assert } from './harness.js';
import type { Family } from './iptables-tables.js';
import { nft, nftReset, nftTool } from './nft-tables.js';

/** The tables of that family in nf_tables. */
export const open = (family: Family) => Iptables.open({ backend: 'nft', family });
/** The family's word of the nft tool. */
export const short = (family: Family) => (family === 'ipv6' ? 'ip6' : 'ip');

/** Addresses for the words of a rule. */
export const places = {
  ipv4: { A: '10.0.0.1', B: '10.0.0.2', self: '127.0.0.1', type: 'ipv4_addr' },
  ipv6: { A: 'fd00::1', B: 'fd00::2', self: '::1', type: 'ipv6_addr' },
};

/** Rules that iptables has no words for. A and B are addresses, IP is the family's word. */
export const foreignRules = [
  'IP saddr @hosts counter accept',
  'meta mark set tcp dport map @marks counter',
  'IP saddr . tcp dport @pairs counter accept',
  'ct state established,related counter accept',
  'ct mark 5 counter',
  'add @seen { IP saddr limit rate over 5/second } counter drop',
  'quota over 1000 mbytes counter drop',
  'limit rate over 5/second counter drop',
  'limit rate 100 kbytes/second counter accept',
  'notrack',
  'fib saddr type local counter',
  'numgen random mod 2 0 counter',
  'counter log group 3 accept',
  'log group 4 counter',
  'log prefix "x" counter',
  'counter IP saddr A accept',
  'ct mark 6 counter comment "said"',
  'meta skuid 0 counter accept',
  'meta mark and 0x3 or 0x4 == 0x7 counter',
  'IP saddr > A counter',
  'counter meta priority set 1:2',
  'reject',
];
/** Each counter of a rule keeps its own values. */
export const twoCounters = 'counter packets 3 bytes 30 IP saddr A counter packets 5 bytes 50 drop';
/** The same with a set of their own, which the kernel deletes with the rule. */
export const withSets = [
  'IP saddr { A, B } counter drop',
  'tcp dport { 80, 90-100 } counter',
  'tcp dport vmap { 81 : accept, 82 : jump one }',
  'IP saddr . tcp dport vmap { A . 80 : drop }',
];
/** The kernel lists an attribute of this that it takes from nobody. */
export const notTaken = 'tcp option maxseg size set 1400 counter';
/** Rules of the nft tool that iptables has words for, and these words. */
export const readable: readonly (readonly [string, string])[] = [
  ['IP saddr A accept', '-s A -j ACCEPT'],
  ['tcp dport 80 drop', '-p tcp -m tcp --dport 80 -j DROP'],
  ['iifname "lo" counter return', '-i lo -j RETURN'],
  ['counter drop comment "said"', '-m comment --comment said -j DROP'],
  ['meta mark 7 counter', '-m mark --mark 0x7'],
  ['limit rate 7/minute counter', '-m limit --limit 7/min'],
];

export function words(text: string, family: Family): string {
  const { A, B } = places[family];
  return text.replaceAll('IP', short(family)).replace(/\bA\b/g, A).replace(/\bB\b/g, B);
}

export interface Dumped {
  readonly chain: string;
  readonly handle: string;
  /** Its expressions as libnftnl prints them, and its line with the comment. */
  readonly text: string;
}

/** The rules of a table as the nft tool has them from the kernel. */
export function dumped(family: Family, table = 'filter'): Dumped[] {
  const out = nftTool('-a', '-nn', '--debug=netlink', 'list', 'table', short(family), table);
  const comments = new Map<string, string>();
  for (const [, line, handle] of out.matchAll(/^\t\t(.*) # handle (\d+)$/gm)) {
    comments.set(handle!, line!);
  }
  const heads = new RegExp(`^${short(family)} ${table} (\\S+) (\\d+)(?: \\d+)?\\s*$`, 'm');
  // Chain, handle and expressions of each rule; first what comes before the rules, last the listing.
  const [, ...parts] = out.slice(0, out.indexOf(`\ntable ${short(family)} `)).split(heads);
  return Array.from({ length: parts.length / 3 }, (_, index) => {
    const [chain, handle, expressions] = parts.slice(3 * index);
    return {
      chain: chain!,
      handle: handle!,
      text: `${expressions!.trim()}\n${comments.get(handle!)}`,
    };
  });
}

/** A table of iptables with the objects that the rules use, and a rule before and behind those that are added. */
export function start(family: Family, rules: readonly string[]): void {
  nftReset();
  fill(family, 'filter', rules);
}

/** The same in any table, which is empty. Other tables stay as they are. */
export function fill(family: Family, table: string, rules: readonly string[]): void {
  const ip = short(family);
  nft(family, '-t', table, '-N', 'one');
  nft(family, '-t', table, '-A', 'one', '-j', 'RETURN');
  nft(family, '-t', table, '-A', 'INPUT', '-p', 'tcp', '--dport', '1', '-j', 'ACCEPT');
  const { type, A, B } = places[family];
  nftTool(
    [
      `add set ${ip} ${table} hosts { type ${type}; elements = { ${A}, ${B} } ; }`,
      `add set ${ip} ${table} pairs { type ${type} . inet_service; }`,
      `add map ${ip} ${table} marks { type inet_service : mark; }`,
      `add set ${ip} ${table} seen { type ${type}; size 100; flags dynamic,timeout; timeout 1m; }`,
      ...rules.map((rule) => `add rule ${ip} ${table} INPUT ${words(rule, family)}`),
    ].join('\n'),
  );
  nft(family, '-t', table, '-A', 'INPUT', '-p', 'tcp', '--dport', '2', '-j', 'one');
}

export async function rejects(code: RegExp, work: () => Promise<unknown>): Promise<Error> {
  try {
    await work();
  } catch (error) {
    assert.match(String((error as { code?: string }).code ?? '') + String(error), code);
    return error as Error;
  }
  throw new Error('it was not refused');
}
