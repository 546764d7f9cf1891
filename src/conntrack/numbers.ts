// Sums, extremes and ranking of numeric columns, exact to 64 bits: tight loops over the words of the columns,
// no bigint for a row. Knows numbers, nothing of flows.
import type { ColumnName, ColumnStore } from './column-store.js';
import { columnLayout, has } from './columns.js';
import type { Grouping } from './grouping.js';

/** Columns with numbers to add or compare. `packets` and `bytes` are the sums of both directions. */
export const measures = [
  'packets',
  'bytes',
  'origPackets',
  'origBytes',
  'replyPackets',
  'replyBytes',
  'timeout',
  'mark',
  'use',
  'start',
  'stop',
] as const;
export type Measure = (typeof measures)[number];

/** What is added up to the value of a row: one column or two, of one or two words per row. */
interface Numbers {
  rows: number;
  /** Low words come first (native code writes them on a machine of this byte order). */
  wide: boolean;
  parts: Uint32Array[];
  /** Presence bits of the rows, and those of which one tells that a row has the value; 0: all have. */
  presence: Uint32Array;
  bits: number;
}

function wordsOf(store: ColumnStore, name: ColumnName): Uint32Array {
  const column = store.column(name);
  return new Uint32Array(column.buffer, column.byteOffset, column.byteLength / 4);
}

const presenceOf: Partial<Record<ColumnName, number>> = {
  origPackets: has.origCounters,
  origBytes: has.origCounters,
  replyPackets: has.replyCounters,
  replyBytes: has.replyCounters,
  timeout: has.timeout,
  use: has.use,
  start: has.start,
  stop: has.stop,
};

export function numbersOf(store: ColumnStore, measure: Measure): Numbers {
  const { rows } = store;
  const names: ColumnName[] =
    measure === 'packets'
      ? ['origPackets', 'replyPackets']
      : measure === 'bytes'
        ? ['origBytes', 'replyBytes']
        : [measure];
  const wide = columnLayout[names[0]!].size === 8;
  const bits = names.reduce((all, name) => all | (presenceOf[name] ?? 0), 0);
  const presence = store.column('presence');
  return { rows, wide, parts: names.map((name) => wordsOf(store, name)), presence, bits };
}

const word = 2 ** 32;
/** Rows whose low words add up to less than 2^53, whatever they are. */
const exactRows = 2 ** 20;

/** Moves what is above 32 bits from the low sums to the high ones. */
function carry(low: Float64Array, high: Float64Array): void {
  for (let i = 0; i < low.length; i++) {
    const over = Math.floor(low[i]! / word);
    high[i]! += over;
    low[i]! -= over * word;
  }
}

function combined(low: number, high: number, wide: boolean): number | bigint {
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
  let low = 0;
  let high = 0;
  for (let i = from * 2; i < to * 2; i += 2) {
    low += words[i]!;
    high += words[i + 1]!;
  }
  return [low, high];
}

/** The sum of each group. */
export function sums({ rows, wide, parts }: Numbers, grouping: Grouping): (number | bigint)[] {
  const { groupOf } = grouping;
  const low = new Float64Array(grouping.firstRows.length);
  const high = new Float64Array(grouping.firstRows.length);
  for (const words of parts) {
    for (let from = 0; from < rows; from += exactRows) {
      const to = Math.min(rows, from + exactRows);
      if (wide) {
        for (let row = from; row < to; row++) {
          const group = groupOf[row]!;
          low[group]! += words[row * 2]!;
          high[group]! += words[row * 2 + 1]!;
        }
      } else {
        for (let row = from; row < to; row++) low[groupOf[row]!]! += words[row]!;
      }
      carry(low, high);
    }
  }
  return Array.from(low, (value, group) => combined(value, high[group]!, wide));
}

/** Rows whose values are made at a time: they stay in the cache. */
const block = 16384;

/**
 * The values of the rows of [from, to) as doubles. What does not fit is rounded, which keeps the order: the
 * smaller double is the smaller value, equal ones are compared exactly.
 */
function doubles({ wide, parts }: Numbers, from: number, to: number, out: Float64Array): void {
  parts.forEach((words, part) => {
    if (part === 0) out.fill(0, 0, to - from);
    if (wide) {
      for (let row = from; row < to; row++) {
        out[row - from]! += words[row * 2]! + words[row * 2 + 1]! * word;
      }
    } else {
      for (let row = from; row < to; row++) out[row - from]! += words[row]!;
    }
  });
}

/** The value of a row, exact. */
function valueAt({ wide, parts }: Numbers, row: number): number | bigint {
  if (!wide) return parts[0]![row]!;
  return parts.reduce(
    (sum, words) => sum + BigInt(words[row * 2]!) + (BigInt(words[row * 2 + 1]!) << 32n),
    0n,
  );
}

/** Compares the values of two rows: less than, equal to or greater than 0. */
function compare(numbers: Numbers, a: number, b: number): number {
  const left = valueAt(numbers, a);
  const right = valueAt(numbers, b);
  return left < right ? -1 : left > right ? 1 : 0;
}

/**
 * The largest (`sign` 1) or least (-1) value of each group, `undefined` where no flow of it has one: what
 * the kernel did not send is 0 in its column, and would be the least.
 */
export function extremes(
  numbers: Numbers,
  grouping: Grouping,
  sign: 1 | -1,
): (number | bigint | undefined)[] {
  const { groupOf } = grouping;
  const { presence, bits } = numbers;
  const best = Uint32Array.from(grouping.firstRows);
  const bestValue = new Float64Array(best.length).fill(-Infinity);
  const values = new Float64Array(Math.min(block, numbers.rows));
  for (let from = 0; from < numbers.rows; from += block) {
    const to = Math.min(numbers.rows, from + block);
    doubles(numbers, from, to, values);
    for (let row = from; row < to; row++) {
      if (bits !== 0 && (presence[row]! & bits) === 0) continue;
      const group = groupOf[row]!;
      const value = values[row - from]! * sign;
      if (value < bestValue[group]!) continue;
      if (value === bestValue[group] && compare(numbers, row, best[group]!) * sign <= 0) continue;
      best[group] = row;
      bestValue[group] = value;
    }
  }
  return Array.from(best, (row, group) =>
    bestValue[group] === -Infinity ? undefined : valueAt(numbers, row),
  );
}

/** The rows with the largest values, largest first; rows of equal value in their order. */
export function largest(numbers: Numbers, count: number): Uint32Array {
  // A heap of the best so far, the worst of them on top.
  const heap: number[] = [];
  const worse = (a: number, b: number) => compare(numbers, a, b) || b - a;
  const sink = (at: number) => {
    for (;;) {
      let least = at;
      for (const child of [at * 2 + 1, at * 2 + 2]) {
        if (child < heap.length && worse(heap[child]!, heap[least]!) < 0) least = child;
      }
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  };
  const values = new Float64Array(Math.min(block, numbers.rows));
  const one = new Float64Array(1);
  let threshold = -Infinity;
  const full = () => {
    doubles(numbers, heap[0]!, heap[0]! + 1, one);
    threshold = one[0]!;
  };
  for (let from = 0; from < numbers.rows && count > 0; from += block) {
    const to = Math.min(numbers.rows, from + block);
    doubles(numbers, from, to, values);
    for (let row = from; row < to; row++) {
      if (values[row - from]! < threshold) continue;
      if (heap.length < count) {
        heap.push(row);
        if (heap.length < count) continue;
        for (let i = count >> 1; i >= 0; i--) sink(i);
        full();
      } else if (compare(numbers, row, heap[0]!) > 0) {
        heap[0] = row;
        sink(0);
        full();
      }
    }
  }
  return Uint32Array.from(heap.sort((a, b) => -worse(a, b)));
}
