// groupBy and top, computed on columns: no object per row. Knows columns, not sockets.

import { objectAt, oneOf } from '../checks.js';
import { AF_INET6, protocolName, stateNames } from '../constants.js';
import { badRange, badType } from '../errors.js';
import * as rare from './attributes.js';
import type { ColumnStore, Side } from './column-store.js';
import { has } from './columns.js';
import { type Codes, Grouping, interner } from './grouping.js';
import { extremes, largest, type Measure, measures, numbersOf, sums, total } from './numbers.js';

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
  grouping.refine((from, to, out) => {
    for (let row = from; row < to; row++) {
      out[row - from] = (presence[row]! & bit) !== 0 ? column[row]! : 0x10000;
    }
  }, 0x10001);
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

function keyText(store: ColumnStore, key: GroupKey, row: number): string | number | undefined {
  const side = sides[key];
  if (side !== undefined) return store.addressText(side, row);
  const presence = store.column('presence')[row]!;
  switch (key) {
    case 'family':
      return store.column('family')[row] === 2 ? 'ipv4' : 'ipv6';
    case 'protocol':
      return protocolName(store.column('protocol')[row]!);
    case 'state':
      return (presence & has.state) === 0 ? undefined : stateText(store, row);
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
  const computed: [string, (number | bigint | undefined)[]][] = [];
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
    return grouping.counts();
  }
  const fields = objectAt(aggregate, path);
  const [kind, ...more] = Object.keys(fields);
  if (kind === undefined || more.length > 0)
    throw badType(path, "'count' or one of { sum }, { min }, { max }", aggregate);
  const measure = oneOf(fields[kind], `${path}.${kind}`, measures);
  const numbers = numbersOf(store, measure);
  if (kind === 'sum') return sums(numbers, grouping);
  if (kind === 'min') return extremes(numbers, grouping, -1);
  if (kind === 'max') return extremes(numbers, grouping, 1);
  throw badRange(path, "'count', { sum }, { min } or { max }", kind);
}

/** The sum of a measure over all rows. */
export function sumRows(store: ColumnStore, measure: Measure): number | bigint {
  return total(numbersOf(store, oneOf(measure, 'measure', measures)));
}

/** The rows with the largest values, largest first; rows of equal value in their order. */
export function topRows(store: ColumnStore, count: number, measure: Measure): Uint32Array {
  return largest(numbersOf(store, oneOf(measure, 'by', measures)), count);
}
