// groupBy, sum and top: computed on columns, without an object per row. Knows columns, not sockets.
import { entriesAt, fieldsAt, oneOf, oneOrMoreAt } from '../../checks.js';
import { badRange, badType } from '../../errors.js';
import type { ColumnStore } from '../columns/column-store.js';
import { DirectGrouping } from './direct-grouping.js';
import { extremes, sums } from './group-numbers.js';
import { type Grouped, Grouping } from './grouping.js';
import {
  directKey,
  type GroupKey,
  type GroupKeyValues,
  groupKeys,
  keyReader,
  refineBy,
} from './keys.js';
import { largest } from './largest.js';
import {
  type Measure,
  type MeasureValues,
  measures,
  type Numbers,
  numbersOf,
  total,
} from './numbers.js';

/** An aggregate that adds up a measure. */
export interface Sum<M extends Measure = Measure> {
  /** The measure to add up. */
  readonly sum: M;
}

/** An aggregate that finds the least value of a measure. Flows without a value are passed over. */
export interface Min<M extends Measure = Measure> {
  /** The measure whose least value is wanted. */
  readonly min: M;
}

/** An aggregate that finds the largest value of a measure. Flows without a value are passed over. */
export interface Max<M extends Measure = Measure> {
  /** The measure whose largest value is wanted. */
  readonly max: M;
}

/** What is computed of each group: the number of its flows, or the sum, the least or the largest of a measure. */
export type Aggregate = 'count' | Sum | Min | Max;

/**
 * What an aggregate gives: a bigint for counters and times, a number for the others and for counts. A least or largest
 * value is undefined where no flow of the group has one. Every flow has a mark.
 */
export type AggregateValue<A extends Aggregate> =
  A extends Sum<infer M>
    ? MeasureValues[M]
    : A extends Min<infer M> | Max<infer M>
      ? M extends 'mark'
        ? MeasureValues[M]
        : MeasureValues[M] | undefined
      : number;

/** A group: its keys, and its aggregates under the names that the caller gave them. */
export type Group<K extends GroupKey, A extends Readonly<Record<string, Aggregate>>> = {
  readonly [P in K]: GroupKeyValues[P];
} & {
  readonly [P in keyof A]: AggregateValue<A[P]>;
};

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

/** Sets a property of a group. `__proto__` is a name like any other. */
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

export function groupRows<K extends GroupKey, A extends Readonly<Record<string, Aggregate>>>(
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
export function sumRows<M extends Measure>(store: ColumnStore, measure: M): MeasureValues[M] {
  // Wide columns make bigints: those of MeasureValues are the wide ones.
  return total(numbersOf(store, oneOf(measure, 'measure', measures))) as MeasureValues[M];
}

/** The rows with the largest values, the largest first. Rows of equal value stay in their order. */
export function topRows(store: ColumnStore, count: number, measure: Measure): Uint32Array {
  return largest(numbersOf(store, oneOf(measure, 'by', measures)), count);
}
