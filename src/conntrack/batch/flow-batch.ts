// FlowBatch: flows in columns, with a Flow for each row. A dump gives it.
import { integerAt } from '../../checks.js';
import { badType } from '../../errors.js';
import type { RawBatch, RawDumpStats } from '../../native/binding.js';
import { type Aggregate, type Group, groupRows, sumRows, topRows } from '../aggregate/aggregate.js';
import type { GroupKey } from '../aggregate/keys.js';
import type { Measure } from '../aggregate/numbers.js';
import { type ColumnName, ColumnStore } from '../columns/column-store.js';
import { type ColumnArrays, columnLayout } from '../columns/schema.js';
import { checkFilter } from '../filter/check.js';
import { matchingRows } from '../filter/column-filter.js';
import type { FlowFilter } from '../filter/types.js';
import type { FlowObject } from '../flow/fields.js';
import { Flow } from '../flow/flow.js';
import { type ArrowTable, arrowTable } from './arrow.js';
import { type BatchStats, batchStats } from './stats.js';

/** The columns of a batch as typed arrays. Each is made when it is first read. */
export type Columns = ColumnArrays & {
  /** 16 bytes per IPv6 address. The address columns of an IPv6 row hold indexes of it. */
  readonly addresses6: Uint8Array;
};

/**
 * Flows in columns: like an array of {@link Flow}, over typed arrays. Making it costs the same for ten flows and for
 * a million. An address becomes text when it is read.
 *
 * Columns (`batch.columns`): address columns hold IPv4 addresses as numbers (10.0.0.1 is 0x0a000001). In rows whose
 * `family` is 10 they hold indexes of `addresses6`. Port columns of ICMP rows hold the id (`…SrcPort`) and
 * `type << 8 | code` (`…DstPort`). A value that the kernel did not send is 0; the bits of `presence` tell which these
 * are (see `has`). A batch has its memory outside the JavaScript heap: `postMessage` copies it, and transfer lists
 * do not move it.
 */
export class FlowBatch implements Iterable<Flow> {
  readonly length: number;
  readonly stats: BatchStats;
  readonly #store: ColumnStore;
  #columns: Columns | undefined;

  protected constructor(store: ColumnStore, stats: BatchStats) {
    this.#store = store;
    this.length = store.rows;
    this.stats = stats;
  }

  /** @internal */
  static fromRaw(raw: RawBatch, stats: RawDumpStats, split = ''): FlowBatch {
    return new FlowBatch(ColumnStore.fromRaw(raw), batchStats(stats, split, raw.withoutCounters));
  }

  get columns(): Columns {
    if (this.#columns === undefined) {
      const store = this.#store;
      const columns = { addresses6: store.addresses };
      for (const name of Object.keys(columnLayout) as ColumnName[]) {
        Object.defineProperty(columns, name, { enumerable: true, get: () => store.column(name) });
      }
      this.#columns = columns as unknown as Columns;
    }
    return this.#columns;
  }

  /** The flow at an index, as `at` of arrays: from the end when negative, `undefined` outside the batch. */
  at(index: number): Flow | undefined {
    const row = rowAt(index, this.length);
    return row === undefined ? undefined : this.#flow(row);
  }

  #flow(row: number): Flow {
    const place = this.#store.place(row);
    return Flow.at(place.store, place.row);
  }

  *[Symbol.iterator](): Iterator<Flow> {
    for (let row = 0; row < this.length; row++) yield this.#flow(row);
  }

  /** The flows that match. A filter is applied to the columns, a function to every flow. */
  filter(filter: FlowFilter | ((flow: Flow, index: number) => boolean)): FlowBatch {
    let rows: Uint32Array;
    if (typeof filter === 'function') {
      const chosen: number[] = [];
      for (let row = 0; row < this.length; row++) {
        if (filter(this.#flow(row), row)) chosen.push(row);
      }
      rows = Uint32Array.from(chosen);
    } else {
      rows = matchingRows(this.#store, checkFilter(filter));
    }
    return new FlowBatch(this.#store.select(rows), this.stats);
  }

  /** The flows from `start` to before `end`, as `slice` of arrays, without a copy. */
  slice(start = 0, end = this.length): FlowBatch {
    const clamp = (value: number) =>
      Math.min(this.length, Math.max(0, value < 0 ? this.length + value : value));
    const from = clamp(Math.trunc(start));
    const to = Math.max(from, clamp(Math.trunc(end)));
    return new FlowBatch(this.#store.slice(from, to), this.stats);
  }

  /** Plain objects that do not refer to the batch. Each is a valid `FlowInit`. */
  toArray(): FlowObject[] {
    return Array.from(this, (flow) => flow.toObject());
  }

  /** For `JSON.stringify`: see {@link Flow.toJSON}. */
  toJSON(): unknown[] {
    return Array.from(this, (flow) => flow.toJSON());
  }

  /** The sum of a measure over all flows: a `bigint` for counters and times. */
  sum(measure: Measure): number | bigint {
    return sumRows(this.#store, measure);
  }

  /**
   * One group per combination of keys, in the order in which they first come:
   * `batch.groupBy('origSrc', { flows: 'count', bytes: { sum: 'bytes' } })`.
   * Without aggregates each group has its `count`.
   */
  groupBy<K extends GroupKey>(keys: K | readonly K[]): Group<K, { count: 'count' }>[];
  groupBy<K extends GroupKey, A extends Record<string, Aggregate>>(
    keys: K | readonly K[],
    aggregates: A,
  ): Group<K, A>[];
  groupBy(
    keys: GroupKey | readonly GroupKey[],
    aggregates: Record<string, Aggregate> = { count: 'count' },
  ): Record<string, unknown>[] {
    return groupRows(this.#store, keys, aggregates);
  }

  /** The `n` flows with the largest values of a measure, the largest first. */
  top(n: number, by: Measure): FlowBatch {
    if (typeof n !== 'number') throw badType('n', 'a number of flows', n);
    const count = integerAt(n, 'n', 0, Number.MAX_SAFE_INTEGER);
    const rows = topRows(this.#store, Math.min(count, this.length), by);
    return new FlowBatch(this.#store.select(rows), this.stats);
  }

  /**
   * The batch as an Apache Arrow table. Numeric columns share the memory of the batch. Needs the optional package
   * `apache-arrow`, and throws an UnsupportedError without it. The type argument may be its `Table`.
   */
  toArrow<Table = ArrowTable>(): Table {
    return arrowTable(this.#store) as Table;
  }
}

/** The row of an index, which is taken as arrays take it: from the end when negative, without its fraction. */
export function rowAt(index: number, length: number): number | undefined {
  if (typeof index !== 'number') throw badType('index', 'a number', index);
  const whole = Math.trunc(index) || 0;
  const row = whole < 0 ? length + whole : whole;
  return row >= 0 && row < length ? row : undefined;
}
