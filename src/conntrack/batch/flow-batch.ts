// FlowBatch: flows in columns, with a Flow for each row. A dump gives it, and so does a list of plain
// flows.
import { integerAt, iterableAt } from '../../checks.js';
import { badType } from '../../errors.js';
import type { RawBatch, RawDumpStats } from '../../native/binding.js';
import { type Aggregate, type Group, groupRows, sumRows, topRows } from '../aggregate/aggregate.js';
import type { GroupKey } from '../aggregate/keys.js';
import type { Measure, MeasureValues } from '../aggregate/numbers.js';
import { type ColumnName, ColumnStore } from '../columns/column-store.js';
import { joined } from '../columns/pieces.js';
import { columnLayout } from '../columns/schema.js';
import { checkFilter } from '../filter/check.js';
import { matchingRows } from '../filter/column-filter.js';
import type { FlowFilter } from '../filter/types.js';
import type { FlowObject } from '../flow/fields.js';
import { Flow } from '../flow/flow.js';
import type { TrackingState } from '../host/tracking.js';
import type { FlowSample } from '../input/sample.js';
import { type ArrowTable, arrowTable } from './arrow.js';
import { fromBytes, toBytes } from './bytes.js';
import type { Columns } from './columns.js';
import {
  type DiffField,
  type DiffOptions,
  diffBits,
  diffFields,
  diffNames,
  diffRows,
} from './diff.js';
import { MadeRows } from './made-rows.js';
import { addFlow } from './make-row.js';
import { type BatchStats, batchStats, joinedStats, madeStats, withoutCounters } from './stats.js';

/** The memory of a batch. */
let storeAt: (value: unknown, path: string) => ColumnStore;

/**
 * Flows in columns: like an array of {@link Flow}, over typed arrays. Making it costs the same for ten flows and for
 * a million. An address becomes text when it is read.
 *
 * Columns (`batch.columns`): address columns hold IPv4 addresses as numbers (10.0.0.1 is 0x0a000001). In rows whose
 * `family` is 10 they hold indexes of `addresses6`. Port columns of ICMP rows hold the id (`…SrcPort`) and
 * `type << 8 | code` (`…DstPort`). A value that the kernel did not send is 0. The bits of `presence` tell which these
 * are (`presenceBits` names them). They are all taken: attributes that came later have theirs in `presenceMore`
 * (`presenceMoreBits`), a column that is 0 in most batches. A batch has its memory outside the JavaScript heap: `postMessage` copies it, and transfer lists
 * do not move it.
 */
export class FlowBatch implements Iterable<Flow> {
  /** The number of flows. */
  readonly length: number;
  /** How the batch was obtained. A part of a batch has those of the whole. */
  readonly stats: BatchStats;
  readonly #store: ColumnStore;
  #columns: Columns | undefined;

  // The declarations show the first form, which no user can call. Memory is this package's own business.
  /** Batches are made by dumps, by event streams and by `of`. */
  protected constructor(memory: never, stats: BatchStats);
  /** @internal */
  protected constructor(store: ColumnStore, stats: BatchStats);
  protected constructor(store: ColumnStore, stats: BatchStats) {
    this.#store = store;
    this.length = store.rows;
    this.stats = stats;
  }

  static {
    storeAt = (value, path) => {
      if (typeof value === 'object' && value !== null && #store in value) return value.#store;
      throw badType(path, 'a FlowBatch', value);
    };
  }

  /** @internal */
  static fromRaw(
    raw: RawBatch,
    stats: RawDumpStats,
    split = '',
    tracking?: TrackingState,
  ): FlowBatch {
    const how = batchStats(stats, split, raw.withoutCounters, tracking);
    return new FlowBatch(ColumnStore.fromRaw(raw), how);
  }

  /** @internal The columns of a batch; undefined for what is none. */
  static storeOf(value: unknown): ColumnStore | undefined {
    return typeof value === 'object' && value !== null && #store in value
      ? value.#store
      : undefined;
  }

  /**
   * A batch of plain flows, without a kernel: for tests of a program, and for flows that were kept in a file. It needs
   * no Linux and no privileges. Its rows are what the kernel would have given; a `Flow` is copied as it was read. The
   * flows belong to no table, and `stats` has 0 messages on 0 sockets.
   * @throws {TypeError | RangeError} for a flow that is wrong, with the path of the field (`flows[3].orig.src`)
   * @example
   * import { FlowBatch } from 'conntrack';
   * const flows = FlowBatch.of([
   *   { protocol: 'tcp', src: '10.0.0.1', dst: '192.0.2.1', srcPort: 40000, dstPort: 443, state: 'ESTABLISHED' },
   *   {
   *     protocol: 'udp',
   *     orig: { src: '10.0.0.1', dst: '192.0.2.53', srcPort: 5353, dstPort: 53, packets: 1, bytes: 60 },
   *     reply: { packets: 1, bytes: 512 },
   *     nat: { src: '198.51.100.1' },
   *   },
   * ]);
   * console.log(flows.filter({ protocol: 'udp' }).sum('bytes'), String(flows.at(1)));
   */
  static of(flows: Iterable<FlowSample | Flow>): FlowBatch {
    const list = [...iterableAt(flows, 'flows', 'flows')];
    const rows = new MadeRows(list.length);
    list.forEach((flow, i) => {
      addFlow(rows, flow, () => `flows[${i}]`);
      rows.end();
    });
    return FlowBatch.fromRaw(rows.finish(), madeStats);
  }

  /**
   * The flows of all batches in one, in their order. They are copied, so the others can be forgotten. The numbers of
   * `stats` are added up. Flows of batches of one table stay flows of that table; of several they belong to none, and
   * are found by tuple and zone.
   * @throws {TypeError} for what is no batch
   * @example
   * import { FlowBatch } from 'conntrack';
   * const side = { src: '10.0.0.1', dst: '192.0.2.1', srcPort: 40000 };
   * const batches = [443, 25].map((dstPort) => FlowBatch.of([{ protocol: 'tcp', ...side, dstPort }]));
   * console.log(FlowBatch.concat(...batches).length);
   */
  static concat(...batches: readonly FlowBatch[]): FlowBatch {
    const stores = batches.map((batch, i) => storeAt(batch, `batches[${i}]`));
    return new FlowBatch(joined(stores), joinedStats(batches.map(({ stats }) => stats)));
  }

  /**
   * What is different between two batches, as of two dumps of a table. A flow is the same if its protocol, the tuple of
   * its original direction and its zones are the same, and its `start` where both have one. All of it is done on
   * columns. A batch of events has partial flows: what an event leaves out shows as a change.
   * @throws {TypeError | RangeError} for what is no batch, and for a field that cannot be compared
   * @example
   * import { conntrack, FlowBatch } from 'conntrack';
   * const before = await conntrack.dump();
   * await conntrack.updateWhere('all', { mark: 7 });
   * const { added, removed, changed, unchanged } = FlowBatch.diff(before, await conntrack.dump());
   * console.log(added.length, removed.length, unchanged);
   * for (let i = 0; i < changed.length; i++) {
   *   console.log(changed.fieldsAt(i), changed.before.at(i)?.mark, changed.after.at(i)?.mark);
   * }
   */
  static diff(before: FlowBatch, after: FlowBatch, options: DiffOptions = {}): FlowDiff {
    const stores = [storeAt(before, 'before'), storeAt(after, 'after')] as const;
    const { added, removed, changed, unchanged } = diffRows(...stores, diffFields(options));
    const rows = (batch: FlowBatch, chosen: Uint32Array) =>
      new FlowBatch(batch.#store.select(chosen), batch.stats);
    return {
      added: rows(after, added),
      removed: rows(before, removed),
      changed: ChangedFlows.of(
        rows(before, changed.before),
        rows(after, changed.after),
        changed.fields,
      ),
      unchanged,
    };
  }

  /**
   * A batch of what `toBytes` gave, here or on another host. Its flows belong to no table, as those of `of`: an id means
   * nothing in another table. The bytes are copied, and nothing in them is believed.
   * @throws {TypeError} for what is no Uint8Array
   * @throws {RangeError} for bytes that are no batch: of another version, of the other byte order, cut off or damaged
   * @example
   * import { conntrack, FlowBatch } from 'conntrack';
   * const bytes = (await conntrack.dump()).toBytes();
   * console.log(FlowBatch.from(bytes).length, bytes.length);
   */
  static from(bytes: Uint8Array): FlowBatch {
    const { store } = fromBytes(bytes);
    return new FlowBatch(store, batchStats(madeStats, '', withoutCounters(store)));
  }

  /** The columns as typed arrays, which share the memory of the batch. Each is made when it is first read. */
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

  /**
   * The flow at an index, as `at` of arrays: from the end when negative, `undefined` outside the batch.
   * @throws {TypeError} for an index that is no number
   */
  at(index: number): Flow | undefined {
    const row = rowAt(index, this.length);
    return row === undefined ? undefined : this.#flow(row);
  }

  #flow(row: number): Flow {
    const place = this.#store.place(row);
    return Flow.at(place.store, place.row);
  }

  /** The flows in their order. Each is made when its turn comes. */
  *[Symbol.iterator](): Iterator<Flow> {
    for (let row = 0; row < this.length; row++) yield this.#flow(row);
  }

  /**
   * The flows that match. A filter is applied to the columns, a function to every flow.
   * @throws {TypeError | RangeError} for a filter that is wrong, with the path of the field
   */
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

  /**
   * The flows as bytes for a file or another host: columns, the rare attributes, the addresses and a checksum (CRC-32).
   * A part of a batch gives the bytes of its flows only. They are in the byte order of this machine: little-endian on
   * x86 and ARM. Another version of the package may refuse them: to keep flows for years, use JSON.
   */
  toBytes(): Uint8Array {
    return toBytes(this.#store);
  }

  /** For `JSON.stringify`: see {@link Flow.toJSON}. */
  toJSON(): unknown[] {
    return Array.from(this, (flow) => flow.toJSON());
  }

  /**
   * The sum of a measure over all flows: a `bigint` for counters and times. It is exact.
   * @throws {TypeError | RangeError} for what is no measure
   */
  sum<M extends Measure>(measure: M): MeasureValues[M] {
    return sumRows(this.#store, measure);
  }

  /**
   * One group per combination of keys, in the order in which they first come:
   * `batch.groupBy('origSrc', { flows: 'count', bytes: { sum: 'bytes' } })`.
   * Without aggregates each group has its `count`.
   * @throws {TypeError | RangeError} for what is no key, no aggregate or no measure, and for an aggregate with the
   *   name of a key
   * @example
   * import { conntrack } from 'conntrack';
   * const flows = await conntrack.dump();
   * const groups = flows.groupBy('origSrc', { flows: 'count', bytes: { sum: 'bytes' } });
   * for (const { origSrc, flows, bytes } of groups) console.log(origSrc, flows, bytes);
   */
  groupBy<K extends GroupKey>(
    keys: K | readonly K[],
  ): Group<
    K,
    {
      /** The number of flows of the group. */
      readonly count: 'count';
    }
  >[];
  groupBy<K extends GroupKey, A extends Readonly<Record<string, Aggregate>>>(
    keys: K | readonly K[],
    aggregates: A,
  ): Group<K, A>[];
  groupBy(
    keys: GroupKey | readonly GroupKey[],
    aggregates: Readonly<Record<string, Aggregate>> = { count: 'count' },
  ): Record<string, unknown>[] {
    return groupRows(this.#store, keys, aggregates);
  }

  /**
   * The `n` flows with the largest values of a measure, the largest first. Flows of equal value stay in their order.
   * @throws {TypeError | RangeError} for an `n` that is no integer from 0 on, and for what is no measure
   */
  top(n: number, by: Measure): FlowBatch {
    if (typeof n !== 'number') throw badType('n', 'a number of flows', n);
    const count = integerAt(n, 'n', 0, Number.MAX_SAFE_INTEGER);
    const rows = topRows(this.#store, Math.min(count, this.length), by);
    return new FlowBatch(this.#store.select(rows), this.stats);
  }

  /**
   * The batch as an Apache Arrow table. Numeric columns share the memory of the batch. Needs the optional package
   * `apache-arrow`. The type argument may be its `Table`.
   * @throws {UnsupportedError} `ERR_NETFILTER_UNSUPPORTED` where that package is not installed
   */
  toArrow<Table = ArrowTable>(): Table {
    return arrowTable(this.#store) as Table;
  }
}

/** What is different between two batches: see {@link FlowBatch.diff}. */
export interface FlowDiff {
  /** Flows that only the second batch has. */
  readonly added: FlowBatch;
  /** Flows that only the first batch has. */
  readonly removed: FlowBatch;
  /** Flows of both that have changed. */
  readonly changed: ChangedFlows;
  /** How many flows of both have not changed. */
  readonly unchanged: number;
}

/** Flows that have changed: two batches, whose flows belong together by their index. */
export class ChangedFlows {
  /** The number of flows. */
  readonly length: number;
  /** The flows as they were in the first batch. */
  readonly before: FlowBatch;
  /** The same flows in the second batch. */
  readonly after: FlowBatch;
  /** Which fields of each flow have changed: bits of {@link diffBits}. */
  readonly fields: Uint32Array;

  /** @internal */
  static of(before: FlowBatch, after: FlowBatch, fields: Uint32Array): ChangedFlows {
    return new ChangedFlows(before, after, fields);
  }
  private constructor(before: FlowBatch, after: FlowBatch, fields: Uint32Array) {
    this.length = fields.length;
    this.before = before;
    this.after = after;
    this.fields = fields;
  }

  /**
   * The names of the fields of the flow at an index that have changed; none outside.
   * @throws {TypeError} for an index that is no number
   */
  fieldsAt(index: number): DiffField[] {
    const bits = this.fields[rowAt(index, this.length) ?? -1] ?? 0;
    return diffNames.filter((name) => (bits & diffBits[name]) !== 0);
  }
}

/** The row of an index, which is taken as arrays take it: from the end when negative, without its fraction. */
export function rowAt(index: number, length: number): number | undefined {
  if (typeof index !== 'number') throw badType('index', 'a number', index);
  const whole = Math.trunc(index) || 0;
  const row = whole < 0 ? length + whole : whole;
  return row >= 0 && row < length ? row : undefined;
}
