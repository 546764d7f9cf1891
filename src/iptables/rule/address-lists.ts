// Lists of addresses in a rule's text: reads each part, and makes a rule for each pair of a source and a destination.
// Knows no other option.

import { badRange } from '../../errors.js';
import type { Network } from '../extensions/address-values.js';
import { formatNetwork } from '../extensions/address-values.js';
import type { Not } from '../extensions/define.js';
import type { Family } from '../text/addresses.js';
import {
  applyMask,
  isZero,
  parseIpv4,
  parseIpv6,
  parseMask,
  prefixMask,
} from '../text/addresses.js';
import { refused } from '../text/refused.js';
import type { CheckedRule } from './check.js';
import type { RuleHead } from './head.js';
import type { RuleInit } from './types.js';

/**
 * The most rules that one text may mean. Two lists multiply: `-s` and `-d` with 1,500 addresses each would need more
 * memory than a process has.
 */
export const mostRules = 262_144;

/** The argument of `-s` or `-d`. */
export interface Addresses {
  readonly parts: readonly string[];
  readonly inverted: boolean;
  /** Its name in messages. */
  readonly path: string;
}

/** A rule without its addresses. */
export interface RuleSpec {
  readonly family: Family;
  /** What is the same in all of its rules. */
  readonly base: RuleInit;
  readonly checked: CheckedRule;
  readonly sources: Addresses | undefined;
  readonly destinations: Addresses | undefined;
}

/** A rule that was read from text, and the result of its checks. */
export interface ParsedRule {
  readonly init: RuleInit;
  readonly checked: CheckedRule;
}

/** One address or network; nothing if it matches everything. */
interface Said {
  readonly value: Not<string>;
}

type Ends = readonly (Said | undefined)[];
const anywhere: Ends = [undefined];

/** How many rules a text means. Refuses lists without a meaning, and too many rules. */
export function countRules({ sources, destinations }: RuleSpec): number {
  const count = (sources?.parts.length ?? 1) * (destinations?.parts.length ?? 1);
  if (count > 1 && (sources?.inverted || destinations?.inverted)) {
    const path = sources?.inverted ? sources.path : destinations!.path;
    throw refused(path, 'cannot be negated beside a list of addresses');
  }
  if (count > mostRules) {
    throw refused(
      'rule',
      `its lists of addresses make ${count} rules, at most ${mostRules} are taken`,
    );
  }
  return count;
}

function* said(given: Addresses | undefined, family: Family): Generator<Said | undefined> {
  if (given === undefined) {
    yield undefined;
    return;
  }
  for (const part of given.parts) {
    const network = readNetwork(part, given.path, family);
    const { inverted } = given;
    // A /0 without `!` matches everything. The kernel's entry cannot hold it either.
    if (!inverted && isZero(network.mask)) {
      yield undefined;
    } else {
      const text = formatNetwork(network);
      yield { value: inverted ? { not: text } : text };
    }
  }
}

/** iptables' xtables_ipparse_multiple(): white space before it is skipped. */
function readNetwork(given: string, path: string, family: Family): Network {
  const text = given.replace(/^[ \t\n\v\f\r]+/, '');
  const cut = text.lastIndexOf('/');
  const length = family === 'ipv4' ? 4 : 16;
  let mask = full[family];
  if (cut >= 0) {
    const parsed = parseMask(text.slice(cut + 1), family);
    if (parsed === undefined) throw badRange(path, 'a mask or prefix length after /', given);
    mask = parsed;
    // Then the address does not matter. It may be any word: `any/0`.
    if (isZero(mask)) return { address: new Uint8Array(length), mask };
  }
  const host = cut < 0 ? text : text.slice(0, cut);
  const address = family === 'ipv4' ? parseIpv4(host, true) : parseIpv6(host);
  if (address === undefined) {
    const expected = `an ${family === 'ipv4' ? 'IPv4' : 'IPv6'} address or network (host names are not resolved)`;
    throw badRange(path, expected, given);
  }
  return { address: cut < 0 ? address : applyMask(address, mask), mask };
}

const full = { ipv4: prefixMask(32, 'ipv4'), ipv6: prefixMask(128, 'ipv6') };

/** The rule for one pair. `own`: no other rule shares the common parts, so they may be changed. */
function ruleFor(
  { base, checked }: RuleSpec,
  src: Said | undefined,
  dst: Said | undefined,
  own: boolean,
): ParsedRule {
  const init: { -readonly [K in keyof RuleInit]: RuleInit[K] } = own ? base : { ...base };
  const head: { -readonly [K in keyof RuleHead]: RuleHead[K] } = own
    ? checked.head
    : { ...checked.head };
  if (src !== undefined) {
    init.src = src.value;
    head.src = src.value;
  }
  if (dst !== undefined) {
    init.dst = dst.value;
    head.dst = dst.value;
  }
  const { matches, target, counters } = checked;
  return { init, checked: { head, matches, target, counters } };
}

/** A rule for each pair of addresses, in iptables' order. */
export function expand(spec: RuleSpec): ParsedRule[] {
  const { sources, destinations, family } = spec;
  const own = countRules(spec) === 1;
  const from = sources === undefined ? anywhere : [...said(sources, family)];
  const to = destinations === undefined ? anywhere : [...said(destinations, family)];
  const rules: ParsedRule[] = [];
  for (let i = 0; i < from.length; i++) {
    for (let j = 0; j < to.length; j++) rules.push(ruleFor(spec, from[i], to[j], own));
  }
  return rules;
}

/** The same, one by one. Yields `undefined` now and then: there the caller can let others run. */
export function* expandSlowly(spec: RuleSpec): Generator<ParsedRule | undefined> {
  const { sources, destinations, family } = spec;
  countRules(spec);
  const from: (Said | undefined)[] = [];
  const to: (Said | undefined)[] = [];
  for (const [given, list] of [
    [sources, from],
    [destinations, to],
  ] as const) {
    for (const each of said(given, family)) {
      list.push(each);
      if (list.length % 1024 === 0) yield undefined;
    }
  }
  let made = 0;
  for (let i = 0; i < from.length; i++) {
    for (let j = 0; j < to.length; j++) {
      yield ruleFor(spec, from[i], to[j], false);
      if (++made % 1024 === 0) yield undefined;
    }
  }
}
