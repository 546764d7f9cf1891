// Every rule that our own code writes in another form than iptables-nft 1.8.9, with the reason. The first lines of
// native/core/nftables/write_rule.h say the same.
import type { Family } from '../../src/iptables/rule/rule.js';
import { layouts } from '../../src/iptables/xtables/entry.js';

/** Changes the bytes of an entry, for rules that no text says. */
export type Change = (entry: Uint8Array, family: Family) => void;

export interface Example {
  text: string;
  change?: Change;
  /** How iptables-nft-save prints what we write. By default: the text. */
  printed?: string;
  /** The only family that has it. */
  family?: Family;
}

export interface Difference {
  reason: string;
  /** Whether a rule of the corpus is one of these. */
  is?: RegExp;
  family?: Family;
  examples: readonly Example[];
}

const headerSize = 32;
const firstMatch = (family: Family) => layouts[family].size + headerSize;
const set =
  (at: (layout: (typeof layouts)[Family], family: Family) => number, ...bytes: number[]): Change =>
  (entry, family) =>
    entry.set(bytes, at(layouts[family], family));
const both =
  (...changes: readonly Change[]): Change =>
  (entry, family) => {
    for (const change of changes) change(entry, family);
  };
const zeros = (count: number) => Array.from({ length: count }, () => 0);
const ones = (count: number) => Array.from({ length: count }, () => 0xff);
const name = (text: string) => [...Buffer.from(text)];
const maskOfIn = (...bytes: number[]) => set((layout) => layout.inMask, ...bytes);
const limit = (each: number) => (entry: Uint8Array, family: Family) =>
  new DataView(entry.buffer, entry.byteOffset).setUint32(firstMatch(family), each, true);

export const longName = 'abcdefghijklmno';

export const differences: readonly Difference[] = [
  {
    reason: 'iptables-nft compares two inverted ports at once: it also matches if only one differs',
    is: /! --sport [1-9]\d* ! --dport [1-9]\d*$/,
    examples: [
      { text: '-p udp -m udp ! --sport 1000 ! --dport 2000' },
      { text: '-p tcp -m tcp ! --sport 1000 ! --dport 2000' },
    ],
  },
  {
    reason: 'iptables-nft leaves out every full range of ports, also if it is inverted',
    is: /^(?!.*-m (multiport|sctp|dccp)).*! --(s|d|source-|destination-)port (0:65535|:)( |$)/,
    examples: [
      // No iptables prints a full range.
      { text: '-p udp -m udp ! --sport 0:65535', printed: '-p udp -m udp' },
      { text: '-p tcp -m tcp ! --dport 0:65535', printed: '-p tcp -m tcp' },
    ],
  },
  {
    reason: 'iptables-nft leaves out every comparison of TCP flags without a mask',
    is: /! --tcp-flags (NONE|"") |--tcp-flags (NONE|"") (?!NONE|"")/,
    examples: [
      { text: '-p tcp -m tcp ! --tcp-flags NONE NONE' },
      // No iptables prints an empty mask that is not inverted.
      { text: '-p tcp -m tcp --tcp-flags NONE SYN', printed: '-p tcp -m tcp' },
    ],
  },
  {
    reason: 'iptables-nft reads the ports of two tcp matches as one match',
    is: /-m (tcp|udp) .*-m \1 /,
    examples: [
      { text: '-p tcp -m tcp --dport 2000 -m tcp --dport 1:3000' },
      { text: '-p udp -m udp --sport 1000 -m udp ! --sport 1000' },
    ],
  },
  {
    reason: 'iptables-nft loads no bytes for an empty mask, which the kernel refuses',
    examples: [
      { text: '! -s 0.0.0.0/0', family: 'ipv4' },
      { text: '! -d 0.0.0.0/0', family: 'ipv4' },
      { text: '! -s ::/0', family: 'ipv6' },
    ],
  },
  {
    reason:
      'iptables-nft compares only bytes under the mask, where the kernel finds no such address',
    examples: [
      {
        text: '-s 127.0.0.0/8',
        family: 'ipv4',
        change: set(() => 0, 127, 0, 0, 1),
        printed: '-s 127.0.0.1/8',
      },
      {
        text: '! -d 127.0.0.0/8',
        family: 'ipv4',
        change: set(() => 4, 127, 0, 0, 2),
        printed: '! -d 127.0.0.2/8',
      },
      { text: '-s ::/64', family: 'ipv6', change: set(() => 15, 1) },
    ],
  },
  {
    reason: 'iptables-nft rounds a limit to a whole number in a unit',
    examples: [
      {
        text: '-m limit --limit 3/hour --limit-burst 3',
        change: limit(7_000_001),
        printed: '-m limit --limit 123/day --limit-burst 3',
      },
      {
        text: '-m limit --limit 3/hour --limit-burst 3',
        change: limit(0),
        printed: '-m limit --limit inf --limit-burst 3',
      },
    ],
  },
  {
    reason: 'iptables-nft writes nothing; ip6_tables does not match a packet without a protocol',
    is: /(-p|--protocol) ?(all|0)( |$)/,
    family: 'ipv6',
    examples: [{ text: '-p all', family: 'ipv6', printed: '' }],
  },
  {
    reason: 'iptables-nft compares the protocol although ip6_tables does not look at it',
    examples: [
      {
        text: '-p udp',
        family: 'ipv6',
        change: set((layout) => layout.flags, 0),
        printed: '',
      },
    ],
  },
  {
    reason: 'iptables-nft looks at the name of an interface and not at its mask',
    examples: [
      { text: '-i lo', change: maskOfIn(...zeros(16)), printed: '' },
      { text: '! -i lo', change: maskOfIn(...zeros(16)), printed: '! -i +' },
      { text: '-i nosuch0', change: maskOfIn(...zeros(16)), printed: '' },
      { text: '-i lox', change: maskOfIn(...ones(2), ...zeros(14)), printed: '-i lo+' },
      { text: '-i lo', change: maskOfIn(...ones(16)), printed: '-i lo' },
    ],
  },
  {
    reason: 'iptables-nft could not read a prefix of 15 bytes',
    examples: [
      {
        text: '-o x',
        change: both(
          set((layout) => layout.out, ...name(longName), 43),
          set((layout) => layout.outMask, ...ones(15), 0),
        ),
        printed: `-o ${longName}`,
      },
    ],
  },
];

/** Rules in iptables-nft's own form that could have needed one. Packets show that they mean the same. */
export const sameForms: readonly Example[] = [
  {
    text: '-p udp -m udp ! --dport 0:1500',
    printed: '-p udp -m udp --dport 1501:65535',
  },
  {
    text: '-m mark --mark 0x1/0x1',
    change: (entry, family) => entry.set([3], firstMatch(family)),
    printed: '-m mark --mark 0x3/0x1',
  },
  ...[
    ...['-p udp -m udp --sport 1000 --dport 2000', '-p tcp -m tcp ! --sport 1000 --dport 2000'],
    ...[
      '-p udp -m udp --dport 2000:1000',
      '-p udp -m udp ! --dport 2000:1000',
      '-p udp',
      '! -p udp',
    ],
    ...['-p udp -m udp --dport 0:1500', '-i lo', '! -i +', '-i l+'],
    ...['-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN', '-m mark --mark 0x3/0x7', '-p tcp -m tcp'],
    ...[`-o ${longName}`, '-o abc+', '! -o abc+', '-m mark ! --mark 0x1', '-m comment --comment x'],
  ].map((text): Example => ({ text })),
];
