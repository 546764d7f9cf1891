// The payload of match hashlimit (struct xt_hashlimit_mtinfo1, 2, 3): the place of each field in each revision. Does
// not check values.

import type { ByteRate } from './byte-rate.js';
import { byteRateOf, bytesOfCost, costOf, isByteRate, maxCost } from './byte-rate.js';
import type { Codec, Store } from './define.js';
import { bits } from './prefix-length.js';
import type { Rate } from './rate.js';
import { periodOf, rateOf, secondsOf } from './rate.js';
import { bit, bitNames, fixedString, flagBit, mapped, u32, u64 } from './stores.js';

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
export const keyBits = {
  srcip: flag.sip,
  srcport: flag.spt,
  dstip: flag.dip,
  dstport: flag.dpt,
} as const;
const allKeys = flag.dip | flag.dpt | flag.sip | flag.spt;

const defaultBurst = 5;
const byteExpire = 15000;
const byteBurstExpire = 60000;

/** The places of the fields in one revision. The fields in the middle have the same order in all revisions. */
interface Layout {
  readonly nameSize: number;
  readonly avg: number;
  readonly burst: number;
  readonly wide: boolean;
  /** mode, size, max, gc_interval and expire follow each other. Only in revision 1 mode comes earlier. */
  readonly mode: number;
  readonly size: number;
  readonly masks: number;
  readonly interval?: number;
  readonly userSize: number;
  readonly scale: number;
  readonly maxBurst: number;
}

export const layouts: Record<1 | 2 | 3, Layout> = {
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

/** 64 bits as a number. A larger value makes the extension raw. */
const safe64 = (at: number): Store<number> =>
  mapped(
    u64(at),
    (value) => (value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined),
    (value) => BigInt(value),
  );

/** 0 means "not given". */
const orNothing = (store: Store<number>): Store<number> =>
  mapped(
    store,
    (value) => value || undefined,
    (value) => value,
  );

const absent = { read: () => undefined, write: () => void 0 };

/** The stores of the fields of one revision. */
export function storesOf(layout: Layout) {
  const { scale } = layout;
  const avg = layout.wide ? safe64(layout.avg) : u32(layout.avg);
  const burst = layout.wide ? safe64(layout.burst) : u32(layout.burst);
  const mode = u32(layout.mode);
  const expire = u32(layout.size + 12);
  const byBytes = bit(layout.mode, flag.bytes, 32);
  const inverted = bit(layout.mode, flag.invert, 32);

  const expireOf = (payload: DataView, cx: Codec): number => {
    if (byBytes.read(payload, cx)) {
      return burst.read(payload, cx) === 0 ? byteExpire : byteBurstExpire;
    }
    return secondsOf[rateOf(avg.read(payload, cx)!, scale).per] * 1000;
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
      // The unit that the caller gave, which may be another one than the unit that is shown.
      expire.write(payload, bytes ? byteExpire : secondsOf[value.per] * 1000, cx);
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

  return {
    upto: rateStore(false),
    above: rateStore(true),
    burst: burstStore,
    mode: bitNames(
      {
        read: (payload, cx) => mode.read(payload, cx)! & allKeys,
        write: (payload, value, cx) =>
          mode.write(payload, (mode.read(payload, cx)! & ~allKeys) | value, cx),
      },
      keyBits,
    ),
    htableName: fixedString(0, layout.nameSize),
    htableSize: orNothing(u32(layout.size)),
    htableMax: orNothing(u32(layout.size + 4)),
    htableGcinterval: u32(layout.size + 8),
    htableExpire: {
      read(payload: DataView, cx: Codec) {
        const value = expire.read(payload, cx)!;
        return value === expireOf(payload, cx) ? undefined : value;
      },
      write: expire.write,
    },
    srcmask: maskStore(layout.masks),
    dstmask: maskStore(layout.masks + 1),
    rateMatch:
      layout.interval === undefined ? absent : rateMatchStore(layout.mode, layout.interval),
    rateInterval:
      layout.interval === undefined ? absent : intervalStore(layout.mode, layout.interval),
  };
}

/** The length of a prefix; absent if it covers a whole address. */
function maskStore(at: number): Store<number> {
  return {
    read(payload, cx) {
      const length = payload.getUint8(at);
      return length === bits(cx) ? undefined : length;
    },
    write: (payload, length) => payload.setUint8(at, length),
  };
}

/** The bit. Also writes an interval of 1 second, which the next field may overwrite. */
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

/** 1 second if rate-match has no interval, 0 without rate-match. */
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
