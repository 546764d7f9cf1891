// Sums and extremes of groups, exact to 64 bits. Tight loops in functions of the module, as in grouping.ts.
// Knows numbers, nothing of flows.
import type { Grouped } from './grouping.js';
import {
  block,
  carry,
  combined,
  compare,
  doubles,
  exactRows,
  type Numbers,
  valueAt,
  word,
} from './numbers.js';

/**
 * A sum of 64-bit values in a double is exact when it stays below this. No value is negative, so no value and no
 * sum on the way was larger.
 */
const exactBelow = 2 ** 53;

/** Sums that were added up as doubles; undefined where they are not exact. */
export function exactTotals(totals: Float64Array): Float64Array | undefined {
  for (let i = 0; i < totals.length; i++) if (totals[i]! >= exactBelow) return undefined;
  return totals;
}

/** The sum of each group. */
export function sums(numbers: Numbers, grouped: Grouped): (number | bigint)[] {
  const { rows, wide, parts } = numbers;
  const { groupOf } = grouped;
  const groups = grouped.firstRows.length;
  if (wide) {
    const totals = new Float64Array(groups);
    if (parts.length === 2) addBoth(parts[0]!, parts[1]!, groupOf, totals);
    else for (const words of parts) addOne(words, groupOf, totals);
    if (exactTotals(totals)) return Array.from(totals, BigInt);
  }
  const low = new Float64Array(groups);
  const high = new Float64Array(groups);
  for (const words of parts) {
    for (let from = 0; from < rows; from += exactRows) {
      const to = Math.min(rows, from + exactRows);
      if (wide) addPairs(words, groupOf, from, to, low, high);
      else addWords(words, groupOf, from, to, low);
      carry(low, high);
    }
  }
  return Array.from(low, (value, group) => combined(value, high[group]!, wide));
}

function addOne(words: Uint32Array, groupOf: Uint32Array, totals: Float64Array): void {
  for (let row = 0; row < groupOf.length; row++) {
    totals[groupOf[row]!]! += words[row * 2]! + words[row * 2 + 1]! * word;
  }
}

function addBoth(a: Uint32Array, b: Uint32Array, groupOf: Uint32Array, totals: Float64Array): void {
  for (let row = 0; row < groupOf.length; row++) {
    const i = row * 2;
    totals[groupOf[row]!]! += a[i]! + a[i + 1]! * word + (b[i]! + b[i + 1]! * word);
  }
}

function addWords(
  words: Uint32Array,
  groupOf: Uint32Array,
  from: number,
  to: number,
  low: Float64Array,
): void {
  for (let row = from; row < to; row++) low[groupOf[row]!]! += words[row]!;
}

function addPairs(
  words: Uint32Array,
  groupOf: Uint32Array,
  from: number,
  to: number,
  low: Float64Array,
  high: Float64Array,
): void {
  for (let row = from; row < to; row++) {
    const group = groupOf[row]!;
    low[group]! += words[row * 2]!;
    high[group]! += words[row * 2 + 1]!;
  }
}

/**
 * The largest (`sign` 1) or least (-1) value of each group, `undefined` where no flow of it has a value. (A value
 * that the kernel did not send is 0 in its column, and would be the least.)
 */
export function extremes(
  numbers: Numbers,
  grouped: Grouped,
  sign: 1 | -1,
): (number | bigint | undefined)[] {
  const { groupOf } = grouped;
  const best = Uint32Array.from(grouped.firstRows);
  const bestValue = new Float64Array(best.length).fill(-Infinity);
  const values = new Float64Array(Math.min(block, numbers.rows));
  for (let from = 0; from < numbers.rows; from += block) {
    const to = Math.min(numbers.rows, from + block);
    doubles(numbers, from, to, values);
    improve(numbers, groupOf, from, to, values, sign, best, bestValue);
  }
  return Array.from(best, (row, group) =>
    bestValue[group] === -Infinity ? undefined : valueAt(numbers, row),
  );
}

function improve(
  numbers: Numbers,
  groupOf: Uint32Array,
  from: number,
  to: number,
  values: Float64Array,
  sign: 1 | -1,
  best: Uint32Array,
  bestValue: Float64Array,
): void {
  const { presence, bits } = numbers;
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
