// The head of a rule (the part before its matches): its type, its checks, its text, and the form for comparisons.
// Knows no bytes and no extension.
import { badType } from '../../errors.js';
import { formatNetwork, notAddress, parseNetwork } from '../extensions/address-values.js';
import type { Not, Place } from '../extensions/define.js';
import { isNot, onlyNot } from '../extensions/define.js';
import { checkInterface } from '../extensions/interfaces.js';
import { protocol } from '../extensions/number-values.js';
import type { HostNames } from '../text/host-names.js';
import { refused } from '../text/refused.js';
import { bare } from '../text/words.js';

/** What a rule, or the policy of a chain, has counted. */
export interface Counters {
  /** Packets, of 64 bits. */
  readonly packets: bigint;
  /** Bytes of the IP packets, of 64 bits. */
  readonly bytes: bigint;
}

/** The counters of most rules in a new table. */
export const noCounters: Counters = Object.freeze({ packets: 0n, bytes: 0n });

/** The head of a rule: the fields before its matches. */
export interface RuleHead {
  /**
   * `tcp`, or a number. Absent: any. IPv6 also has `all`, which `-p all` sets: any, but the kernel must find a
   * transport header in the packet.
   */
  readonly protocol?: Not<string | number>;
  /** `10.0.0.1`, `10.0.0.0/8`, `2001:db8::/32`, a mask in dotted form; bits outside the mask are cut. */
  readonly src?: Not<string>;
  /** As `src`. */
  readonly dst?: Not<string>;
  /** Incoming interface, at most 15 bytes; a `+` at the end means any name with this beginning. */
  readonly in?: Not<string>;
  /** Outgoing interface. */
  readonly out?: Not<string>;
  /** Second and further fragments (`{ not: true }`: first fragments and whole packets). IPv4 only. */
  readonly fragment?: Not<true>;
}

/** A head whose fields may be `undefined`. */
export type ReadHead = { readonly [K in keyof RuleHead]?: RuleHead[K] | undefined };

/** All fields of a head, to be filled. */
export type HeadDraft = { -readonly [K in keyof RuleHead]-?: RuleHead[K] | undefined };

export const emptyHead = (): HeadDraft => ({
  protocol: undefined,
  src: undefined,
  dst: undefined,
  in: undefined,
  out: undefined,
  fragment: undefined,
});

/** Networks that match everything, unless they are negated. */
const anywhere = new Set<unknown>(['0.0.0.0/0', '::/0']);

/** Checks the head. Returns the canonical form. */
export function checkHead(given: RuleHead, place: Place): RuleHead {
  const head: { -readonly [K in keyof RuleHead]: RuleHead[K] } = {};
  const each = <T>(key: keyof RuleHead, check: (value: unknown, at: Place) => T) => {
    const value: unknown = given[key];
    if (value === undefined) return undefined;
    const at = { ...place, path: `${place.path}.${key}` };
    if (isNot(value)) {
      onlyNot(value, at);
      return { not: check(value.not, { ...at, path: `${at.path}.not` }) };
    }
    return check(value, at);
  };
  const address = (value: unknown, at: Place) => {
    if (typeof value !== 'string') throw badType(at.path, 'a string', value);
    const parsed = parseNetwork(value, at.family);
    if (parsed === undefined) throw notAddress(value, at, 'address or network');
    return formatNetwork(parsed);
  };
  const proto = each('protocol', protocol.check);
  if (proto !== undefined) {
    const isAny = protocolOf({ protocol: proto }, place.names).number === 0;
    if (isAny && isNot(proto)) {
      throw refused(`${place.path}.protocol`, 'a rule for no protocol would never match');
    }
    if (!isAny) head.protocol = namedProtocol(proto, place.names);
    else if (place.family === 'ipv6') head.protocol = 'all';
  }
  const src = each('src', address);
  if (src !== undefined && !anywhere.has(src)) head.src = src;
  const dst = each('dst', address);
  if (dst !== undefined && !anywhere.has(dst)) head.dst = dst;
  const input = each('in', checkInterface);
  if (input !== undefined) head.in = input;
  const output = each('out', checkInterface);
  if (output !== undefined) head.out = output;
  const fragment = each('fragment', (value, at) => {
    if (value !== true) throw badType(at.path, 'true', value);
    if (at.family === 'ipv6') throw refused(at.path, 'IPv6 has the match frag instead');
    return true as const;
  });
  if (fragment !== undefined) head.fragment = fragment;
  return head;
}

/** The protocol by the name that is printed, if it has one. */
function namedProtocol(given: Not<string | number>, names: HostNames): Not<string | number> {
  const { number, inverted } = protocolOf({ protocol: given }, names);
  const name = names.protocolName(number) ?? number;
  return inverted ? { not: name } : name;
}

/** The protocol that the matches of a rule can rely on. */
export function protocolOf(
  head: ReadHead,
  names: HostNames,
): { number: number; inverted: boolean } {
  const inverted = isNot(head.protocol);
  const value = isNot(head.protocol) ? head.protocol.not : head.protocol;
  if (value === undefined) return { number: 0, inverted: false };
  const number = typeof value === 'number' ? value : (names.protocolNumber(value as string) ?? 0);
  return { number, inverted };
}

/** `-s … -d … -i … -o … -p … -f`, as iptables-save orders them. */
export function printHead(head: RuleHead): string {
  let text = '';
  const put = (
    option: string,
    given: Not<unknown> | undefined,
    value: (plain: string) => string,
  ) => {
    if (given === undefined) return;
    const plain = String(isNot(given) ? given.not : given);
    const printed = value(plain);
    if (printed === '' && option !== '-f') return;
    text += `${isNot(given) ? ' !' : ''} ${option}${printed === '' ? '' : ` ${printed}`}`;
  };
  put('-s', head.src, printNetwork);
  put('-d', head.dst, printNetwork);
  // `+` alone matches every interface: its mask is empty, and iptables-save leaves it out. Negated it matches no
  // interface. iptables-save leaves that out too, and the rule that it writes matches everything.
  put('-i', head.in, (name) => (name === '+' && !isNot(head.in) ? '' : bare(name)));
  put('-o', head.out, (name) => (name === '+' && !isNot(head.out) ? '' : bare(name)));
  put('-p', head.protocol, (name) => (name === 'all' ? '' : name));
  put('-f', head.fragment, () => '');
  return text;
}

/** iptables-save always writes the mask of an address; everything else has its form already. */
function printNetwork(text: string): string {
  if (text.includes('/')) return text;
  return text.includes(':') ? `${text}/128` : `${text}/32`;
}

/**
 * The head for comparisons, without the parts that have no effect. These are `-i +`, which matches any interface, and
 * IPv6's `-p all`, which iptables-save does not show (it only makes the kernel look for a header).
 */
export function headMeaning(head: ReadHead, names: HostNames): readonly unknown[] {
  const { number, inverted } = protocolOf(head, names);
  const anyInterface = (name: RuleHead['in']) => (name === '+' ? undefined : name);
  return [
    number === 0 ? undefined : inverted ? { not: number } : number,
    ...[head.src, head.dst, anyInterface(head.in), anyInterface(head.out), head.fragment],
  ];
}

const sameField = (a: unknown, b: unknown) => a === b || (isNot(a) && isNot(b) && a.not === b.not);
/** A field without an effect counts as absent. */
const said = (value: RuleHead[keyof RuleHead]) =>
  value === '+' || value === 'all' ? undefined : value;

/** Whether two heads mean the same, for rules of one host: both use the same names. */
export function sameHead(a: ReadHead, b: ReadHead): boolean {
  return (
    sameField(a.src, b.src) &&
    sameField(a.dst, b.dst) &&
    sameField(said(a.in), said(b.in)) &&
    sameField(said(a.out), said(b.out)) &&
    sameField(said(a.protocol), said(b.protocol)) &&
    sameField(a.fragment, b.fragment)
  );
}
