// Target RATEEST: measures the rate of the packets that reach it, for the match rateest (struct
// xt_rateest_target_info).

import { badRange } from '../../errors.js';
import { refused } from '../text/refused.js';
import { bareWord } from './bare-word.js';
import type { ArgumentPlace, Draft, Known, Place, Store, ValueType } from './define.js';
import { both, target } from './define.js';
import { integer } from './number-values.js';
import { fixedString, mapped, u8 } from './stores.js';

export interface RateestTarget extends Known {
  readonly name: 'RATEEST';
  /** The name of the estimator, at most 15 bytes. Rules with the same name must have the same values. */
  readonly estimator: string;
  /** How often it measures, in milliseconds: 250, 500, 1000, 2000, 4000 or 8000. */
  readonly interval: number;
  /**
   * How slowly the average follows, 1…30: it forgets 1/2^n of itself in each interval. Text has a time instead, and
   * shows the interval times 2^n.
   */
  readonly ewmaLog: number;
}

const intervals = [250, 500, 1000, 2000, 4000, 8000];
const maxLog = 30;

const interval: ValueType<number> = {
  arity: 1,
  check(value, at) {
    const exact = integer(value, at, 250, 8000);
    if (!intervals.includes(exact))
      throw badRange(at.path, `one of ${intervals.join(', ')}`, value);
    return exact;
  },
  // Text gives it to `finish` as it was written: the average depends on this value, not on the rounded one.
  parse: (text, at) => microseconds(text, at),
  print: (value) => printTime(value * 1000),
};

const ewmaLog: ValueType<number> = {
  arity: 1,
  check: (value, at) => integer(value, at, 1, maxLog),
  parse: (text, at) => microseconds(text, at),
  print: String,
};

const units: Readonly<Record<string, number>> = {
  s: 1e6,
  sec: 1e6,
  secs: 1e6,
  ms: 1e3,
  msec: 1e3,
  msecs: 1e3,
  us: 1,
  usec: 1,
  usecs: 1,
  '': 1,
};

/** `250ms`, `0.5s`; microseconds without a unit. */
function microseconds(text: string, at: ArgumentPlace): number {
  const found = /^(\d+\.?\d*|\.\d+)([a-z]*)$/i.exec(text);
  const unit = found?.[2]?.toLowerCase();
  const time =
    unit !== undefined && Object.hasOwn(units, unit)
      ? Math.floor(Number(found![1]) * units[unit]!)
      : Number.NaN;
  if (!(time <= 0xffffffff)) throw badRange(at.path, 'a time like 250ms or 1.5s', text);
  return time;
}

function printTime(time: number): string {
  if (time >= 1e6) return `${(time / 1e6).toFixed(1)}s`;
  return time >= 1e3 ? `${(time / 1e3).toFixed(1)}ms` : `${time}us`;
}

// Rounds the interval up to one that the kernel has. n is the largest whose average still settles in the given time.
function finish(draft: Draft<RateestTarget>, at: Place): void {
  const { interval: every, ewmaLog: within } = draft;
  if (every === undefined || within === undefined) return;
  const rounded = intervals.find((each) => every <= each * 1000);
  if (rounded === undefined) throw refused(at.path, 'the interval is longer than 8s');
  draft.interval = rounded;
  let log = 1;
  while (log <= maxLog && every / -Math.log(1 - 1 / 2 ** log) <= within) log++;
  log--;
  if (log < 1 || log >= maxLog) {
    throw refused(at.path, 'the time of the average does not fit the interval');
  }
  draft.ewmaLog = log;
}

// The kernel refuses other values. iptables prints something undefined for them.
function known(value: number | undefined): number {
  if (value === undefined) throw new Error('its times are out of range');
  return value;
}

/** A signed byte: -2 is 250 ms, and each step doubles it. */
const intervalStore: Store<number> = mapped(
  u8(16),
  (code) => known(intervals[((code << 24) >> 24) + 2]),
  (value) => (intervals.indexOf(value) - 2) & 0xff,
);

export const RATEEST = target<RateestTarget>({
  name: 'RATEEST',
  revision: 0,
  families: both,
  size: 32,
  userSize: 24,
  fields: {
    estimator: {
      options: ['rateest-name'],
      required: true,
      type: bareWord(15),
      store: fixedString(0, 16),
    },
    interval: {
      options: ['rateest-interval'],
      required: true,
      type: interval,
      store: intervalStore,
    },
    ewmaLog: {
      options: ['rateest-ewmalog'],
      required: true,
      type: ewmaLog,
      store: mapped(
        u8(17),
        (log) => known(log >= 1 && log <= maxLog ? log : undefined),
        (log: number) => log,
      ),
      print(log, _, __, typed) {
        // Microseconds in 32 bits, as iptables computes them.
        const time = ((typed.interval as number) * 1000 * 2 ** log) % 2 ** 32;
        return `--rateest-ewmalog ${printTime(time)}`;
      },
    },
  },
  finish,
});
