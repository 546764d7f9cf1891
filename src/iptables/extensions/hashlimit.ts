// Match hashlimit: a token bucket for each source, destination or port (struct xt_hashlimit_mtinfo1, 2, 3).

import { badRange, badType } from '../../errors.js';
import { refused } from '../text/refused.js';
import type { ByteRate } from './byte-rate.js';
import {
  byteRateOf,
  bytesOfCost,
  costOf,
  formatBytes,
  isByteRate,
  maxCost,
  packetOrByteRate,
} from './byte-rate.js';
import type { Codec, Known, Place, Spelling, Store, ValueType } from './define.js';
import { both, match } from './define.js';
import { given, integer, number } from './number-values.js';
import { bits, prefixLength } from './prefix-length.js';
import { procName } from './proc-name.js';
import type { Rate, RateUnit } from './rate.js';
import { periodOf, rateOf } from './rate.js';
import { bit, bitNames, fixedString, flagBit, mapped, u32, u64 } from './stores.js';
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
   * What the bucket holds: packets (5 unless given, at most 1000000; 10000 in revision 1), or with a
   * byte rate bytes, at least those of a second (rounded up to seconds; one unless given).
   */
  readonly burst?: number;
  /** What has a bucket of its own; one for all packets unless given. */
  readonly mode?: readonly HashlimitKey[];
  /**
   * The name of the table of buckets in /proc/net/ipt_hashlimit, at most 254 bytes (15 in revision 1).
   * Rules with one name share it, and the settings of the first one.
   */
  readonly htableName: string;
  /** Sources with this prefix length in common share a bucket; 32, IPv6 128, unless given. */
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
   * Milliseconds until an entry goes that is not used: the unit of the rate unless given; with a byte
   * rate 15000, with a burst too 60000.
   */
  readonly htableExpire?: number;
  /**
   * Counts packets per interval instead of filling a bucket. Revision 3, Linux 4.14. What is read has
   * the count as one per second, whatever `rateInterval` is.
   */
  readonly rateMatch?: true;
  /** Seconds of that interval; the unit of the rate unless given. */
  readonly rateInterval?: number;
}

/** XT_HASHLIMIT_*. */
const flag = {
  dip: 1,
  dpt: 2,
  sip: 4,
  spt: 8,
  invert: 0x10,
  bytes: 0x20,
  rateMatch: 0x40,
} as const;
const keyBits = { srcip: flag.sip, srcport: flag.spt, dstip: flag.dip, dstport: flag.dpt } as const;
const allKeys = flag.dip | flag.dpt | flag.sip | flag.spt;

const seconds: Record<RateUnit, number> = { second: 1, minute: 60, hour: 3600, day: 86400 };
const defaultBurst = 5;
const gcInterval = 1000;
const byteExpire = 15000;
const byteBurstExpire = 60000;

/** A number, with `k`, `kb`, `m`, `mb` or `b` behind it. */
const burstType = (max: number): ValueType<number> => ({
  ...number(maxCost, 1),
  check(value, at) {
    if (typeof value !== 'number') throw badType(at.path, 'a number', value);
    // Whether it is packets or bytes is known to `check` of the extension.
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

/** Where revision n has what; the parts in the middle are alike. */
interface Layout {
  readonly nameSize: number;
  readonly avg: number;
  readonly burst: number;
  readonly wide: boolean;
  /** mode, size, max, gc_interval, expire follow each other, but for revision 1 mode stands first. */
  readonly mode: number;
  readonly size: number;
  readonly masks: number;
  readonly interval?: number;
  readonly userSize: number;
  readonly scale: number;
  readonly maxBurst: number;
}

const layouts: Record<1 | 2 | 3, Layout> = {
  1: {
    nameSize: 16,
    mode: 16,
    avg: 20,
    burst: 24,
    wide: false,
    size: 28,
    masks: 44,
    userSize: 48,
    scale: 10000,
    maxBurst: 10000,
  },
  2: {
    nameSize: 255,
    avg: 256,
    burst: 264,
    wide: true,
    mode: 272,
    size: 276,
    masks: 292,
    userSize: 296,
    scale: 1000000,
    maxBurst: 1000000,
  },
  3: {
    nameSize: 255,
    avg: 256,
    burst: 264,
    wide: true,
    mode: 272,
    size: 276,
    interval: 292,
    masks: 296,
    userSize: 304,
    scale: 1000000,
    maxBurst: 1000000,
  },
};

/** 64 bits as a number; what does not fit makes the extension raw. */
const safe64 = (at: number): Store<number> =>
  mapped(
    u64(at),
    (value) => (value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined),
    (value) => BigInt(value),
  );

/** 0 is "not given". */
const orNothing = (store: Store<number>): Store<number> =>
  mapped(
    store,
    (value) => value || undefined,
    (value) => value,
  );

const absent = { read: () => undefined, write: () => void 0 };

function isUnsaid(given: Rate | ByteRate | undefined): boolean {
  if (given === undefined) return false;
  if (isByteRate(given)) return given.bytes === 0 || given.cost !== undefined;
  return given.period !== undefined;
}

function hashlimit(revision: 1 | 2 | 3) {
  const layout = layouts[revision];
  const { scale, maxBurst } = layout;
  const avg = layout.wide ? safe64(layout.avg) : u32(layout.avg);
  const burst = layout.wide ? safe64(layout.burst) : u32(layout.burst);
  const mode = u32(layout.mode);
  const expire = u32(layout.size + 12);
  const byBytes = bit(layout.mode, flag.bytes, 32);
  const inverted = bit(layout.mode, flag.invert, 32);
  const rate = packetOrByteRate(scale, layout.wide ? Number.MAX_SAFE_INTEGER : maxCost);

  const expireOf = (payload: DataView, cx: Codec): number => {
    if (byBytes.read(payload, cx)) {
      return burst.read(payload, cx) === 0 ? byteExpire : byteBurstExpire;
    }
    return seconds[rateOf(avg.read(payload, cx)!, scale).per] * 1000;
  };

  const rateStore = (above: boolean): Store<Rate | ByteRate> => ({
    read(payload, cx) {
      const value = avg.read(payload, cx);
      if (inverted.read(payload, cx) !== above) return undefined;
      if (!value) throw new Error('a rate without a period');
      if (!byBytes.read(payload, cx)) return rateOf(value, scale);
      return value <= maxCost ? byteRateOf(value) : undefined;
    },
    write(payload, value, cx) {
      const bytes = isByteRate(value);
      const kind = (bytes ? flag.bytes : 0) | (above ? flag.invert : 0);
      mode.write(payload, mode.read(payload, cx)! | kind, cx);
      avg.write(payload, bytes ? costOf(value) : periodOf(value, scale), cx);
      burst.write(payload, bytes ? 0 : defaultBurst, cx);
      // By the unit that was asked for, not by the one that is shown.
      expire.write(payload, bytes ? byteExpire : seconds[value.per] * 1000, cx);
    },
  });

  const burstStore: Store<number> = {
    read(payload, cx) {
      const value = burst.read(payload, cx)!;
      if (!byBytes.read(payload, cx)) return value;
      const bytes = value * bytesOfCost(avg.read(payload, cx)!);
      return value === 0 ? undefined : bytes;
    },
    write(payload, value, cx) {
      if (!byBytes.read(payload, cx)) {
        burst.write(payload, value, cx);
        return;
      }
      burst.write(payload, Math.ceil(value / bytesOfCost(avg.read(payload, cx)!)), cx);
      expire.write(payload, byteBurstExpire, cx);
    },
  };

  const mask = (at: number, option: string) => ({
    options: [`hashlimit-${option}`],
    type: prefixLength,
    store: {
      read(payload: DataView, cx: Codec) {
        const length = payload.getUint8(at);
        return length === bits(cx) ? undefined : length;
      },
      write: (payload: DataView, length: number) => payload.setUint8(at, length),
    },
  });

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
    // Rates between those that texts have, and less than a byte, which iptables-save prints as 0.
    unsaid: ({ upto, above }) => isUnsaid(upto) || isUnsaid(above),
    // Looked at where the interval is what limits.
    meaning({ rateInterval, ...rest }) {
      return rest.rateMatch && rateInterval !== undefined ? { ...rest, rateInterval } : rest;
    },
    fields: {
      upto: {
        type: rate,
        store: rateStore(false),
        excludes: ['above'],
        print: (value, _, cx) => `--hashlimit-upto ${rate.print(value, cx)}`,
      },
      above: {
        type: rate,
        store: rateStore(true),
        print: (value, _, cx) => `--hashlimit-above ${rate.print(value, cx)}`,
      },
      burst: {
        options: ['hashlimit-burst'],
        type: burstType(maxBurst),
        store: burstStore,
        print: (value, _, __, typed) => {
          const given = (typed.upto ?? typed.above) as Rate | ByteRate;
          const shown = isByteRate(given) ? formatBytes(value, false) : value;
          return `--hashlimit-burst ${shown}`;
        },
      },
      mode: {
        options: ['hashlimit-mode'],
        type: namesOf(Object.keys(keyBits) as HashlimitKey[], { lenient: true, empty: true }),
        store: bitNames(
          {
            read: (payload, cx) => mode.read(payload, cx)! & allKeys,
            write: (payload, value, cx) =>
              mode.write(payload, (mode.read(payload, cx)! & ~allKeys) | value, cx),
          },
          keyBits,
        ),
        default: [],
      },
      htableName: {
        options: ['hashlimit-name'],
        type: procName(layout.nameSize - 1),
        store: fixedString(0, layout.nameSize),
        required: true,
      },
      htableSize: {
        options: ['hashlimit-htable-size'],
        type: number(1048576, 0),
        store: orNothing(u32(layout.size)),
      },
      htableMax: {
        options: ['hashlimit-htable-max'],
        type: number(1048576, 0),
        store: orNothing(u32(layout.size + 4)),
      },
      htableGcinterval: {
        options: ['hashlimit-htable-gcinterval'],
        type: number(maxCost, 1),
        store: u32(layout.size + 8),
        default: gcInterval,
      },
      htableExpire: {
        options: ['hashlimit-htable-expire'],
        type: number(maxCost, 1),
        store: {
          read(payload, cx) {
            const value = expire.read(payload, cx)!;
            return value === expireOf(payload, cx) ? undefined : value;
          },
          write: expire.write,
        },
      },
      srcmask: mask(layout.masks, 'srcmask'),
      dstmask: mask(layout.masks + 1, 'dstmask'),
      rateMatch:
        layout.interval === undefined
          ? { type: given, store: absent }
          : {
              options: ['hashlimit-rate-match'],
              type: given,
              store: rateMatchStore(layout.mode, layout.interval),
            },
      rateInterval:
        layout.interval === undefined
          ? { type: intervalType, store: absent }
          : {
              options: ['hashlimit-rate-interval'],
              type: intervalType,
              store: intervalStore(layout.mode, layout.interval),
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

/** The bit, with an interval of 1 second that may then be overwritten. */
function rateMatchStore(mode: number, interval: number): Store<true> {
  const rateMatch = flagBit(mode, flag.rateMatch, 32);
  return {
    read: rateMatch.read,
    write(payload, value, cx) {
      rateMatch.write(payload, value, cx);
      u32(interval).write(payload, 1, cx);
    },
  };
}

/** 1 second where rate-match has no interval; 0 without rate-match. */
function intervalStore(mode: number, at: number): Store<number> {
  const rateMatch = bit(mode, flag.rateMatch, 32);
  return {
    read(payload, cx) {
      const value = u32(at).read(payload, cx)!;
      return value === (rateMatch.read(payload, cx) ? 1 : 0) ? undefined : value;
    },
    write: u32(at).write,
  };
}

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
 * With rate-match the payload holds the count as if it were per second, the unit as interval. The
 * value is the canonical one, which is still being made.
 */
function countPerInterval(value: HashlimitMatch): void {
  const own = value as { -readonly [K in keyof HashlimitMatch]: HashlimitMatch[K] };
  const given = own.upto ?? own.above!;
  let unit = 1;
  if (!isByteRate(given)) {
    unit = seconds[given.per];
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
