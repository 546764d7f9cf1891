// A rate of packets as limit and hashlimit store it: a period in parts of a second. Not an extension.

import { badRange, badType } from '../../errors.js';
import { refused } from '../text/refused.js';
import type { Store, ValueType } from './define.js';

import { integer } from './number-values.js';

export type RateUnit = 'second' | 'minute' | 'hour' | 'day';

/** Packets per unit of time. */
export interface Rate {
  readonly count: number;
  readonly per: RateUnit;
  /**
   * The period that the kernel holds, in its own unit (1/10000 s in limit). Only if `count` and `per` do not give
   * exactly this period: then another program than iptables wrote the rule.
   */
  readonly period?: number;
}

export const secondsOf: Readonly<Record<RateUnit, number>> = {
  day: 86400,
  hour: 3600,
  minute: 60,
  second: 1,
};
const units = Object.keys(secondsOf) as RateUnit[];
const printed: Record<RateUnit, string> = {
  day: 'day',
  hour: 'hour',
  minute: 'min',
  second: 'sec',
};

/** The unit and count that iptables shows for a period: the smallest unit that loses little. */
export function rateOf(period: number, scale: number): Rate {
  let chosen: RateUnit = 'day';
  for (const unit of units.slice(1)) {
    const whole = secondsOf[unit] * scale;
    if (period > whole || Math.floor(whole / period) < whole % period) break;
    chosen = unit;
  }
  const count = Math.floor((secondsOf[chosen] * scale) / period);
  const rate = { count, per: chosen };
  return periodOf(rate, scale) === period ? rate : { ...rate, period };
}

export function periodOf(rate: Rate, scale: number): number {
  return rate.period ?? Math.floor((secondsOf[rate.per] * scale) / rate.count);
}

/** A period in 1/`scale` s. */
export function rateStore(store: Store<number>, scale: number): Store<Rate> {
  return {
    read(payload, cx) {
      const period = store.read(payload, cx)!;
      return period === 0 ? undefined : rateOf(period, scale);
    },
    write: (payload, rate, cx) => store.write(payload, periodOf(rate, scale), cx),
  };
}

/**
 * `count[/unit]`, with any beginning of the unit's name. The period must fit in 32 bits, unless `maxPeriod` is given.
 */
export function rate(scale: number, maxPeriod = 0xffffffff): ValueType<Rate> {
  return {
    arity: 1,
    check(value, at) {
      if (typeof value !== 'object' || value === null || !('count' in value && 'per' in value)) {
        throw badType(at.path, '{ count, per }', value);
      }
      const { count, per, period } = value as { count: unknown; per: RateUnit; period?: unknown };
      const whole = integer(count, { ...at, path: `${at.path}.count` }, 0, 0xffffffff);
      if (!units.includes(per)) throw badRange(`${at.path}.per`, `one of ${units.join(', ')}`, per);
      if (period !== undefined) {
        const exact = integer(period, { ...at, path: `${at.path}.period` }, 1, maxPeriod);
        return { count: whole, per, period: exact };
      }
      if (whole === 0) throw badRange(`${at.path}.count`, 'at least 1', whole);
      if (whole > secondsOf[per] * scale) throw refused(at.path, `faster than ${scale} per second`);
      return { count: whole, per };
    },
    parse(text, at) {
      const [countText = '', unitText = 'second', more] = text.split('/');
      const per = [...units].reverse().find((unit) => unit.startsWith(unitText.toLowerCase()));
      if (!/^\d+$/.test(countText) || per === undefined || unitText === '' || more !== undefined) {
        throw badRange(at.path, 'a rate like 60/minute', text);
      }
      const count = Number(countText);
      if (count === 0) throw badRange(at.path, 'a rate of at least 1', text);
      if (Math.floor(count / secondsOf[per]) > scale) {
        throw refused(at.path, `${text} is faster than ${scale} per second`);
      }
      return { count, per };
    },
    print: (value) => `${value.count}/${printed[value.per]}`,
  };
}
