// Match rateest: compares rates that the target RATEEST measures (struct xt_rateest_match_info).

import { badRange, badType } from '../../errors.js';
import { wholeNumber } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import { bare } from '../text/words.js';
import { bareWord } from './bare-word.js';
import type { ArgumentPlace, Known, Not, Spelling, Store, ValueType } from './define.js';
import { both, match } from './define.js';
import { given, integer, two } from './number-values.js';
import { bit, coded, cstring, flagBit, u16, u32 } from './stores.js';
import { oneOf } from './text-values.js';

/**
 * `n`: the first rate is compared with n. `[m, n]`, with `delta`: m minus the first rate is compared with n, or with
 * n minus the second rate.
 */
export type RateestLimit = number | readonly [first: number, second: number];

/** Needs `bps` or `pps` or both. */
export interface RateestMatch extends Known {
  readonly name: 'rateest';
  /** The estimator whose rate is compared, at most 15 bytes. A rule must have created it already. */
  readonly rateest1: string;
  /** Compare with the rate of this estimator; else with `bps` and `pps`. */
  readonly rateest2?: string;
  /** Compare the numbers in `bps` and `pps` minus the rates, at least 0. */
  readonly delta?: true;
  /** Lower, greater or equal. */
  readonly compare: Not<'lt' | 'gt' | 'eq'>;
  /** Bytes per second, 32 bits. With `rateest2` and without `delta` the numbers mean nothing: 0. */
  readonly bps?: RateestLimit;
  /** Packets per second, 32 bits. */
  readonly pps?: RateestLimit;
}

const most = 0xffffffff;
const bits = { invert: 1, absolute: 2, relative: 4, delta: 8, bps: 16, pps: 32 };
const flag = (mask: number) => bit(32, mask, 16);

const units: Record<string, number> = { '': 1 };
for (const [index, letter] of ['', 'k', 'm', 'g', 't'].entries()) {
  for (const [unit, size] of [
    ['bit', 1],
    ['bps', 8],
  ] as const) {
    units[`${letter}${unit}`] = size * 1000 ** index;
    if (letter !== '') units[`${letter}i${unit}`] = size * 1024 ** index;
  }
}

/** `1.5mbit`, `200kbps`; bits per second without a unit. */
function readRate(text: string, at: ArgumentPlace): number {
  const found = /^(\d+\.?\d*|\.\d+)([a-z]*)$/i.exec(text);
  const unit = found?.[2]?.toLowerCase();
  const known = unit !== undefined && Object.hasOwn(units, unit) ? units[unit] : undefined;
  const rate = known === undefined ? Number.NaN : Math.floor((Number(found![1]) * known) / 8);
  if (!(rate <= most)) throw badRange(at.path, 'a rate like 10mbit or 200kbps', text);
  return rate;
}

/** Rounds as C's %.0f does: a half goes to the even number. */
function rounded(value: number): number {
  const whole = Math.floor(value);
  if (value - whole === 0.5) return whole % 2 === 0 ? whole : whole + 1;
  return Math.round(value);
}

function printRate(rate: number): string {
  const value = rate * 8;
  if (value >= 1e9) return `${rounded(value / 1e6)}Mbit`;
  return value >= 1e6 ? `${rounded(value / 1e3)}Kbit` : `${value}bit`;
}

function readPackets(text: string, at: ArgumentPlace): number {
  const value = wholeNumber(text, most);
  if (value === undefined) throw badRange(at.path, `packets per second, 0…${most}`, text);
  return value;
}

const limit: ValueType<RateestLimit> = {
  arity: 1,
  check(value, at) {
    if (typeof value === 'number') return integer(value, at, 0, most);
    const [first, second] = two(value, at, 'a number or [first, second]');
    const one = integer(first, { ...at, path: `${at.path}[0]` }, 0, most);
    const other = integer(second, { ...at, path: `${at.path}[1]` }, 0, most);
    return one === 0 ? other : [one, other];
  },
  // In text two options give the two numbers, see below.
  parse(text, at) {
    throw badType(at.path, 'two options', text);
  },
  print: String,
};

const numbers = (value: RateestLimit) => (typeof value === 'number' ? [0, value] : value);
function limitStore(first: number, second: number): Store<RateestLimit> {
  const [one, two] = [u32(first), u32(second)];
  return {
    read(payload, cx) {
      const before = one.read(payload, cx)!;
      const value = two.read(payload, cx)!;
      return before === 0 ? value : [before, value];
    },
    write(payload, value, cx) {
      const [before, limit] = numbers(value);
      one.write(payload, before!, cx);
      two.write(payload, limit!, cx);
    },
  };
}

const second = cstring(16, 16);
const rateest2: Store<string> = {
  ...second,
  read: (payload, cx) =>
    flag(bits.relative).read(payload, cx) ? second.read(payload, cx) : undefined,
  write(payload, name, cx) {
    second.write(payload, name, cx);
    flag(bits.absolute).write(payload, false, cx);
    flag(bits.relative).write(payload, true, cx);
  },
};

/** `--rateest-bps1`, `--rateest-pps2` …: the number may be missing. Then it is 0. */
function amount(kind: 'bps' | 'pps', slot: 0 | 1): Spelling<RateestMatch> {
  return {
    option: `rateest-${kind}${slot + 1}`,
    ...(slot === 1 && { also: [`rateest-${kind}`] }),
    arity: 0,
    parse(_, at, draft) {
      const next = at.peek();
      const there = next !== undefined && !/^[-!]/.test(next);
      if (there) at.more();
      const read = kind === 'bps' ? readRate : readPackets;
      const value = there ? read(next, at) : 0;
      const before = [...numbers(draft[kind] ?? 0)] as [number, number];
      before[slot] = value;
      draft[kind] = limit.check(before, at);
    },
  };
}

/** iptables prints it once for bps and once for pps, but does not read it twice. This package does. */
function comparison(how: 'lt' | 'gt' | 'eq'): Spelling<RateestMatch> {
  return {
    option: `rateest-${how}`,
    arity: 0,
    invertible: true,
    repeat: true,
    parse(_, at, draft) {
      const value = at.inverted ? ({ not: how } as const) : how;
      const before = draft.compare;
      if (before !== undefined && JSON.stringify(before) !== JSON.stringify(value)) {
        throw refused(at.path, 'another comparison was given before');
      }
      draft.compare = value;
    },
  };
}

function print(value: RateestMatch): string {
  const not = typeof value.compare === 'object';
  const mode = `${not ? ' !' : ''} --rateest-${typeof value.compare === 'object' ? value.compare.not : value.compare}`;
  const relative = value.rateest2 !== undefined;
  const one = (kind: 'bps' | 'pps') => {
    const limits = value[kind];
    if (limits === undefined) return '';
    const [first, second] = numbers(limits).map((each) =>
      kind === 'bps' ? printRate(each) : String(each),
    );
    if (value.delta) {
      return ` --rateest-${kind}1 ${first}${mode} --rateest-${kind}2 ${second}`;
    }
    return `${mode} --rateest-${kind}${relative ? '' : ` ${second}`}`;
  };
  const lead = `${value.delta ? ' --rateest-delta' : ''} --rateest${relative ? '1' : ''} ${bare(value.rateest1)}`;
  return `${lead}${one('bps')}${one('pps')}${relative ? ` --rateest2 ${bare(value.rateest2!)}` : ''}`;
}

export const rateest = match<RateestMatch>({
  name: 'rateest',
  revision: 0,
  families: both,
  size: 72,
  userSize: 56,
  // Without `delta` the first number has no effect. With a second estimator, and without `delta`, no number has an
  // effect.
  meaning(value) {
    if (value.delta) return value;
    const used = (limit: RateestLimit) =>
      value.rateest2 !== undefined ? 0 : typeof limit === 'number' ? limit : limit[1];
    return {
      ...value,
      ...(value.bps !== undefined && { bps: used(value.bps) }),
      ...(value.pps !== undefined && { pps: used(value.pps) }),
    };
  },
  fields: {
    rateest1: {
      options: ['rateest1', 'rateest'],
      required: true,
      type: bareWord(15),
      store: cstring(0, 16),
    },
    rateest2: { options: ['rateest2'], type: bareWord(15), store: rateest2 },
    delta: {
      options: ['rateest-delta'],
      type: given,
      store: flagBit(32, bits.delta, 16),
    },
    compare: {
      type: oneOf(['lt', 'gt', 'eq']),
      required: true,
      store: coded(u16(34), { eq: 1, lt: 2, gt: 3 }),
      invert: flag(bits.invert),
    },
    bps: { type: limit, store: limitStore(36, 44), present: flag(bits.bps) },
    pps: { type: limit, store: limitStore(40, 48), present: flag(bits.pps) },
  },
  spellings: [
    ...(['bps', 'pps'] as const).flatMap((kind) => [amount(kind, 0), amount(kind, 1)]),
    ...(['lt', 'gt', 'eq'] as const).map(comparison),
  ],
  always: (payload, cx) => flag(bits.absolute).write(payload, true, cx),
  check(value, at) {
    if (value.bps === undefined && value.pps === undefined) {
      throw refused(at.path, 'needs bps or pps');
    }
  },
  print,
});
