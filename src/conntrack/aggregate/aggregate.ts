// groupBy and top, computed on columns: no object per row. Knows columns, not sockets.

import { entriesAt, fieldsAt, oneOf, oneOrMoreAt } from '../../checks.js';
import { AF_INET6, protocolName, stateNames } from '../../constants.js';
import { badRange, badType } from '../../errors.js';
import type { ColumnStore, Side } from '../columns/column-store.js';
import { has } from '../columns/schema.js';
import * as rare from '../flow/rare.js';
import { DirectGrouping, type DirectKey } from './direct-grouping.js';
import { extremes, sums } from './group-numbers.js';
import { type Codes, type Grouped, Grouping, interner } from './grouping.js';
import { largest, type Measure, measures, type Numbers, numbersOf, total } from './numbers.js';

export type { Measure } from './numbers.js';

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

export type Aggregate = 'count' | { sum: Measure } | { min: Measure } | { max: Measure };

/** A group: its keys, then the aggregates by the names that the caller gave them. */
export type Group<K extends GroupKey, A extends Record<string, Aggregate>> = {
  [P in K]: string | number | undefined;
} & {
  [P in keyof A]: A[P] extends 'count'
    ? number
    : A[P] extends { sum: Measure }
      ? number | bigint
      : number | bigint | undefined;
};

const sides: Partial<Record<GroupKey, Side>> = { origSrc: 0, origDst: 1, replySrc: 2, replyDst: 3 };
const portBits: Partial<Record<GroupKey, number>> = {
  origSrcPort: has.origPorts,
  origDstPort: has.origPorts,
  replySrcPort: has.replyPorts,
  replyDstPort: has.replyPorts,
};

/** Copies a column's codes as they are. */
function plainCodes(column: Uint8Array | Uint16Array | Uint32Array): Codes {
  return (from, to, out) => out.set(column.subarray(from, to));
}

function refineBy(grouping: Grouping, store: ColumnStore, key: GroupKey): void {
  const side = sides[key];
  const bit = portBits[key];
  if (side !== undefined) refineByAddress(grouping, store, key as 'origSrc', side);
  else if (bit !== undefined) refineByPort(grouping, store, key as 'origSrcPort', bit);
  else if (key === 'state') refineByState(grouping, store);
  else if (key === 'helper') {
    const text = interner();
    grouping.refine((from, to, out) => {
      for (let row = from; row < to; row++) out[row - from] = text(helperAt(store, row) ?? '');
    });
  } else {
    const column = store.column(key as 'mark' | 'zone' | 'family');
    const span = 2 ** (8 * column.BYTES_PER_ELEMENT);
    grouping.refine(plainCodes(column), span);
  }
}

function refineByAddress(
  grouping: Grouping,
  store: ColumnStore,
  key: 'origSrc' | 'origDst' | 'replySrc' | 'replyDst',
  side: Side,
): void {
  const family = store.column('family');
  const column = store.column(key);
  grouping.refine(plainCodes(family), 256);
  if (!family.includes(AF_INET6)) {
    grouping.refine(plainCodes(column));
    return;
  }
  // The column of an IPv6 row is an index: the same address may have several.
  const text = interner();
  grouping.refine((from, to, out) => {
    for (let row = from; row < to; row++) {
      out[row - from] =
        family[row] === AF_INET6 ? text(store.addressText(side, row)) : column[row]!;
    }
  });
}

/** Flows without ports make one group: their column holds ICMP values. */
function refineByPort(
  grouping: Grouping,
  store: ColumnStore,
  key: 'origSrcPort' | 'origDstPort' | 'replySrcPort' | 'replyDstPort',
  bit: number,
): void {
  const presence = store.column('presence');
  const column = store.column(key);
  grouping.refine((from, to, out) => portCodes(presence, bit, column, from, to, out), noPort + 1);
}

const noPort = 0x10000;

function portCodes(
  presence: Uint32Array,
  bit: number,
  column: Uint16Array,
  from: number,
  to: number,
  out: Uint32Array,
): void {
  for (let row = from; row < to; row++) {
    out[row - from] = (presence[row]! & bit) !== 0 ? column[row]! : noPort;
  }
}

/** Protocols share names of states: ESTABLISHED is one group. */
function refineByState(grouping: Grouping, store: ColumnStore): void {
  const presence = store.column('presence');
  const protocol = store.column('protocol');
  const state = store.column('state');
  const text = interner();
  const named = new Uint32Array(1 << 16); // from 1; 0: not met yet
  grouping.refine((from, to, out) => {
    for (let row = from; row < to; row++) {
      if ((presence[row]! & has.state) === 0) {
        out[row - from] = 0;
        continue;
      }
      const number = protocol[row]! * 256 + state[row]!;
      if (named[number] === 0) named[number] = 1 + text(stateText(store, row));
      out[row - from] = named[number]!;
    }
  });
}

function stateText(store: ColumnStore, row: number): string {
  const state = store.column('state')[row]!;
  return stateNames(store.column('protocol')[row]!)?.[state] ?? `STATE_${state}`;
}

function helperAt(store: ColumnStore, row: number): string | undefined {
  if ((store.column('presence')[row]! & has.helper) === 0) return undefined;
  const extra = store.extraBytes(row);
  return extra && rare.helperName(extra);
}

type KeyText = (row: number) => string | number | undefined;

/** What reads a key of a row as it appears in the groups. */
function keyReader(store: ColumnStore, key: GroupKey): KeyText {
  const side = sides[key];
  if (side !== undefined) return (row) => store.addressText(side, row);
  const presence = store.column('presence');
  switch (key) {
    case 'family': {
      const family = store.column('family');
      return (row) => (family[row] === AF_INET6 ? 'ipv6' : 'ipv4');
    }
    case 'protocol': {
      const protocol = store.column('protocol');
      return (row) => protocolName(protocol[row]!);
    }
    case 'state':
      return (row) => ((presence[row]! & has.state) === 0 ? undefined : stateText(store, row));
    case 'helper':
      return (row) => helperAt(store, row);
    default: {
      const bit = key === 'timeout' ? has.timeout : (portBits[key] ?? 0);
      const column = store.column(key as 'mark');
      return (row) => ((presence[row]! & bit) === bit ? column[row] : undefined);
    }
  }
}

/** The place of a key that has 16 bits at most. */
function directKey(store: ColumnStore, key: GroupKey): DirectKey | undefined {
  const bits = portBits[key] ?? 0;
  if (bits === 0 && key !== 'zone' && key !== 'family' && key !== 'protocol') return undefined;
  const column = store.column(key as 'zone' | 'family');
  return {
    // One kind of array: the loops are compiled for one.
    column: column instanceof Uint16Array ? column : new Uint16Array(column),
    presence: store.column('presence'),
    bits,
  };
}

/** A checked aggregate. */
type Checked =
  | { name: string; kind: 'count' }
  | { name: string; kind: 'sum' | 'min' | 'max'; numbers: Numbers };

const aggregateFields = new Set(['sum', 'min', 'max']);

function checkAggregate(store: ColumnStore, name: string, aggregate: unknown): Checked {
  if (aggregate === 'count') return { name, kind: 'count' };
  const path = `aggregates.${name}`;
  const expected = "'count' or one of { sum }, { min }, { max }";
  const fields = fieldsAt(aggregate, path, aggregateFields, expected);
  const [kind, ...more] = Object.keys(fields) as ('sum' | 'min' | 'max')[];
  if (kind === undefined || more.length > 0) throw badType(path, expected, aggregate);
  const measure = oneOf(fields[kind], `${path}.${kind}`, measures);
  return { name, kind, numbers: numbersOf(store, measure) };
}

function groupingBy(store: ColumnStore, keys: readonly GroupKey[], wanted: readonly Checked[]) {
  const direct = keys.length === 1 ? directKey(store, keys[0]!) : undefined;
  if (direct !== undefined) {
    const sum = wanted.find((each) => each.kind === 'sum');
    return new DirectGrouping(direct, sum && 'numbers' in sum ? sum.numbers : undefined);
  }
  const grouping = new Grouping(store.rows);
  for (const key of keys) refineBy(grouping, store, key);
  return grouping;
}

function aggregated(grouped: Grouped, wanted: Checked): (number | bigint | undefined)[] {
  switch (wanted.kind) {
    case 'count':
      return grouped.counts();
    case 'sum':
      return grouped instanceof DirectGrouping
        ? grouped.sums(wanted.numbers)
        : sums(wanted.numbers, grouped);
    case 'min':
      return extremes(wanted.numbers, grouped, -1);
    case 'max':
      return extremes(wanted.numbers, grouped, 1);
  }
}

/** Sets a property of a group, whatever it is called: `__proto__` is a name like others. */
function put(group: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') group[name] = value;
  else Object.defineProperty(group, name, { value, ...writableField });
}

const writableField = { enumerable: true, configurable: true, writable: true } as const;

function keysAt(keys: unknown): GroupKey[] {
  const { list } = oneOrMoreAt(keys, 'keys');
  if (list.length === 0) throw badRange('keys', 'at least one key', 'none');
  return list.map((key, i) => oneOf(key, `keys[${i}]`, groupKeys));
}

export function groupRows<K extends GroupKey, A extends Record<string, Aggregate>>(
  store: ColumnStore,
  by: K | readonly K[],
  aggregates: A,
): Group<K, A>[] {
  const keys = keysAt(by);
  const wanted = entriesAt(aggregates, 'aggregates').map(([name, aggregate]) => {
    if ((keys as readonly string[]).includes(name)) {
      throw new TypeError(`aggregates.${name}: is also the name of a key`);
    }
    return checkAggregate(store, name, aggregate);
  });
  const grouped = groupingBy(store, keys, wanted);
  const readers = keys.map((key) => ({ key, read: keyReader(store, key) }));
  const computed = wanted.map((each) => ({ name: each.name, values: aggregated(grouped, each) }));
  return grouped.firstRows.map((row, group) => {
    const result: Record<string, unknown> = {};
    for (const { key, read } of readers) result[key] = read(row);
    for (const { name, values } of computed) put(result, name, values[group]);
    return result as Group<K, A>;
  });
}

/** The sum of a measure over all rows. */
export function sumRows(store: ColumnStore, measure: Measure): number | bigint {
  return total(numbersOf(store, oneOf(measure, 'measure', measures)));
}

/** The rows with the largest values, largest first; rows of equal value in their order. */
export function topRows(store: ColumnStore, count: number, measure: Measure): Uint32Array {
  return largest(numbersOf(store, oneOf(measure, 'by', measures)), count);
}
