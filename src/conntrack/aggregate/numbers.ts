// Numeric columns: their values and their sum, exact to 64 bits. Tight loops over the words of the columns, without a
// bigint per row, in functions of the module, as in grouping.ts. Knows numbers, nothing of flows.
import type { ColumnName, ColumnStore } from '../columns/column-store.js';
import { type Presence, presenceFor } from '../columns/presence.js';
import { columnLayout } from '../columns/schema.js';

/** The measures of flows, and what their values are. A value that the kernel did not send counts as 0 in a sum. */
export interface MeasureValues {
  /** Packets of both directions. */
  readonly packets: bigint;
  /** Bytes of both directions: those of the IP packets. */
  readonly bytes: bigint;
  /** Packets of the original direction. */
  readonly origPackets: bigint;
  /** Bytes of the original direction. */
  readonly origBytes: bigint;
  /** Packets of the reply direction. */
  readonly replyPackets: bigint;
  /** Bytes of the reply direction. */
  readonly replyBytes: bigint;
  /** Seconds until the flow expires. */
  readonly timeout: number;
  /** The connmark; 0 where none was set. */
  readonly mark: number;
  /** The kernel's reference count. */
  readonly use: number;
  /** When the flow was made, nanoseconds since the epoch. */
  readonly start: bigint;
  /** When the flow ended, nanoseconds since the epoch. */
  readonly stop: bigint;
}
/** What can be added up and compared: counters and times are bigints, the others numbers. */
export type Measure = keyof MeasureValues;

// As an object of all keys: a measure that is added above and not here does not compile.
export const measures = Object.keys({
  packets: true,
  bytes: true,
  origPackets: true,
  origBytes: true,
  replyPackets: true,
  replyBytes: true,
  timeout: true,
  mark: true,
  use: true,
  start: true,
  stop: true,
} satisfies Record<Measure, true>) as readonly Measure[];

/** The columns whose sum is the value of a row: one or two, of one or two words per row. */
export interface Numbers extends Presence {
  rows: number;
  /** Whether there are two words per row. The low word comes first: native code wrote it on this machine. */
  wide: boolean;
  parts: Uint32Array[];
}

function wordsOf(store: ColumnStore, name: ColumnName): Uint32Array {
  const column = store.column(name);
  return new Uint32Array(column.buffer, column.byteOffset, column.byteLength / 4);
}

export function numbersOf(store: ColumnStore, measure: Measure): Numbers {
  const { rows } = store;
  const names: ColumnName[] =
    measure === 'packets'
      ? ['origPackets', 'replyPackets']
      : measure === 'bytes'
        ? ['origBytes', 'replyBytes']
        : [measure];
  const wide = columnLayout[names[0]!].size === 8;
  const parts = names.map((name) => wordsOf(store, name));
  return { rows, wide, parts, ...presenceFor(store, ...names) };
}

export const word = 2 ** 32;
/** So many rows: any low words of theirs add up to less than 2^53. */
export const exactRows = 2 ** 20;

/** Moves what the low sums have above 32 bits to the high sums. */
export function carry(low: Float64Array, high: Float64Array): void {
  for (let i = 0; i < low.length; i++) {
    const over = Math.floor(low[i]! / word);
    high[i]! += over;
    low[i]! -= over * word;
  }
}

export function combined(low: number, high: number, wide: boolean): number | bigint {
  return wide ? BigInt(low) + (BigInt(high) << 32n) : low + high * word;
}

/** The sum of all rows. */
export function total({ rows, wide, parts }: Numbers): number | bigint {
  const low = new Float64Array(1);
  const high = new Float64Array(1);
  for (const words of parts) {
    for (let from = 0; from < rows; from += exactRows) {
      const to = Math.min(rows, from + exactRows);
      const [lowSum, highSum] = wide ? sumPairs(words, from, to) : [sumWords(words, from, to), 0];
      low[0]! += lowSum;
      high[0]! += highSum;
      carry(low, high);
    }
  }
  return combined(low[0]!, high[0]!, wide);
}

function sumWords(words: Uint32Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += words[i]!;
  return sum;
}

function sumPairs(words: Uint32Array, from: number, to: number): [low: number, high: number] {
  // Two of each, so that no addition waits for the one before it.
  let low = 0;
  let high = 0;
  let otherLow = 0;
  let otherHigh = 0;
  let i = from * 2;
  for (; i + 4 <= to * 2; i += 4) {
    low += words[i]!;
    high += words[i + 1]!;
    otherLow += words[i + 2]!;
    otherHigh += words[i + 3]!;
  }
  if (i < to * 2) {
    low += words[i]!;
    high += words[i + 1]!;
  }
  return [low + otherLow, high + otherHigh];
}

/** Rows whose values are made together: they stay in the cache. */
export const block = 16384;

/**
 * The values of the rows of [from, to) as doubles. A value that does not fit is rounded. This keeps the order: the
 * smaller double is the smaller value, and equal doubles are compared exactly.
 */
export function doubles(
  { wide, parts }: Numbers,
  from: number,
  to: number,
  out: Float64Array,
): void {
  out.fill(0, 0, to - from);
  for (const words of parts) {
    if (wide) addDoublePairs(words, from, to, out);
    else addDoubles(words, from, to, out);
  }
}

function addDoubles(words: Uint32Array, from: number, to: number, out: Float64Array): void {
  for (let row = from; row < to; row++) out[row - from]! += words[row]!;
}

function addDoublePairs(words: Uint32Array, from: number, to: number, out: Float64Array): void {
  for (let row = from; row < to; row++) {
    out[row - from]! += words[row * 2]! + words[row * 2 + 1]! * word;
  }
}

/** The exact value of a row. */
export function valueAt({ wide, parts }: Numbers, row: number): number | bigint {
  if (!wide) return parts[0]![row]!;
  return parts.reduce(
    (sum, words) => sum + BigInt(words[row * 2]!) + (BigInt(words[row * 2 + 1]!) << 32n),
    0n,
  );
}

/** Compares the values of two rows, as a function for `sort` does. */
export function compare(numbers: Numbers, a: number, b: number): number {
  const left = valueAt(numbers, a);
  const right = valueAt(numbers, b);
  return left < right ? -1 : left > right ? 1 : 0;
}
