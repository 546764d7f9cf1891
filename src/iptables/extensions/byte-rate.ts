// Rates of bytes as hashlimit stores them: the reciprocal of the rate, in units of 16 bytes. Not an
// extension.
import { badRange } from '../../errors.js';
import type { ValueType } from './define.js';
import { integer } from './number-values.js';
import type { Rate } from './rate.js';
import { rate as rateType } from './rate.js';

/** Bytes per second. */
export interface ByteRate {
  /**
   * 0…68719476719; a rate below 16 counts as 0. The kernel holds a reciprocal, which is more exact for lower rates. A
   * rate that was read is one with the same reciprocal.
   */
  readonly bytes: number;
  /** That reciprocal, if `bytes` does not give exactly this one. */
  readonly cost?: number;
}

/** The largest cost: the slowest rate. */
export const maxCost = 0xffffffff;
/** XT_HASHLIMIT_BYTE_SHIFT. */
const byteUnit = 16;
/** With a higher rate the cost would be 0. iptables-save cannot print that (it divides by the cost). */
const maxBytes = (maxCost - 1) * byteUnit + byteUnit - 1;

export const costOf = ({ bytes, cost }: ByteRate) =>
  cost ?? Math.floor(maxCost / (Math.floor(bytes / byteUnit) + 1));

/** The bytes per second of a cost. */
export function bytesOfCost(cost: number): number {
  return (Math.floor(maxCost / cost) - 1) * byteUnit;
}

/** As iptables shows it: of the rates with this cost, a whole number of mb or kb, up to 32 bits. */
export function byteRateOf(cost: number): ByteRate {
  const least = bytesOfCost(cost);
  for (const [, unit] of least > maxCost ? [] : suffixes) {
    const bytes = least - (least % unit);
    if (bytes > 0 && costOf({ bytes }) === cost) return { bytes };
  }
  return costOf({ bytes: least }) === cost ? { bytes: least } : { bytes: least, cost };
}

export const isByteRate = (value: Rate | ByteRate): value is ByteRate => 'bytes' in value;

const suffixes = [
  ['mb', 1048576],
  ['kb', 1024],
] as const;

/**
 * A rate (`exact`) has a unit only if the unit divides it and it has at most 32 bits. A burst has the largest unit
 * that it reaches.
 */
export function formatBytes(bytes: number, exact: boolean): string {
  for (const [suffix, unit] of suffixes) {
    if (bytes >= unit && (!exact || (bytes % unit === 0 && bytes <= maxCost)))
      return `${Math.floor(bytes / unit)}${suffix}`;
  }
  return `${bytes}b`;
}

/** A rate of packets in 1/`scale` s, or one of bytes. */
export function packetOrByteRate(scale: number, periodMax: number): ValueType<Rate | ByteRate> {
  const packets = rateType(scale, periodMax);
  return {
    arity: 1,
    check(value, at) {
      if (typeof value !== 'object' || value === null || !('bytes' in value)) {
        return packets.check(value, at);
      }
      const { bytes, cost } = value as { bytes: unknown; cost?: unknown };
      const whole = integer(bytes, { ...at, path: `${at.path}.bytes` }, 0, maxBytes);
      if (cost === undefined) return { bytes: whole };
      return { bytes: whole, cost: integer(cost, { ...at, path: `${at.path}.cost` }, 1, maxCost) };
    },
    parse(text, at) {
      const found = /^(\d+)([km]?)b\/s(?:e(?:c(?:o(?:n(?:d)?)?)?)?)?$/.exec(text);
      if (found === null) {
        // iptables ignores other letters, or reads them as bytes: 1gb/s is 1 byte.
        return packets.parse(text, at);
      }
      const unit = { '': 1, k: 1024, m: 1048576 }[found[2]!]!;
      const bytes = Number(found[1]) * unit;
      if (bytes === 0) throw badRange(at.path, 'a rate of at least 1 byte', text);
      return this.check({ bytes }, at);
    },
    print: (value, cx) =>
      isByteRate(value) ? `${formatBytes(value.bytes, true)}/s` : packets.print(value, cx),
  };
}
