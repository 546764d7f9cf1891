// The contract of the addon over a table in memory: each function of native code that src/conntrack calls. Decodes what
// it is given, and encodes the answers. What a flow is and what happens to it, others know.
import { filterOf } from '../../conntrack/batch/filter-words.js';
import { ColumnStore } from '../../conntrack/columns/column-store.js';
import { matchingRows } from '../../conntrack/filter/column-filter.js';
import type { NativeFailure } from '../../errors.js';
import type {
  Binding,
  CancelCell,
  DumpStream,
  Handle,
  NativeEventStream,
  RawBulk,
  RawDumpBatch,
  RawDumpOptions,
  RawDumpStats,
  RawEventOptions,
  RawLookup,
  RawOutcome,
  RawTrackingReport,
} from '../../native/binding.js';
import { absent, list, packedTuple, writeVerb } from '../../native/numbers.js';
import { changeFlow } from './change.js';
import { createFlow, namedBy } from './create.js';
import { type Entry, Fields, packedFlows } from './entry.js';
import { asStream, FlowQueue } from './event-queue.js';
import { ExpectationQueue } from './expectation-bytes.js';
import { ExpectationOperations } from './expectation-operations.js';
import { type Cell, cancelled, cellAt, type StreamQueue, turn } from './operations.js';
import { type Answer, done, errno, refuse, unsupportedHere } from './refusal.js';
import { batchOf, writeLookup } from './rows.js';
import { type Named, namedAt } from './tuple.js';

/** Flows that an operation by filter works on before it looks whether it was cancelled. */
const window = 16;

const statsOf = (rows: number): RawDumpStats => ({
  ...{ messages: rows, undecodable: 0, rejected: 0, duplicates: 0, kernelFilter: 0, sockets: 1 },
});

export class ConntrackMemory extends ExpectationOperations {
  ctOpen(): Handle {
    this.world.faults.check('conntrack open');
    return {} as Handle;
  }

  /** A session waits for what is under way before it closes its handle. */
  ctClose(): void {}

  ctTable(): string {
    return this.world.name;
  }

  cancelCell(): CancelCell {
    const cell: Cell = { raised: false };
    return cell as unknown as CancelCell;
  }

  cancel(cell: CancelCell): void {
    cellAt(cell).raised = true;
  }

  #matching({ filter }: { filter: Uint32Array }): Entry[] {
    const { table } = this.world;
    const entries = [...table.entries];
    const checked = filterOf(filter);
    if (checked.empty) return entries;
    const store = ColumnStore.fromRaw(batchOf(entries, table.now));
    return Array.from(matchingRows(store, checked), (row) => entries[row]!);
  }

  /** The flows that a dump shows. The other lists of the kernel are always empty here. */
  #dumped(options: RawDumpOptions): Entry[] {
    return options.list === list.conntrack ? this.#matching(options) : [];
  }

  ctDump(_: Handle, cell: CancelCell, options: RawDumpOptions) {
    return this.later('conntrack dump', cell, () => {
      const found = this.#dumped(options);
      const batch = batchOf(found, this.world.table.now);
      if (options.zeroCounters) for (const entry of found) zeroCounters(entry);
      return { batch, stats: statsOf(found.length), split: '' };
    });
  }

  ctDumpStream(_: Handle, cell: CancelCell, options: RawDumpOptions, size: number): DumpStream {
    this.world.faults.check('conntrack dump');
    const found = this.#dumped(options);
    const stream: Dump = { cell: cellAt(cell), found, size };
    return stream as unknown as DumpStream;
  }

  async ctDumpNext(stream: DumpStream): Promise<RawDumpBatch | null> {
    const dump = stream as unknown as Dump;
    await turn();
    if (dump.cell.raised) throw cancelled('conntrack dump');
    const part = dump.found.splice(0, dump.size);
    if (part.length === 0) return null;
    return { batch: batchOf(part, this.world.table.now), stats: statsOf(part.length) };
  }

  ctGet(_: Handle, tuples: Uint8Array): Promise<RawLookup> {
    return this.later('conntrack get', undefined, () => this.#lookUp(tuples).raw);
  }

  #lookUp(tuples: Uint8Array): { found: Entry[]; raw: RawLookup } {
    const found: Entry[] = [];
    const rows = Int32Array.from(namesOf(tuples), (named) => {
      const entry = this.find(named, 'conntrack get');
      if (entry === undefined || !isMeant(named, entry)) return absent;
      return found.push(entry) - 1;
    });
    const batch = batchOf(found, this.world.table.now, 2);
    return { found, raw: { batch, rows, undecodable: 0 } };
  }

  ctGetAndZero(_: Handle, tuples: Uint8Array): Promise<RawLookup> {
    return this.later('conntrack get', undefined, () => {
      const lookup = this.#lookUp(tuples);
      for (const entry of lookup.found) zeroCounters(entry);
      return lookup.raw;
    });
  }

  ctGetSync(
    _: Handle,
    tuple: Uint8Array,
    arena: Uint8Array,
    capacity: number,
    row: number,
    extra: Uint8Array,
  ): number {
    this.world.faults.check('conntrack get');
    const entry = this.find(namedAt(tuple, 0), 'conntrack get');
    if (entry === undefined) return -1;
    return writeLookup(batchOf([entry], this.world.table.now, 2), arena, capacity, row, extra);
  }

  ctCount(): Promise<{ entries: number; max: number }> {
    return this.later('conntrack count', undefined, () => {
      const { entries, settings } = this.world.table;
      return { entries: entries.size, max: settings.values.max };
    });
  }

  ctCpuStats(): Promise<{ cpu: number; counters: number[] }[]> {
    return this.later('conntrack stats', undefined, () => {
      const { insert, drop, earlyDrop } = this.world.table.counts;
      // By the numbers of CTA_STATS_*.
      const counters = new Array<number>(16).fill(0);
      counters[8] = insert;
      counters[10] = drop;
      counters[11] = earlyDrop;
      return [{ cpu: 0, counters }];
    });
  }

  ctWrite(_: Handle, verb: number, packed: Uint8Array): Promise<RawOutcome> {
    const flows = [...packedFlows(packed)];
    return this.later('conntrack write', undefined, () => {
      const { table, room } = this.world;
      const write = (flow: Fields): Answer => {
        if (verb === writeVerb.create) {
          return this.#faulted('conntrack create') ?? createFlow(table, flow, room);
        }
        const entry = namedBy(table, flow);
        if (entry === undefined) return { errno: errno.ENOENT };
        return this.#faulted('conntrack update') ?? this.#change(entry, flow);
      };
      return outcomeOf(flows.map(write));
    });
  }

  /** What a test wants to become of one of many requests. */
  #faulted(operation: string): Answer | undefined {
    return this.world.faults.next(operation);
  }

  ctUpdate(_: Handle, tuple: Uint8Array, packed: Uint8Array): Promise<boolean> {
    const [named, fields] = [namedAt(tuple, 0), Fields.of(packed)];
    return this.later('conntrack update', undefined, () => {
      const entry = this.find(named, 'conntrack update');
      if (entry === undefined || !isMeant(named, entry)) return false;
      const answer = this.#change(entry, fields);
      if (answer.errno !== 0) refuse('conntrack update', answer);
      return true;
    });
  }

  ctUpdateMany(_: Handle, tuples: Uint8Array, packed: Uint8Array): Promise<RawOutcome> {
    const [names, fields] = [[...namesOf(tuples)], Fields.of(packed)];
    return this.later('conntrack update', undefined, () =>
      outcomeOf(
        names.map((named) => {
          const faulted = this.#faulted('conntrack update');
          if (faulted !== undefined) return faulted;
          const entry = this.find(named, 'conntrack update');
          if (entry === undefined || !isMeant(named, entry)) return { errno: errno.ENOENT };
          return this.#change(entry, fields);
        }),
      ),
    );
  }

  #change(entry: Entry, fields: Fields): Answer {
    const { table } = this.world;
    const answer = changeFlow(table, entry, fields);
    table.expire();
    return answer;
  }

  ctDelete(_: Handle, tuples: Uint8Array): Promise<RawOutcome> {
    const names = [...namesOf(tuples)];
    return this.later('conntrack delete', undefined, () => {
      const answers = names.map((named) => {
        if (named.zone === undefined) return { errno: errno.EINVAL };
        const entry = this.find(named, 'conntrack delete');
        if (entry === undefined || !isMeant(named, entry)) return { errno: errno.ENOENT };
        this.world.table.end(entry);
        return done;
      });
      return outcomeOf(answers);
    });
  }

  /** Works on the flows that match, a few at a time. A cancellation is looked at in between. */
  async #bulk(
    operation: string,
    cell: CancelCell,
    filter: Uint32Array,
    work: (entry: Entry) => Answer,
  ): Promise<RawBulk> {
    const found = await this.later(operation, cell, () => this.#matching({ filter })).catch(
      (error: NativeFailure) => {
        if (error.kind === 'cancelled') return undefined;
        throw error;
      },
    );
    const bulk: RawBulk = {
      ...{
        stats: statsOf(found?.length ?? 0),
        done: 0,
        refused: 0,
        cancelled: found === undefined,
      },
    };
    const { table } = this.world;
    const matching = new Set(found);
    for (const [i, { protocol, orig, zone }] of found?.entries() ?? []) {
      if (i > 0 && i % window === 0) await turn();
      if (cellAt(cell).raised) return { ...bulk, cancelled: true };
      // Each is named by its tuple, as native code does it. A zone of one direction can give two flows one name.
      const entry = table.find(protocol, orig, zone)?.entry;
      if (entry === undefined || !matching.has(entry)) continue;
      const answer = this.request(() => work(entry));
      if (answer.errno === 0) bulk.done++;
      else if (bulk.refused++ === 0) bulk.refusal = { ...answer, operation };
    }
    return bulk;
  }

  async ctDeleteWhere(
    _: Handle,
    cell: CancelCell,
    filter: Uint32Array,
    returning: boolean,
  ): Promise<RawBulk> {
    const { table } = this.world;
    const deleted: Entry[] = [];
    const bulk = await this.#bulk('conntrack delete', cell, filter, (entry) => {
      const before = { ...entry };
      table.end(entry);
      // The kernel tells the last state of a flow that has events; of another the package knows the state before.
      deleted.push(entry.reports ? { ...entry } : before);
      return done;
    });
    return returning ? { ...bulk, batch: batchOf(deleted, table.now) } : bulk;
  }

  async ctUpdateWhere(
    _: Handle,
    cell: CancelCell,
    filter: Uint32Array,
    packed: Uint8Array,
  ): Promise<RawBulk> {
    const fields = Fields.of(packed);
    return this.#bulk('conntrack update', cell, filter, (entry) => this.#change(entry, fields));
  }

  async ctFlush(_: Handle, cell: CancelCell, filter: Uint32Array | null): Promise<RawBulk> {
    const { table } = this.world;
    const end = (entry: Entry) => {
      table.end(entry);
      return done;
    };
    if (filter !== null) return this.#bulk('conntrack flush', cell, filter, end);
    return this.later('conntrack flush', cell, () => {
      for (const entry of [...table.entries]) end(entry);
      return { stats: statsOf(0), done: 0, refused: 0, cancelled: false };
    });
  }

  ctEventsOpen(_: Handle, options: RawEventOptions): NativeEventStream {
    const { table, faults, streams, expectations } = this.world;
    faults.check('conntrack events');
    if (options.allNamespaces) {
      unsupportedHere('conntrack events', 'allNamespaces: there is one namespace in memory');
    }
    const opening = { eventsSysctl: table.settings.values.events, entries: table.entries.size };
    const queue = options.expectations
      ? new ExpectationQueue(options, opening)
      : new FlowQueue(options, opening);
    if (queue instanceof FlowQueue) table.followers.add(queue);
    else expectations.followers.add(queue);
    streams.add(queue);
    return asStream(queue);
  }

  ctEventsNext(stream: NativeEventStream) {
    return queueAt(stream).next();
  }

  async ctEventsClose(stream: NativeEventStream, drain: boolean): Promise<void> {
    const queue = queueAt(stream);
    if (queue instanceof FlowQueue) this.world.table.followers.delete(queue);
    else this.world.expectations.followers.delete(queue);
    this.world.streams.delete(queue);
    queue.close(drain);
    await turn();
  }

  /** Nothing here keeps the process alive. */
  ctEventsHold(): void {}

  ctEventsStats(stream: NativeEventStream) {
    return queueAt(stream).stats();
  }

  nsReadFiles(
    _: Handle,
    paths: readonly string[],
    operation: string,
  ): Promise<(string | NativeFailure)[]> {
    return this.later(operation, undefined, () => {
      const { settings, entries } = this.world.table;
      return paths.map(
        (path) => settings.read(path, entries.size) ?? { errno: errno.ENOENT, operation },
      );
    });
  }

  nsWriteFile(_: Handle, path: string, text: string, operation: string): Promise<void> {
    return this.later(operation, undefined, () => {
      const refusal = this.world.table.settings.write(path, text);
      if (refusal !== 0) refuse(operation, { errno: refusal, detail: path });
    });
  }

  ctTracking(): Promise<RawTrackingReport> {
    return this.later('conntrack tracking', undefined, () => this.world.tracking);
  }
}

interface Dump {
  readonly cell: Cell;
  readonly found: Entry[];
  readonly size: number;
}

const queueAt = (stream: NativeEventStream) => stream as unknown as StreamQueue;

function* namesOf(tuples: Uint8Array): Generator<Named> {
  for (let i = 0; i * packedTuple.bytes < tuples.length; i++) yield namedAt(tuples, i);
}

/** Whether a flow is the one that the caller read, where the caller says which. */
const isMeant = (named: Named, entry: Entry) =>
  (named.id ?? entry.id) === entry.id && (named.start ?? entry.start) === entry.start;

function zeroCounters(entry: Entry): void {
  const none = { packets: 0n, bytes: 0n };
  if (entry.counters !== undefined) entry.counters = [none, none];
}

function outcomeOf(answers: readonly Answer[]): RawOutcome {
  const texts: Record<number, string> = {};
  answers.forEach(({ detail }, i) => {
    if (detail !== undefined) texts[i] = detail;
  });
  return { codes: Int32Array.from(answers, ({ errno }) => errno), texts };
}

/** The binding. What is not in it is refused. */
export function bindingOf(memory: object): Binding {
  return new Proxy(memory as Binding, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value === 'function') return value.bind(target);
      return () => unsupportedHere('conntrack', `${String(name)} is not done in memory`);
    },
  });
}
