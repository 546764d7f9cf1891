// Filters as formulas: what holds for each field, "all of these" and "one of these", and the opposite of each. Only
// possible.ts uses them: a formula says less than the filter where that is hard to express (masks with gaps, long lists
// of addresses). What matches the filter always fulfils the formula.
import { AF_INET, AF_INET6 } from '../../constants.js';
import type { AddressSet } from './address-set.js';
import type { LabelBits } from './label-set.js';
import type { CheckedFilter } from './types.js';

/** Ascending ranges that do not overlap: `[from, to, from, to, …]`. */
export type Ranges = readonly bigint[];

/** The value of a field is in one of the ranges. */
export interface Within {
  readonly key: string;
  readonly ranges: Ranges;
}
/** The bits under the mask have these values. */
export interface BitsAre {
  readonly key: string;
  readonly mask: bigint;
  readonly value: bigint;
}
export type Formula =
  | Within
  | BitsAre
  | { readonly all: readonly Formula[] }
  | { readonly some: readonly Formula[] };

/** A condition, and the opposite of it. Each is made when it is asked for. */
export interface Both {
  readonly yes: Formula;
  readonly no: Formula;
}

const always: Formula = { all: [] };
export const most = 1n << 128n;
/** Addresses of IPv6 are numbers from here on, those of IPv4 below. */
export const six = 1n << 32n;
/** A flow lacks the field. */
export const absent = -1n;
/** Longer lists of addresses are taken for possible. */
const longest = 2048;
/** More filters in an `any` are taken for possible. */
const mostBranches = 512;
/** All values of a field. */
const universes: Readonly<Record<string, Ranges>> = {
  family: [2n, 2n, 10n, 10n],
  protocol: [0n, 255n],
  zone: [0n, 65535n],
  tupleZone: [absent, 65535n],
  port: [absent, 65535n],
  icmpType: [absent, 255n],
  icmpCode: [absent, 255n],
  icmpId: [absent, 65535n],
  state: [absent, 95n],
  helper: [absent, most],
  address: [0n, six + most - 1n],
};
export const universeOf = (key: string): Ranges => universes[key.replace(/\d$/, '')]!;

const larger = (a: bigint, b: bigint) => (a > b ? a : b);

export function intersect(a: Ranges, b: Ranges): Ranges {
  const common: bigint[] = [];
  for (let i = 0, k = 0; i < a.length && k < b.length; ) {
    const [first, second] = [a[i + 1]!, b[k + 1]!];
    const from = larger(a[i]!, b[k]!);
    const endsFirst = first < second;
    const to = endsFirst ? first : second;
    if (from <= to) common.push(from, to);
    if (endsFirst) i += 2;
    else k += 2;
  }
  return common;
}

export function complement(ranges: Ranges, universe: Ranges): Ranges {
  const outside: bigint[] = [];
  let next = universe[0]!;
  for (let i = 0; i < ranges.length; i += 2) {
    if (ranges[i]! > next) outside.push(next, ranges[i]! - 1n);
    next = ranges[i + 1]! + 1n;
  }
  const end = universe[universe.length - 1]!;
  if (next <= end) outside.push(next, end);
  return intersect(outside, universe);
}

const within = (key: string, ranges: Ranges): Both => ({
  yes: { key, ranges },
  get no() {
    return { key, ranges: complement(ranges, universeOf(key)) };
  },
});
const equals = (key: string, value: number) => within(key, [BigInt(value), BigInt(value)]);

/** Sorted, as ranges of one value each. */
function values(numbers: readonly number[]): Ranges {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  return sorted.flatMap((number) => [BigInt(number), BigInt(number)]);
}

/** Each bit of a mask. */
function eachBit(mask: bigint): bigint[] {
  const bits: bigint[] = [];
  for (let bit = 1n; bit <= mask; bit <<= 1n) if ((mask & bit) !== 0n) bits.push(bit);
  return bits;
}

const bitsAre = (key: string, mask: bigint, value: bigint): Both => ({
  yes: { key, mask, value },
  get no() {
    return { some: eachBit(mask).map((bit) => ({ key, mask: bit, value: ~value & bit })) };
  },
});

export const opposite = (both: Both): Both => ({
  get yes() {
    return both.no;
  },
  get no() {
    return both.yes;
  },
});
const allOf = (parts: readonly Both[]): Both => ({
  get yes() {
    return { all: parts.map(({ yes }) => yes) };
  },
  get no() {
    return { some: parts.map(({ no }) => no) };
  },
});
const oneOf = (parts: readonly Both[]): Both => opposite(allOf(parts.map(opposite)));

/** All of some bits, one of others, none of others. */
function bitSet(key: string, bits: { all: bigint; any: bigint; none: bigint }): Both {
  const parts: Both[] = [];
  if (bits.all !== 0n) parts.push(bitsAre(key, bits.all, bits.all));
  if (bits.none !== 0n) parts.push(bitsAre(key, bits.none, 0n));
  if (bits.any !== 0n) parts.push(opposite(bitsAre(key, bits.any, 0n)));
  return allOf(parts);
}

const bigOf = (words: ArrayLike<number>, at: number, count: number): bigint => {
  let number = 0n;
  for (let i = 0; i < count; i++) number = (number << 32n) | BigInt(words[at + i]! >>> 0);
  return number;
};
const labelMask = (bits: LabelBits) => bigOf([bits[3]!, bits[2]!, bits[1]!, bits[0]!], 0, 4);

function addresses(key: string, { v4, v6, masked }: AddressSet): Both {
  const families: bigint[] = [];
  const long = v4.length / 2 + v6.length / 8 > longest;
  const whole = (family: number, ranges: Uint32Array) =>
    (long && ranges.length > 0) || masked.some((mask) => mask.family === family);
  const exact: bigint[] = [];
  if (!long) {
    for (let at = 0; at < v4.length; at++) exact.push(BigInt(v4[at]!));
    for (let at = 0; at < v6.length; at += 4) exact.push(six + bigOf(v6, at, 4));
  }
  if (whole(AF_INET, v4)) families.push(0n, six - 1n);
  if (whole(AF_INET6, v6)) families.push(six, six + most - 1n);
  const no: Formula =
    exact.length === 0 ? always : { key, ranges: complement(exact, universeOf(key)) };
  if (families.length === 0) return { yes: { key, ranges: exact }, no };
  // What is outside of the families that are possible as a whole stays exact.
  const others = intersect(exact, complement(families, universeOf(key)));
  const both = others.length === 0 || others[0]! < families[0]!;
  return { yes: { key, ranges: both ? [...others, ...families] : [...families, ...others] }, no };
}

const portRanges = (ports: readonly number[]): Ranges => ports.map(BigInt);
export const sides = [0, 1, 2, 3] as const;

/** The number of the first state of each protocol: the field has a number for each state of each of them. */
export const firstState = { tcp: 0n, sctp: 32n, dccp: 64n } as const;

function stateRanges(states: { tcp: number; sctp: number; dccp: number }): Ranges {
  const ranges: bigint[] = [];
  for (const protocol of ['tcp', 'sctp', 'dccp'] as const) {
    for (let state = 0; state < 32; state++) {
      const number = firstState[protocol] + BigInt(state);
      if (((states[protocol] >>> state) & 1) === 1) ranges.push(number, number);
    }
  }
  return ranges;
}

const natBits = { src: 1n, dst: 2n };

/** Turns filters to formulas. Remembers the names of helpers as numbers. */
export class Reading {
  readonly #helpers = new Map<string, number>();

  #helper(name: string): number {
    const number = this.#helpers.get(name) ?? this.#helpers.size;
    this.#helpers.set(name, number);
    return number;
  }

  conditions(filter: CheckedFilter): Both[] {
    const parts: Both[] = [];
    if (filter.family !== undefined) parts.push(equals('family', filter.family));
    if (filter.protocols) parts.push(within('protocol', values(filter.protocols)));
    for (const side of sides) {
      const [set, ports] = [filter.addresses[side], filter.ports[side]];
      if (set) parts.push(addresses(`address${side}`, set));
      if (ports) parts.push(within(`port${side}`, portRanges(ports)));
    }
    for (const direction of [0, 1] as const) {
      const { type, code, id } = filter.icmp[direction]!;
      if (type !== undefined) parts.push(equals(`icmpType${direction}`, type));
      if (code !== undefined) parts.push(equals(`icmpCode${direction}`, code));
      if (id !== undefined) parts.push(equals(`icmpId${direction}`, id));
      const zone = filter.tupleZones[direction];
      if (zone !== undefined) parts.push(equals(`tupleZone${direction}`, zone));
    }
    const { mark, status, states, zone, label, helper, nat } = filter;
    if (mark) parts.push(bitsAre('mark', BigInt(mark.mask), BigInt(mark.value)));
    if (status) {
      const { all, any, none } = status;
      parts.push(bitSet('status', { all: BigInt(all), any: BigInt(any), none: BigInt(none) }));
    }
    if (states) parts.push(within('state', stateRanges(states)));
    if (zone !== undefined) parts.push(equals('zone', zone));
    if (label) {
      const { all, any, none } = label;
      parts.push(
        bitSet('label', { all: labelMask(all), any: labelMask(any), none: labelMask(none) }),
      );
    }
    if (helper !== undefined) parts.push(equals('helper', this.#helper(helper)));
    if (nat === 'src' || nat === 'dst') parts.push(bitsAre('nat', natBits[nat], natBits[nat]));
    else if (nat === 'none') parts.push(bitsAre('nat', 3n, 0n));
    else if (nat === 'any') parts.push(opposite(bitsAre('nat', 3n, 0n)));
    return parts;
  }

  anySide({ host, port }: Pick<CheckedFilter, 'host' | 'port'>): Both[] {
    const parts: Both[] = [];
    if (host) parts.push(oneOf(sides.map((side) => addresses(`address${side}`, host))));
    if (port) {
      const ranges = portRanges(port);
      parts.push(oneOf(sides.map((side) => within(`port${side}`, ranges))));
    }
    return parts;
  }

  any(filters: readonly CheckedFilter[]): Both {
    if (filters.length > mostBranches) return { yes: always, no: always };
    return oneOf(filters.map((filter) => this.whole(filter)));
  }

  whole(filter: CheckedFilter): Both {
    const parts = [...this.conditions(filter), ...this.anySide(filter)];
    if (filter.any) parts.push(this.any(filter.any));
    if (filter.not) parts.push(opposite(this.whole(filter.not)));
    return allOf(parts);
  }
}
