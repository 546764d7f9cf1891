// groupBy and top, computed on columns: no object per row. Knows columns, not sockets.

import { objectAt, oneOf } from '../checks.js';
import { protocolName, stateNames } from '../constants.js';
import { badRange, badType } from '../errors.js';
import * as rare from './attributes.js';
import type { ColumnName, ColumnStore, Side } from './column-store.js';
import { columnLayout, has } from './columns.js';

/** What rows can be grouped by. Addresses and names appear as text in the groups. */
export const groupKeys = [
  'family',
  'protocol',
  'state',
  'status',
  'mark',
  'zone',
  'timeout',
  'origSrc',
  'origDst',
  'replySrc',
  'replyDst',
  'origSrcPort',
  'origDstPort',
  'replySrcPort',
  'replyDstPort',
  'helper',
] as const;
export type GroupKey = (typeof groupKeys)[number];

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

export type Aggregate = 'count' | { sum: Measure } | { min: Measure } | { max: Measure };

/** A group: its keys, then the aggregates by the names that the caller gave them. */
export type Group<K extends GroupKey, A extends Record<string, Aggregate>> = {
  [P in K]: string | number | undefined;
} & { [P in keyof A]: A[P] extends 'count' ? number : number | bigint };

/** A number per row, as two words where the column has 64 bits. */
interface Numbers {
  wide: boolean;
  low: (row: number) => number;
  high: (row: number) => number;
}

const zero = () => 0;

function wordsOf(store: ColumnStore, name: ColumnName): Uint32Array {
  const column = store.column(name);
  return new Uint32Array(column.buffer, column.byteOffset, column.byteLength / 4);
}

function numbersOf(store: ColumnStore, measure: Measure): Numbers[] {
  if (measure === 'packets')
    return [...numbersOf(store, 'origPackets'), ...numbersOf(store, 'replyPackets')];
  if (measure === 'bytes')
    return [...numbersOf(store, 'origBytes'), ...numbersOf(store, 'replyBytes')];
  if (columnLayout[measure].size === 8) {
    const words = wordsOf(store, measure);
    return [{ wide: true, low: (row) => words[row * 2]!, high: (row) => words[row * 2 + 1]! }];
  }
  const column = store.column(measure) as Uint32Array;
  return [{ wide: false, low: (row) => column[row]!, high: zero }];
}

/** Numbers groups densely by a code per row; the first row of each group stands for its keys. */
class Grouping {
  readonly groupOf: Uint32Array;
  firstRows: number[] = [];

  constructor(rows: number) {
    this.groupOf = new Uint32Array(rows);
    if (rows > 0) this.firstRows.push(0);
  }

  /** Splits every group by one more value. Open addressing on (group, value). */
  refine(value: (row: number) => number): void {
    const rows = this.groupOf.length;
    let size = 1024;
    while (size < this.firstRows.length * 2) size *= 2;
    let keyGroup = new Uint32Array(size);
    let keyValue = new Uint32Array(size);
    let slotGroup = new Int32Array(size).fill(-1);
    const first: number[] = [];
    const place = (group: number, code: number) => {
      let slot = (Math.imul(code ^ (code >>> 15), 0x9e3779b1) ^ Math.imul(group, 0x85ebca6b)) >>> 0;
      slot &= size - 1;
      while (slotGroup[slot]! >= 0 && (keyGroup[slot] !== group || keyValue[slot] !== code)) {
        slot = (slot + 1) & (size - 1);
      }
      return slot;
    };
    const grow = () => {
      const old = { keyGroup, keyValue, slotGroup };
      size *= 2;
      keyGroup = new Uint32Array(size);
      keyValue = new Uint32Array(size);
      slotGroup = new Int32Array(size).fill(-1);
      for (let i = 0; i < old.slotGroup.length; i++) {
        if (old.slotGroup[i]! < 0) continue;
        const slot = place(old.keyGroup[i]!, old.keyValue[i]!);
        keyGroup[slot] = old.keyGroup[i]!;
        keyValue[slot] = old.keyValue[i]!;
        slotGroup[slot] = old.slotGroup[i]!;
      }
    };
    for (let row = 0; row < rows; row++) {
      const group = this.groupOf[row]!;
      const code = value(row) >>> 0;
      let slot = place(group, code);
      if (slotGroup[slot]! < 0) {
        if (first.length * 2 >= size) {
          grow();
          slot = place(group, code);
        }
        keyGroup[slot] = group;
        keyValue[slot] = code;
        slotGroup[slot] = first.length;
        first.push(row);
      }
      this.groupOf[row] = slotGroup[slot]!;
    }
    this.firstRows = first;
  }
}

/** Interns texts of rows as numbers. */
function interned(text: (row: number) => string): (row: number) => number {
  const codes = new Map<string, number>();
  return (row) => {
    const key = text(row);
    let code = codes.get(key);
    if (code === undefined) {
      code = codes.size;
      codes.set(key, code);
    }
    return code;
  };
}

const sides: Partial<Record<GroupKey, Side>> = { origSrc: 0, origDst: 1, replySrc: 2, replyDst: 3 };
const portBits: Partial<Record<GroupKey, number>> = {
  origSrcPort: has.origPorts,
  origDstPort: has.origPorts,
  replySrcPort: has.replyPorts,
  replyDstPort: has.replyPorts,
};

function refineBy(grouping: Grouping, store: ColumnStore, key: GroupKey): void {
  const family = store.column('family');
  const side = sides[key];
  if (side !== undefined) {
    const column = store.column(key as 'origSrc');
    const v6 = interned((row) => store.addressText(side, row));
    grouping.refine((row) => family[row]!);
    grouping.refine((row) => (family[row] === 2 ? column[row]! : v6(row)));
  } else if (key === 'helper') {
    grouping.refine(interned((row) => helperAt(store, row) ?? ''));
  } else if (key === 'state') {
    const presence = store.column('presence');
    const protocol = store.column('protocol');
    const state = store.column('state');
    grouping.refine((row) =>
      (presence[row]! & has.state) === 0 ? 0 : 1 + state[row]! + protocol[row]! * 256,
    );
  } else {
    const column = store.column(key as 'mark');
    const bit = portBits[key];
    if (bit === undefined) {
      grouping.refine((row) => column[row]!);
    } else {
      // Flows without ports make one group: their column holds ICMP values.
      const presence = store.column('presence');
      grouping.refine((row) => ((presence[row]! & bit) === 0 ? 0x10000 : column[row]!));
    }
  }
}

function helperAt(store: ColumnStore, row: number): string | undefined {
  if ((store.column('presence')[row]! & has.helper) === 0) return undefined;
  const extra = store.extraBytes(row);
  return extra && rare.helperName(extra);
}

function keyText(store: ColumnStore, key: GroupKey, row: number): string | number | undefined {
  const side = sides[key];
  if (side !== undefined) return store.addressText(side, row);
  const presence = store.column('presence')[row]!;
  switch (key) {
    case 'family':
      return store.column('family')[row] === 2 ? 'ipv4' : 'ipv6';
    case 'protocol':
      return protocolName(store.column('protocol')[row]!);
    case 'state': {
      if ((presence & has.state) === 0) return undefined;
      const state = store.column('state')[row]!;
      return stateNames(store.column('protocol')[row]!)?.[state] ?? `STATE_${state}`;
    }
    case 'helper':
      return helperAt(store, row);
    case 'timeout':
      return (presence & has.timeout) === 0 ? undefined : store.column('timeout')[row];
    default: {
      const bit = portBits[key];
      if (bit !== undefined && (presence & bit) === 0) return undefined;
      return store.column(key as 'mark')[row];
    }
  }
}

/** Sums as pairs of doubles that stay exact: the low words are carried before they lose a bit. */
function sum(numbers: Numbers[], grouping: Grouping): (number | bigint)[] {
  const groups = grouping.firstRows.length;
  const low = new Float64Array(groups);
  const high = new Float64Array(groups);
  const carry = 2 ** 52;
  for (const part of numbers) {
    for (let row = 0; row < grouping.groupOf.length; row++) {
      const group = grouping.groupOf[row]!;
      let value = low[group]! + part.low(row);
      if (value >= carry) {
        value -= carry;
        high[group]! += 2 ** 20;
      }
      low[group] = value;
      if (part.wide) high[group]! += part.high(row);
    }
  }
  const wide = numbers.some((part) => part.wide);
  return Array.from(low, (value, group) => {
    if (wide) return BigInt(value) + (BigInt(high[group]!) << 32n);
    return value + high[group]! * 2 ** 32;
  });
}

/** The value of a row, exact. */
function valueAt(numbers: Numbers[], row: number): number | bigint {
  if (!numbers.some((part) => part.wide)) return numbers[0]!.low(row);
  return numbers.reduce(
    (total, part) => total + BigInt(part.low(row)) + (BigInt(part.high(row)) << 32n),
    0n,
  );
}

/** -1, 0 or 1 for the values of two rows, without making a bigint. */
function compareRows(numbers: Numbers[], a: number, b: number): number {
  let lowA = 0;
  let highA = 0;
  let lowB = 0;
  let highB = 0;
  for (const part of numbers) {
    lowA += part.low(a);
    highA += part.high(a);
    lowB += part.low(b);
    highB += part.high(b);
  }
  const difference =
    highA + Math.floor(lowA / 2 ** 32) - (highB + Math.floor(lowB / 2 ** 32)) ||
    (lowA % 2 ** 32) - (lowB % 2 ** 32);
  return Math.sign(difference);
}

function extreme(numbers: Numbers[], grouping: Grouping, sign: 1 | -1): (number | bigint)[] {
  const best = [...grouping.firstRows];
  for (let row = 0; row < grouping.groupOf.length; row++) {
    const group = grouping.groupOf[row]!;
    if (compareRows(numbers, row, best[group]!) * sign > 0) best[group] = row;
  }
  return best.map((row) => valueAt(numbers, row));
}

export function groupRows<K extends GroupKey, A extends Record<string, Aggregate>>(
  store: ColumnStore,
  keys: readonly K[],
  aggregates: A,
): Group<K, A>[] {
  const grouping = new Grouping(store.rows);
  keys.forEach((key, i) => {
    oneOf(key, `keys[${i}]`, groupKeys);
    refineBy(grouping, store, key);
  });
  const computed: [string, (number | bigint)[]][] = [];
  for (const [name, aggregate] of Object.entries(aggregates)) {
    if ((keys as readonly string[]).includes(name)) {
      throw new TypeError(`aggregates.${name}: is also the name of a key`);
    }
    computed.push([name, aggregated(store, grouping, aggregate, `aggregates.${name}`)]);
  }
  return grouping.firstRows.map((row, group) => {
    const result: Record<string, unknown> = {};
    for (const key of keys) result[key] = keyText(store, key, row);
    for (const [name, values] of computed) result[name] = values[group];
    return result as Group<K, A>;
  });
}

function aggregated(store: ColumnStore, grouping: Grouping, aggregate: Aggregate, path: string) {
  if (aggregate === 'count') {
    const counts = new Array<number>(grouping.firstRows.length).fill(0);
    for (const group of grouping.groupOf) counts[group]!++;
    return counts;
  }
  const fields = objectAt(aggregate, path);
  const [kind, ...more] = Object.keys(fields);
  if (kind === undefined || more.length > 0)
    throw badType(path, "'count' or one of { sum }, { min }, { max }", aggregate);
  const measure = oneOf(fields[kind], `${path}.${kind}`, measures);
  const numbers = numbersOf(store, measure);
  if (kind === 'sum') return sum(numbers, grouping);
  if (kind === 'min') return extreme(numbers, grouping, -1);
  if (kind === 'max') return extreme(numbers, grouping, 1);
  throw badRange(path, "'count', { sum }, { min } or { max }", kind);
}

/** The sum of a measure over all rows. */
export function sumRows(store: ColumnStore, measure: Measure): number | bigint {
  oneOf(measure, 'measure', measures);
  const numbers = numbersOf(store, measure);
  if (store.rows === 0) return numbers.some((part) => part.wide) ? 0n : 0;
  return sum(numbers, new Grouping(store.rows))[0]!;
}

/** The rows with the largest values, largest first; rows of equal value in their order. */
export function topRows(store: ColumnStore, count: number, measure: Measure): Uint32Array {
  const numbers = numbersOf(store, oneOf(measure, 'by', measures));
  // A heap of the best so far, the worst of them on top.
  const heap: number[] = [];
  const worse = (a: number, b: number) => compareRows(numbers, a, b) || b - a;
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
  for (let row = 0; row < store.rows && count > 0; row++) {
    if (heap.length < count) {
      heap.push(row);
      if (heap.length === count) for (let i = count >> 1; i >= 0; i--) sink(i);
    } else if (worse(row, heap[0]!) > 0) {
      heap[0] = row;
      sink(0);
    }
  }
  return Uint32Array.from(heap.sort((a, b) => -worse(a, b)));
}
