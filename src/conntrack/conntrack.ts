// Conntrack: the kernel's connection-tracking table of one network namespace. Checks arguments, packs
// them, and gives native results their shape.

import { booleanAt, integerAt, iterableAt, oneOf, optionsAt, signalAt } from '../checks.js';
import type { Family } from '../constants.js';
import { badRange, badType, fromNative, type NetfilterError } from '../errors.js';
import type {
  Binding,
  CancelCell,
  DumpStream,
  Handle,
  RawBulk,
  RawDumpOptions,
  RawOutcome,
} from '../native/binding.js';
import { Session } from '../native/session.js';
import { netnsPath } from '../netns.js';
import { FlowBatch } from './batch/flow-batch.js';
import { LookupArena } from './columns/column-store.js';
import { type EventOptions, EventStream } from './events/event-stream.js';
import { Expectations } from './expectations/expectations.js';
import { type CheckedFilter, checkFilter, type FlowFilter } from './filter/check.js';
import { packFilter } from './filter/pack.js';
import { Flow } from './flow/flow.js';
import {
  type ConntrackSettings,
  type DeepPartial,
  type NamespaceFiles,
  readSettings,
  writeSettings,
} from './host/settings.js';
import {
  type ConntrackStats,
  procCount,
  procMax,
  procStats,
  statsFromNetlink,
  statsFromProc,
  sysctlNumber,
} from './host/statistics.js';
import { type NatState, type NetfilterHooks, natState, trackingState } from './host/tracking.js';
import { getMany } from './lookup/get-many.js';
import { isMeant, type TupleInit, TuplePacker } from './lookup/tuple-packer.js';
import {
  type CreateManyOptions,
  type CreateResult,
  createMany,
  createManyOptions,
  outcomeError,
} from './write/create-many.js';
import { FieldPacker } from './write/field-packer.js';
import {
  type FlowChange,
  type FlowInit,
  packChange,
  packFlowInit,
  takeInit,
} from './write/init.js';
import { changeOf, tupleOf } from './write/upsert.js';

export interface OpenOptions {
  /**
   * Network namespace: a name under /run/netns, a path, or the pid of a process in it. Entering another
   * namespace needs CAP_SYS_ADMIN in the user namespace that owns it. Default: that of this process.
   */
  netns?: string | number;
  /**
   * Bytes of receive buffer of each command and dump socket (4096 to 1 GiB; default 1 MiB). By force
   * where CAP_NET_ADMIN in the initial user namespace allows it, else capped by net.core.rmem_max.
   */
  receiveBuffer?: number;
}

export interface DumpOptions {
  /**
   * `'dying'`: entries whose destroy event could not be delivered yet (kernel 3.8; before 5.19 all dying
   * ones). `'unconfirmed'`: always empty since 5.19. Default `'conntrack'`.
   */
  list?: 'conntrack' | 'dying' | 'unconfirmed' | undefined;
  /** Set the counters of every dumped flow to zero as they are read; no count is lost between the two. */
  zeroCounters?: boolean | undefined;
  /**
   * Sockets that share the dump, each walking the table on a core of its own (1–16), or `'auto'` to
   * decide by what the table looks like. Default 1. A flow whose status changes while the table is split
   * by it can be missed or seen twice (doubles are removed).
   */
  parallel?: number | 'auto' | undefined;
  /** Ends the dump early, also in the middle. */
  signal?: AbortSignal | undefined;
}

/** How far an operation by filter has come. */
export interface BulkProgress {
  /** Flows deleted, or changed. */
  readonly done: number;
  /** What was deleted, where that was asked for. */
  readonly flows?: FlowBatch;
}

/** Options of operations that change what a filter matches. */
export interface BulkOptions {
  /**
   * Ends it early: the flows under way (16 at most) are finished, no other is touched, and the promise
   * rejects with the signal's reason. What was done stays done; `progress` has said how much.
   */
  signal?: AbortSignal | undefined;
  /** Called once, with what was done, when the operation has come to its end or was ended early. */
  progress?: ((done: BulkProgress) => void) | undefined;
}

/** Options of `deleteWhere`. */
export interface DeleteOptions extends BulkOptions {
  /** Give the deleted flows, not their number. Default false. */
  returning?: boolean | undefined;
}

export type {
  CreateError,
  CreateManyOptions,
  CreateProgress,
  CreateResult,
} from './write/create-many.js';

const openFields = new Set(['netns', 'receiveBuffer']);
const dumpFields = new Set(['list', 'zeroCounters', 'parallel', 'signal']);
const batchFields = new Set([...dumpFields, 'batchSize']);
const lists = ['conntrack', 'dying', 'unconfirmed'] as const;
const bulkFields = new Set(['signal', 'progress']);
const deleteFields = new Set([...bulkFields, 'returning']);
const enoent = 2;
const eexist = 17;

/**
 * The connection-tracking table of one network namespace. All operations but `count`, `stats` and
 * `settings` need CAP_NET_ADMIN in the user namespace that owns the network namespace.
 */
export class Conntrack implements Disposable, AsyncDisposable {
  readonly #session: Session;
  #arena = new LookupArena();
  #arenaTable = '';
  #warnedOfNat = false;
  readonly #tuple = new TuplePacker(1);
  readonly #extra = new Uint8Array(8192);
  #expectations: Expectations | undefined;

  /** @internal Use `Conntrack.open()` or the default instance `conntrack`. */
  constructor(session: Session) {
    this.#session = session;
  }

  /**
   * Opens the table of a namespace. A `netns` that is `undefined` is refused: what was to name a namespace
   * must not open the table of this process's.
   * @throws {NetlinkError} ENOENT where there is no such namespace, EPERM where it may not be entered
   */
  static open(options: OpenOptions = {}): Conntrack {
    // A namespace that is undefined is a setting that is missing: the table of the host is not meant.
    const { netns, receiveBuffer } = optionsAt(options, 'options', openFields, ['netns']);
    const session = new Session({
      netns: netns === undefined ? null : netnsPath(netns),
      receiveBuffer:
        receiveBuffer === undefined
          ? null
          : integerAt(receiveBuffer, 'options.receiveBuffer', 4096, 2 ** 30),
      reopens: false,
    });
    session.handle('conntrack open');
    return new Conntrack(session);
  }

  /**
   * Reads the table. One pass over the kernel's hash table, decoded on a thread of its own. A flow that
   * lives through the whole dump is in it; flows made or ended meanwhile may or may not be.
   */
  async dump(filter?: FlowFilter, options: DumpOptions = {}): Promise<FlowBatch> {
    const checked = checkFilter(filter);
    const { raw, signal } = dumpOptions(checked, options);
    let table = '';
    const { batch, stats, split } = await this.#session.run(
      'conntrack dump',
      signal,
      (binding, handle, cell) => {
        table = this.#table();
        return binding.ctDump(handle, cell, raw);
      },
    );
    batch.table = table;
    const result = FlowBatch.fromRaw(batch, stats, split);
    if (result.length === 0 && checked.empty && raw.list === 0) {
      const { tracking } = await this.hooks();
      result.stats.tracking = tracking.state;
      result.stats.trackingState = tracking;
    }
    return result;
  }

  /**
   * Reads the table in batches of at most `batchSize` flows (1 to 1048576, default 16384). At most three
   * batches exist at a time, whatever the size of the table; while the caller is busy the kernel waits.
   */
  async *dumpBatches(
    filter?: FlowFilter,
    options: DumpOptions & { batchSize?: number | undefined } = {},
  ): AsyncGenerator<FlowBatch, void, undefined> {
    const { batchSize = 16384, ...rest } = optionsAt(options, 'options', batchFields);
    const size = integerAt(batchSize, 'options.batchSize', 1, 2 ** 20);
    const checked = checkFilter(filter);
    const { raw, signal } = dumpOptions(checked, rest);
    if (raw.zeroCounters) {
      throw new TypeError(
        'options.zeroCounters: is for dump(); a batch at a time cannot be zeroed exactly',
      );
    }
    if (raw.parallel !== 1) throw new TypeError('options.parallel: is for dump()');
    const operation = 'conntrack dump';
    signal?.throwIfAborted();
    const checkOpen = this.#session.guard(operation);
    const { binding, handle, cell } = this.#session.begin(operation);
    const abort = () => binding.cancel(cell);
    const table = this.#table();
    let stream: DumpStream | undefined;
    let pending: ReturnType<typeof binding.ctDumpNext> | undefined;
    let forget = () => {};
    // Ends the dump's thread; settles when its descriptors are closed.
    const end = async (target: DumpStream) => {
      binding.cancel(cell);
      try {
        pending ??= binding.ctDumpNext(target);
        await pending;
      } catch {
        // It has ended, or there is no memory to wait for that.
      }
    };
    try {
      stream = binding.ctDumpStream(handle, cell, raw, size);
      const stopListening = () => signal?.removeEventListener('abort', abort);
      const disown = this.#session.ownWeakly(stream, end, stopListening);
      signal?.addEventListener('abort', abort, { once: true });
      forget = () => {
        stopListening();
        disown();
      };
      for (;;) {
        pending = binding.ctDumpNext(stream);
        const next = await pending;
        pending = undefined;
        if (next === null) return;
        next.batch.table = table;
        yield FlowBatch.fromRaw(next.batch, next.stats);
        checkOpen();
        signal?.throwIfAborted();
      }
    } catch (thrown) {
      throw this.#session.ended(thrown, operation, signal);
    } finally {
      forget();
      if (stream !== undefined) await end(stream);
    }
  }

  /** The flow with this tuple; `undefined` when there is none. */
  async get(tuple: TupleInit | Flow): Promise<Flow | undefined> {
    const [flow] = await this.#lookUp([tuple], () => 'tuple');
    return flow;
  }

  /** `get` on the JS thread: one send and one receive, which the kernel answers at once. */
  getSync(tuple: TupleInit | Flow): Flow | undefined {
    this.#tuple.reset().add(tuple, 'tuple', this.#tableFor(tuple));
    const table = this.#table('conntrack get');
    let arena = this.#arena;
    if (arena.next === LookupArena.capacity || table !== this.#arenaTable) {
      arena = new LookupArena(table);
      this.#arena = arena;
      this.#arenaTable = table;
    }
    const row = arena.next;
    const found = this.#session.sync('conntrack get', (binding, handle) =>
      binding.ctGetSync(
        handle,
        this.#tuple.bytes,
        arena.bytes,
        LookupArena.capacity,
        row,
        this.#extra,
      ),
    );
    if (found < 0) return undefined;
    if (found > 0) arena.setExtra(row, this.#extra.slice(0, found));
    arena.next++;
    const flow = new Flow(arena.store, row);
    return isMeant(flow, this.#tuple.bytes, 0) ? flow : undefined;
  }

  /**
   * Many lookups, pipelined. The result has the order of the tuples. They are checked as they are taken,
   * 4096 at a time, while the kernel answers those before. An abort rejects with the signal's reason when the
   * kernel has answered for those under way; nothing in the table changes in any case.
   */
  async getMany(
    tuples: Iterable<TupleInit | Flow>,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<(Flow | undefined)[]> {
    const list = [...iterableAt(tuples, 'tuples', 'tuples or Flows')];
    const fields = optionsAt(options, 'options', new Set(['signal']));
    const signal = signalAt(fields.signal, 'options.signal');
    return this.#lookUp(list, (index) => `tuples[${index}]`, signal);
  }

  #lookUp(
    list: readonly (TupleInit | Flow)[],
    path: (index: number) => string,
    signal?: AbortSignal,
  ): Promise<(Flow | undefined)[]> {
    const lookUp = async (packed: Uint8Array) => {
      let table = '';
      const found = await this.#session.run('conntrack get', undefined, (binding, handle) => {
        table = this.#table();
        return binding.ctGet(handle, packed, false);
      });
      found.batch.table = table;
      return found;
    };
    return getMany(lookUp, list, path, (tuple) => this.#tableFor(tuple), signal);
  }

  /** The table of this handle, as flows that were read from it know it. */
  #table(operation = 'conntrack table'): string {
    return this.#session.table(operation);
  }
  /** The table that a request is for, where that decides what is sent: a Flow may be of another one. */
  #tableFor(target: unknown): string | undefined {
    return Flow.isFlow(target) ? this.#table() : undefined;
  }

  /**
   * What the kernel does to packets in this namespace: whether it tracks them, and whether it can translate
   * their addresses, for each family; `support()` tells the same of this process's namespace. Without
   * CAP_NET_ADMIN the answers are `'unknown'`.
   */
  async hooks(): Promise<NetfilterHooks> {
    const report = await this.#session.run('conntrack tracking', undefined, (binding, handle) =>
      binding.ctTracking(handle),
    );
    return { tracking: trackingState(report), nat: natState(report) };
  }

  /** Entries in the table, expired ones that were not collected yet included. Needs no privilege. */
  async count(): Promise<number> {
    return (await this.#counts()).entries;
  }

  /** Counters of the table, per CPU and in total. Needs no privilege. */
  async stats(): Promise<ConntrackStats> {
    const counts = await this.#counts();
    try {
      const cpus = await this.#session.run('conntrack stats', undefined, (binding, handle) =>
        binding.ctCpuStats(handle),
      );
      return { ...counts, ...statsFromNetlink(cpus) };
    } catch (error) {
      const text = await this.#unprivileged(error, procStats);
      return { ...counts, ...statsFromProc(text) };
    }
  }

  async #counts(): Promise<{ entries: number; max?: number }> {
    try {
      return await this.#session.run('conntrack count', undefined, (binding, handle) =>
        binding.ctCount(handle),
      );
    } catch (error) {
      const entries = Number((await this.#unprivileged(error, procCount)).trim());
      const [max] = await this.#files.read([procMax], 'conntrack count');
      const limit = sysctlNumber(max);
      return { entries, ...(limit !== undefined && { max: limit }) };
    }
  }

  /** Without CAP_NET_ADMIN every netlink request is EPERM, but /proc tells the numbers to anyone. */
  async #unprivileged(error: unknown, path: string): Promise<string> {
    if ((error as NetfilterError).code !== 'EPERM') throw error;
    const [content] = await this.#files.read([path], 'conntrack count');
    if (typeof content !== 'string') throw error;
    return content;
  }

  /**
   * Creates a flow. EEXIST when one of its tuples is taken; ENOSPC where it is to have labels and no rule makes
   * room for them, EOPNOTSUPP where the kernel would drop another part of it in silence: the flow is not made
   * then. A flow with `nat` where no NAT is registered is made, and told of by a warning of the process, once
   * per handle (`CONNTRACK_NAT_NOT_REGISTERED`). Needs libnetfilter_conntrack.
   */
  async create(flow: FlowInit | Flow): Promise<void> {
    const packer = new FieldPacker();
    const translated = packFlowInit(packer, takeInit(flow, 'flow'), 'flow');
    const checkOpen = this.#session.guard('conntrack create');
    const outcome = await this.#write(0, packer.take());
    if (outcome.codes[0] !== 0) throw outcomeError('conntrack create', outcome, 0);
    await this.#warnOfNat(translated, checkOpen);
  }

  /**
   * Why flows of these families that were made with NAT are not translated; undefined when they are, or nobody
   * can tell. It may be right later: once a hook is there, the kernel translates flows made before, too.
   */
  async #natHint(
    families: ReadonlySet<Family>,
    checkOpen: () => void,
  ): Promise<string | undefined> {
    let nat: NatState;
    try {
      checkOpen();
      ({ nat } = await this.hooks());
    } catch {
      // The flows are made, whatever became of the handle; it is only not known what happens to their packets.
      return undefined;
    }
    const idle = [...families].filter((family) => nat[family] === 'none');
    if (idle.length === 0) return undefined;
    return (
      `flows of ${idle.join(' and ')} were made with NAT, but no NAT is registered in this network namespace: ` +
      'their packets are not translated until a nat table or a chain of type nat is loaded'
    );
  }

  /** Says it once per handle: refusing would break a hand-over in which the rules come after the flows. */
  async #warnOfNat(translated: Family | undefined, checkOpen: () => void): Promise<void> {
    if (translated === undefined || this.#warnedOfNat) return;
    const hint = await this.#natHint(new Set([translated]), checkOpen);
    if (hint === undefined || this.#warnedOfNat) return;
    this.#warnedOfNat = true;
    process.emitWarning(hint, { type: 'ConntrackWarning', code: 'CONNTRACK_NAT_NOT_REGISTERED' });
  }

  /** Creates a flow, or brings the one that is there to the same state (its translation stays). */
  async upsert(flow: FlowInit | Flow): Promise<void> {
    // All of it is taken now: the caller may change the object while the kernel is asked.
    const packer = new FieldPacker();
    const taken = takeInit(flow, 'flow');
    const init = taken as unknown as FlowInit;
    const translated = packFlowInit(packer, taken, 'flow');
    const create = packer.take();
    const tuple = new TuplePacker(1);
    tuple.add(tupleOf(init), 'flow');
    const change = changeOf(init);
    if (change !== undefined) packChange(packer, change, tuple.protocol, 'flow');
    const fields = packer.take();
    const checkOpen = this.#session.guard('conntrack upsert');
    for (let attempt = 0; ; attempt++) {
      checkOpen();
      const outcome = await this.#write(0, create);
      if (outcome.codes[0] === 0) return this.#warnOfNat(translated, checkOpen);
      // It can vanish between the two requests; it cannot do so for ever.
      if (outcome.codes[0] !== eexist || attempt === 3) {
        throw outcomeError('conntrack upsert', outcome, 0);
      }
      checkOpen();
      if (change === undefined || (await this.#update(tuple.bytes, fields, 'conntrack upsert'))) {
        return;
      }
    }
  }

  /**
   * Creates many flows, pipelined. Flows that cannot be made (refused by the kernel, or no flow at all) do not
   * stop the others: `failed` has them by their place. Those that have a master come after the others, so the
   * order does not matter. The input is checked as it is taken, 4096 flows at a time. A flow without a
   * `timeout` (the kernel sends none of one that is offloaded) gets the kernel's default for its protocol and
   * state: five days for an established TCP connection, 30 or 120 seconds for UDP. Rejects where no flow can
   * be made at all (EPERM), and with what `flows` itself throws, when the kernel has answered for what was sent.
   */
  async createMany(
    flows: Iterable<FlowInit | Flow>,
    options: CreateManyOptions = {},
  ): Promise<CreateResult> {
    const checked = createManyOptions(options);
    let checkOpen: (() => void) | undefined;
    try {
      // From the call on: a handle that is closed before the first chunk is sent must not open again.
      checkOpen = this.#session.guard('conntrack create');
    } catch {
      // What is wrong with the flows comes before what is wrong with the handle.
    }
    const write = async (packed: Uint8Array) => {
      checkOpen ??= this.#session.guard('conntrack create');
      checkOpen();
      return this.#write(0, packed);
    };
    return createMany(write, flows, checked, (families) => this.#natHint(families, checkOpen!));
  }

  /**
   * Changes a flow; false when there is none. A `Flow` of this table is the flow meant as far as `id` and
   * `start` tell (see {@link TupleInit}): it is read right before it is changed, in the same turn. Needs
   * libnetfilter_conntrack. What the kernel would drop in silence (sequence adjustment of a flow made without
   * room for it, data for a helper that takes none) rejects with EOPNOTSUPP; the rest is changed by then.
   */
  async update(target: Flow | TupleInit, change: FlowChange): Promise<boolean> {
    // All of it is taken now: the caller may change the objects while the kernel is asked.
    const tuple = new TuplePacker(1);
    tuple.add(target, 'target', this.#tableFor(target));
    const packer = new FieldPacker();
    packChange(packer, change, tuple.protocol);
    return this.#update(tuple.bytes, packer.take(), 'conntrack update');
  }

  #update(tuple: Uint8Array, fields: Uint8Array, operation: string): Promise<boolean> {
    return this.#session.run(operation, undefined, (binding, handle) =>
      binding.ctUpdate(handle, tuple, fields),
    );
  }

  /**
   * Changes every flow that the filter matches, or `'all'`; the number of those changed. Each flow is read
   * again some tens of microseconds before it is changed, and left alone if it does not match any more. A
   * change of protocol state needs a filter on that one protocol. The first refusal of the kernel rejects,
   * after all were tried.
   */
  async updateWhere(
    filter: FlowFilter | 'all',
    change: FlowChange,
    options: BulkOptions = {},
  ): Promise<number> {
    const checked = checkFilter(filter === 'all' ? undefined : filter);
    if (filter !== 'all') {
      refuseEmpty(checked, "to change all of it, call updateWhere('all', change)");
    }
    const words = packFilter(checked);
    const packer = new FieldPacker();
    packChange(packer, change, checked.protocols?.length === 1 ? checked.protocols[0]! : undefined);
    const fields = packer.take();
    const done = await this.#bulk(
      'conntrack update',
      bulkOptions(options),
      (binding, handle, cell) => binding.ctUpdateWhere(handle, cell, words, fields),
    );
    if (done.refusal !== undefined) {
      const { refusal } = done;
      const detail = `${done.refused} of ${done.refused + done.done} flows${refusal.detail ? `: ${refusal.detail}` : ''}`;
      throw fromNative({ ...refusal, detail });
    }
    return done.done;
  }

  /**
   * Deletes exactly this flow; false when there is none. A `Flow` of this table is the flow meant as far as
   * `id` and `start` tell (see {@link TupleInit}); of another table, it names the flow with its tuple and zone
   * here. What is left: without `nf_conntrack_timestamp` nothing in the kernel tells a flow from a later one
   * that has taken its tuple and its memory; with it, one that takes them in the microseconds between the
   * reading of `start` and the deletion is deleted in its place.
   */
  async delete(target: Flow | TupleInit): Promise<boolean> {
    const packer = new TuplePacker(1);
    packer.add(target, 'target', this.#tableFor(target));
    const outcome = await this.#session.run('conntrack delete', undefined, (binding, handle) =>
      binding.ctDelete(handle, packer.bytes),
    );
    const code = outcome.codes[0];
    if (code === enoent) return false;
    if (code !== 0) throw outcomeError('conntrack delete', outcome, 0);
    return true;
  }

  /**
   * Deletes every flow that the filter matches, each by tuple, zone and id. A flow is read again some tens of
   * microseconds before it is deleted, and left alone if it does not match any more; what is left is a flow
   * that stops matching, or is replaced by one with the same id, within these. The number of those deleted;
   * with `returning` the flows themselves, in their last state: where the kernel reports the deletion (flows
   * made while `events` was 1, or while something listened), counters are final; else they were read
   * directly before.
   */
  deleteWhere(
    filter: FlowFilter,
    options?: DeleteOptions & { returning?: false | undefined },
  ): Promise<number>;
  deleteWhere(filter: FlowFilter, options: DeleteOptions & { returning: true }): Promise<FlowBatch>;
  deleteWhere(filter: FlowFilter, options?: DeleteOptions): Promise<number | FlowBatch>;
  async deleteWhere(filter: FlowFilter, options: DeleteOptions = {}): Promise<number | FlowBatch> {
    const checked = checkFilter(filter);
    refuseEmpty(checked, 'to empty it, call flush()');
    const { returning, ...rest } = optionsAt(options, 'options', deleteFields);
    const wanted = returning === undefined ? false : booleanAt(returning, 'options.returning');
    const words = packFilter(checked);
    const done = await this.#bulk('conntrack delete', bulkOptions(rest), (binding, handle, cell) =>
      binding.ctDeleteWhere(handle, cell, words, wanted),
    );
    return done.flows ?? done.done;
  }

  /**
   * Empties the table in one message; with a filter, deletes what matches and nothing else: in one message
   * where this kernel can be trusted to, else as `deleteWhere` does, and only then a signal can end it in the
   * middle and `progress` tells a number. A filter that is `undefined` is refused.
   */
  flush(): Promise<void>;
  flush(filter: FlowFilter, options?: BulkOptions): Promise<void>;
  async flush(...given: [filter?: FlowFilter, options?: BulkOptions]): Promise<void> {
    let words: Uint32Array | null = null;
    const [filter, options = {}] = given;
    if (given.length > 0) {
      if (filter === undefined) {
        throw new TypeError('filter: is undefined; to empty the table, call flush()');
      }
      const checked = checkFilter(filter);
      refuseEmpty(checked, 'to empty it, call flush()');
      words = packFilter(checked);
    }
    await this.#bulk('conntrack flush', bulkOptions(options), (binding, handle, cell) =>
      binding.ctFlush(handle, cell, words),
    );
  }

  /** Runs an operation by filter, and says how far it came before it rejects. */
  async #bulk(
    operation: string,
    { signal, progress }: BulkOptions,
    start: (binding: Binding, handle: Handle, cell: CancelCell) => Promise<RawBulk>,
  ): Promise<RawBulk & { flows?: FlowBatch }> {
    let table = '';
    const raw = await this.#session.run(operation, signal, (binding, handle, cell) => {
      table = this.#table();
      return start(binding, handle, cell);
    });
    const { batch } = raw;
    if (batch !== undefined) batch.table = table;
    const flows = batch && FlowBatch.fromRaw(batch, raw.stats);
    progress?.({ done: raw.done, ...(flows && { flows }) });
    if (raw.cancelled) throw this.#session.ended({ kind: 'cancelled' }, operation, signal);
    return { ...raw, ...(flows && { flows }) };
  }

  /**
   * Follows the table: flows as they are made, changed and destroyed, on a socket and a thread of its own.
   * Every event after the return is caught or counted as lost. What the kernel does not report is said in
   * the stream's `stats`. Throws a NetlinkError: EPERM without CAP_NET_ADMIN.
   */
  events(options: EventOptions = {}): EventStream {
    return EventStream.open(this.#session, options);
  }

  /** Flows that helpers expect: the data connection of an FTP session, the media of a SIP call. */
  get expectations(): Expectations {
    this.#expectations ??= new Expectations(this.#session);
    return this.#expectations;
  }

  /** Limits, switches and timeouts of the table. Needs no privilege. */
  settings(): Promise<ConntrackSettings> {
    return readSettings(this.#files);
  }

  /**
   * Changes settings and returns all of them as they are then. `max`, `buckets` and `expectMax` can be
   * changed in the initial namespace only. Everything is checked before anything is written.
   */
  async configure(change: DeepPartial<ConntrackSettings>): Promise<ConntrackSettings> {
    await writeSettings(this.#files, change);
    return readSettings(this.#files);
  }

  /** Ends what is under way (with a ClosedError) and gives the sockets back. May be called again. */
  close(): Promise<void> {
    return this.#session.close();
  }
  [Symbol.dispose](): void {
    this.#session.dispose();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.#session.close();
  }

  readonly #files: NamespaceFiles = {
    read: (paths, operation) =>
      this.#session.run(operation, undefined, (binding, handle) =>
        binding.nsReadFiles(handle, paths, operation),
      ),
    write: (path, text, operation) =>
      this.#session.run(operation, undefined, (binding, handle) =>
        binding.nsWriteFile(handle, path, text, operation),
      ),
  };

  #write(verb: 0 | 1, packed: Uint8Array): Promise<RawOutcome> {
    const operation = verb === 0 ? 'conntrack create' : 'conntrack update';
    return this.#session.run(operation, undefined, (binding, handle) =>
      binding.ctWrite(handle, verb, packed),
    );
  }
}

function refuseEmpty(checked: CheckedFilter, instead: string): void {
  if (checked.empty) {
    throw new TypeError(`filter: is empty and would match the whole table; ${instead}`);
  }
}

function bulkOptions(options: unknown): BulkOptions {
  const { signal, progress } = optionsAt(options, 'options', bulkFields);
  if (progress !== undefined && typeof progress !== 'function') {
    throw badType('options.progress', 'a function', progress);
  }
  return {
    signal: signalAt(signal, 'options.signal'),
    progress: progress as BulkOptions['progress'],
  };
}

function dumpOptions(
  filter: CheckedFilter,
  options: unknown,
): { raw: RawDumpOptions; signal: AbortSignal | undefined } {
  const fields = optionsAt(options, 'options', dumpFields);
  const { list = 'conntrack', zeroCounters = false, parallel = 1, signal } = fields;
  const raw: RawDumpOptions = {
    filter: packFilter(filter),
    list: lists.indexOf(oneOf(list, 'options.list', lists)),
    zeroCounters: booleanAt(zeroCounters, 'options.zeroCounters'),
    parallel: parallel === 'auto' ? 0 : integerAt(parallel, 'options.parallel', 1, 16),
  };
  if (list !== 'conntrack' && (raw.zeroCounters || raw.parallel !== 1)) {
    throw badRange(
      'options.list',
      "'conntrack' for a dump that zeroes counters or is parallel",
      list,
    );
  }
  return { raw, signal: signalAt(signal, 'options.signal') };
}

/** The table of this process's network namespace; opened on first use, and again after `close()`. */
export const conntrack: Conntrack = new Conntrack(
  new Session({ netns: null, receiveBuffer: null, reopens: true }),
);
