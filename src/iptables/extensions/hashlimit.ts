// Match hashlimit: a token bucket for each source, destination or port. Its bytes are in hashlimit-bytes.ts.

import { badRange, badType } from '../../errors.js';
import { refused } from '../text/refused.js';
import type { ByteRate } from './byte-rate.js';
import {
  bytesOfCost,
  costOf,
  formatBytes,
  isByteRate,
  maxCost,
  packetOrByteRate,
} from './byte-rate.js';
import type { Known, Place, Spelling, ValueType } from './define.js';
import { both, match } from './define.js';
import { keyBits, layouts, storesOf } from './hashlimit-bytes.js';
import { given, integer, number } from './number-values.js';
import { bits, prefixLength } from './prefix-length.js';
import { procName } from './proc-name.js';
import type { Rate } from './rate.js';
import { secondsOf } from './rate.js';
import { namesOf } from './text-values.js';

export type HashlimitKey = 'srcip' | 'srcport' | 'dstip' | 'dstport';

/** One of `upto` and `above`. */
export interface HashlimitMatch extends Known {
  readonly name: 'hashlimit';
  /** Matches as long as the rate is not exceeded. */
  readonly upto?: Rate | ByteRate;
  /** Matches what exceeds the rate. */
  readonly above?: Rate | ByteRate;
  /**
   * What the bucket holds. Packets: 5 unless given, at most 1000000 (10000 in revision 1). With a byte rate, bytes:
   * at least those of one second, rounded up to whole seconds; one second unless given.
   */
  readonly burst?: number;
  /** The values for which packets get different buckets. One bucket for all packets unless given. */
  readonly mode?: readonly HashlimitKey[];
  /**
   * The name of the table of buckets in /proc/net/ipt_hashlimit, at most 254 bytes (15 in revision 1). Rules with the
   * same name share the table, with the settings of the first rule.
   */
  readonly htableName: string;
  /** Sources that share a prefix of this length share a bucket; 32, IPv6 128, unless given. */
  readonly srcmask?: number;
  /** The same for destinations. */
  readonly dstmask?: number;
  /** Hash buckets of the table; chosen by the kernel unless given, at most 1048576. */
  readonly htableSize?: number;
  /** Entries of the table; chosen by the kernel unless given, at most 1048576. */
  readonly htableMax?: number;
  /** Milliseconds between clean-ups, 1000 unless given. */
  readonly htableGcinterval?: number;
  /**
   * Milliseconds until an unused entry is removed. Unless given: the unit of the rate; with a byte rate 15000; with a
   * byte rate and a burst 60000.
   */
  readonly htableExpire?: number;
  /**
   * Counts packets per interval instead of filling a bucket. Revision 3, Linux 4.14. A match that was read has the
   * count as a rate per second, even with another `rateInterval`.
   */
  readonly rateMatch?: true;
  /** Seconds of that interval; the unit of the rate unless given. */
  readonly rateInterval?: number;
}

/** A number, which `k`, `kb`, `m`, `mb` or `b` may follow. */
const burstType = (max: number): ValueType<number> => ({
  ...number(maxCost, 1),
  check(value, at) {
    if (typeof value !== 'number') throw badType(at.path, 'a number', value);
    // Only `check` of the extension knows whether this is packets or bytes.
    return integer(value, at, 1, Math.max(max, Number.MAX_SAFE_INTEGER));
  },
  parse(text, at) {
    const found = /^(0x[0-9a-fA-F]+|\d+)(kb?|mb?|b)?$/.exec(text);
    const unit = found?.[2]?.startsWith('k') ? 1024 : found?.[2]?.startsWith('m') ? 1048576 : 1;
    const value = found === null ? 0 : number(maxCost).parse(found[1]!, at) * unit;
    if (value < 1 || value > maxCost) throw badRange(at.path, 'a number, kb or mb', text);
    return value;
  },
});

function isUnsaid(given: Rate | ByteRate | undefined): boolean {
  if (given === undefined) return false;
  if (isByteRate(given)) return given.bytes === 0 || given.cost !== undefined;
  return given.period !== undefined;
}

function hashlimit(revision: 1 | 2 | 3) {
  const layout = layouts[revision];
  const { scale, maxBurst } = layout;
  const rate = packetOrByteRate(scale, layout.wide ? Number.MAX_SAFE_INTEGER : maxCost);
  const stores = storesOf(layout);

  const spelled = (option: string, also: string[], above: boolean): Spelling<HashlimitMatch> => ({
    option,
    also,
    invertible: true,
    excludes: above ? ['hashlimit-upto'] : ['hashlimit-above'],
    parse(text, at, draft) {
      draft[above !== at.inverted ? 'above' : 'upto'] = rate.parse(text, at);
    },
  });

  return match<HashlimitMatch>({
    name: 'hashlimit',
    revision,
    families: both,
    size: layout.userSize + 8,
    userSize: layout.userSize,
    // No text can express such a rate. iptables-save prints a rate below one byte as 0.
    unsaid: ({ upto, above }) => isUnsaid(upto) || isUnsaid(above),
    // The interval matters only with rate-match.
    meaning({ rateInterval, ...rest }) {
      return rest.rateMatch && rateInterval !== undefined ? { ...rest, rateInterval } : rest;
    },
    fields: {
      upto: {
        type: rate,
        store: stores.upto,
        excludes: ['above'],
        print: (value, _, cx) => `--hashlimit-upto ${rate.print(value, cx)}`,
      },
      above: {
        type: rate,
        store: stores.above,
        print: (value, _, cx) => `--hashlimit-above ${rate.print(value, cx)}`,
      },
      burst: {
        options: ['hashlimit-burst'],
        type: burstType(maxBurst),
        store: stores.burst,
        print: (value, _, __, typed) => {
          const given = (typed.upto ?? typed.above) as Rate | ByteRate;
          const shown = isByteRate(given) ? formatBytes(value, false) : value;
          return `--hashlimit-burst ${shown}`;
        },
      },
      mode: {
        options: ['hashlimit-mode'],
        type: namesOf(Object.keys(keyBits) as HashlimitKey[], { lenient: true, empty: true }),
        store: stores.mode,
        default: [],
      },
      htableName: {
        options: ['hashlimit-name'],
        type: procName(layout.nameSize - 1),
        store: stores.htableName,
        required: true,
      },
      htableSize: {
        options: ['hashlimit-htable-size'],
        type: number(1048576, 0),
        store: stores.htableSize,
      },
      htableMax: {
        options: ['hashlimit-htable-max'],
        type: number(1048576, 0),
        store: stores.htableMax,
      },
      htableGcinterval: {
        options: ['hashlimit-htable-gcinterval'],
        type: number(maxCost, 1),
        store: stores.htableGcinterval,
        default: 1000,
      },
      htableExpire: {
        options: ['hashlimit-htable-expire'],
        type: number(maxCost, 1),
        store: stores.htableExpire,
      },
      srcmask: {
        options: ['hashlimit-srcmask'],
        type: prefixLength,
        store: stores.srcmask,
      },
      dstmask: {
        options: ['hashlimit-dstmask'],
        type: prefixLength,
        store: stores.dstmask,
      },
      rateMatch:
        layout.interval === undefined
          ? { type: given, store: stores.rateMatch }
          : { options: ['hashlimit-rate-match'], type: given, store: stores.rateMatch },
      rateInterval:
        layout.interval === undefined
          ? { type: intervalType, store: stores.rateInterval }
          : {
              options: ['hashlimit-rate-interval'],
              type: intervalType,
              store: stores.rateInterval,
              // Without rate-match iptables stores it and prints nothing.
              print: (value, _, __, typed) =>
                typed.rateMatch ? `--hashlimit-rate-interval ${value}` : '',
            },
    },
    spellings: [
      spelled('hashlimit-upto', ['hashlimit'], false),
      spelled('hashlimit-above', [], true),
    ],
    always(payload, cx) {
      payload.setUint8(layout.masks, bits(cx));
      payload.setUint8(layout.masks + 1, bits(cx));
    },
    check(value, at) {
      checkTogether(value, at, maxBurst);
      if (layout.interval === undefined && (value.rateMatch ?? value.rateInterval) !== undefined) {
        throw refused(at.path, `rateMatch and rateInterval need revision 3, not ${revision}`);
      }
      if (value.rateMatch) countPerInterval(value);
    },
  });
}

/** Decimal digits only, and a C int. */
const intervalType: ValueType<number> = {
  ...number(0x7fffffff, 1),
  parse(text, at) {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : 0;
    if (value < 1 || value > 0x7fffffff) throw badRange(at.path, 'seconds, 1…2147483647', text);
    return value;
  },
};

function checkTogether(value: HashlimitMatch, at: Place, maxBurst: number): void {
  const rate = value.upto ?? value.above;
  if (rate === undefined) throw refused(at.path, 'needs upto or above');
  if (value.burst === undefined) return;
  if (!isByteRate(rate)) {
    if (value.burst > maxBurst) {
      throw badRange(`${at.path}.burst`, `a number of packets in 1…${maxBurst}`, value.burst);
    }
    return;
  }
  const least = bytesOfCost(costOf(rate));
  if (least === 0) throw refused(at.path, 'a rate below 16 bytes per second has no burst');
  if (value.burst < least) {
    throw refused(
      at.path,
      `the burst of ${value.burst} bytes is smaller than one second, ${least}`,
    );
  }
}

/**
 * With rate-match the payload holds the count as a rate per second, and the unit as the interval. Changes `value`,
 * which is the canonical form that `check` is making.
 */
function countPerInterval(value: HashlimitMatch): void {
  const own = value as { -readonly [K in keyof HashlimitMatch]: HashlimitMatch[K] };
  const given = own.upto ?? own.above!;
  let unit = 1;
  if (!isByteRate(given)) {
    unit = secondsOf[given.per];
    if (unit !== 1 && given.period === undefined) {
      const perSecond: Rate = { count: given.count, per: 'second' };
      if (own.upto !== undefined) own.upto = perSecond;
      else own.above = perSecond;
      own.htableExpire ??= unit * 1000;
    }
  }
  own.rateInterval ??= unit;
}

export const hashlimit1 = hashlimit(1);
export const hashlimit2 = hashlimit(2);
export const hashlimit3 = hashlimit(3);
