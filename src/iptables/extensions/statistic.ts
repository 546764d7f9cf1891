// Match statistic: some packets, at random or every nth (struct xt_statistic_info). After every commit to the table
// the counting starts again.

import { badRange, badType } from '../../errors.js';
import { refused } from '../text/refused.js';
import type { Known, Not, Store, ValueType } from './define.js';
import { both, match } from './define.js';
import { number } from './number-values.js';
import { bit, coded, mapped, u16, u32 } from './stores.js';
import { oneOf } from './text-values.js';

export interface StatisticMatch extends Known {
  readonly name: 'statistic';
  /** `random` needs `probability`, `nth` needs `every` and `packet`. */
  readonly mode: 'random' | 'nth';
  /** 0…1, in steps of 2⁻³¹. */
  readonly probability?: Not<number>;
  /** One of this number of packets, at least 1. */
  readonly every?: Not<number>;
  /** The index of the packet: 0…every - 1. */
  readonly packet?: number;
}

/** The probability 1. */
const one = 0x80000000;

const rounded = (value: number) => Math.round(value * one) / one;

const probability: ValueType<number> = {
  arity: 1,
  check(value, at) {
    if (typeof value !== 'number') throw badType(at.path, 'a number', value);
    if (!(value >= 0 && value <= 1)) throw badRange(at.path, 'a probability in 0…1', value);
    return rounded(value);
  },
  parse(text, at) {
    if (!/^\s*\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) {
      throw badRange(at.path, 'a decimal number in 0…1', text);
    }
    return probability.check(Number(text), at);
  },
  // 11 digits. A tie goes to the even digit, as in C (toFixed() would round it up).
  print(value) {
    const exact = BigInt(Math.round(value * one)) * 10n ** 11n;
    const whole = exact / BigInt(one);
    const rest = (exact % BigInt(one)) * 2n;
    const up = rest > BigInt(one) || (rest === BigInt(one) && whole % 2n === 1n);
    const digits = String(up ? whole + 1n : whole).padStart(12, '0');
    return `${digits.slice(0, -11)}.${digits.slice(-11)}`;
  },
};

/** u.nth.count: the first value of the kernel's counter. iptables writes it and does not compare it. */
const initialCount = u32(12);
const countAt = { packet: 8, end: 16 };

const nth = (store: Store<number>): Store<number> => ({
  read: (payload, cx) => (u16(0).read(payload, cx) === 1 ? store.read(payload, cx) : undefined),
  write: store.write,
});

export const statistic = match<StatisticMatch>({
  name: 'statistic',
  revision: 0,
  families: both,
  size: 24,
  userSize: 16,
  fields: {
    mode: {
      options: ['mode'],
      type: oneOf(['random', 'nth']),
      store: coded(u16(0), { random: 0, nth: 1 }),
      required: true,
    },
    probability: {
      options: ['probability'],
      type: probability,
      store: {
        read: (payload, cx) =>
          u16(0).read(payload, cx) === 0 ? u32(4).read(payload, cx)! / one : undefined,
        write(payload, value, cx) {
          u32(4).write(payload, Math.round(value * one), cx);
          // As iptables does: it computes the count of `nth` in both modes.
          initialCount.write(payload, Math.round(value * one), cx);
        },
      },
      invert: bit(2, 1, 16),
      excludes: ['every', 'packet'],
    },
    every: {
      options: ['every'],
      type: number(0xffffffff, 1),
      store: mapped(
        nth(u32(4)),
        (last) => last + 1,
        (every) => every - 1,
      ),
      invert: bit(2, 1, 16),
      requires: ['packet'],
    },
    packet: {
      options: ['packet'],
      type: number(0xffffffff),
      store: nth({
        read: u32(8).read,
        // statistic_mt() counts from `count` to `every` and uses only these: `packet` itself is for listings. The
        // payload has `every` already.
        write(payload, packet, cx) {
          u32(8).write(payload, packet, cx);
          initialCount.write(payload, u32(4).read(payload, cx)! - packet, cx);
        },
      }),
    },
  },
  // Mode random uses only the probability.
  clean(payload) {
    if (payload[0] === 0 && payload[1] === 0) payload.fill(0, countAt.packet, countAt.end);
  },
  check(value, at) {
    const random = value.mode === 'random';
    if (random && value.probability === undefined) {
      throw refused(at.path, 'mode random needs probability');
    }
    if (!random && value.every === undefined) {
      throw refused(at.path, 'mode nth needs every and packet');
    }
    if (random && (value.every ?? value.packet) !== undefined) {
      throw refused(at.path, 'every and packet belong to mode nth');
    }
    const every = typeof value.every === 'object' ? value.every.not : value.every;
    if (value.packet !== undefined && every !== undefined && value.packet >= every) {
      throw refused(at.path, `packet ${value.packet} is not below every ${every}`);
    }
  },
});
