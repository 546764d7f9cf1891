// Conntrack: the kernel's connection-tracking table of one network namespace. Says which part does the work, and
// checks nothing but its own options.
import { integerAt, optionsAt } from '../checks.js';
import type { Binding } from '../native/binding.js';
import { Session } from '../native/session.js';
import { netnsPath } from '../netns.js';
import type { FlowBatch } from './batch/flow-batch.js';
import { dumpBatches } from './dump/batches.js';
import { dump } from './dump/dump.js';
import type { DumpBatchesOptions, DumpOptions } from './dump/options.js';
import type { EventType } from './events/event-batch.js';
import { type EventOptions, EventStream } from './events/event-stream.js';
import { Expectations } from './expectations/expectations.js';
import type { FlowFilter } from './filter/types.js';
import type { Flow } from './flow/flow.js';
import { namespaceFiles } from './host/namespace-files.js';
import {
  type ConntrackSettings,
  type DeepPartial,
  readSettings,
  writeSettings,
} from './host/settings.js';
import { type ConntrackStats, readCounts, readStats } from './host/statistics.js';
import { type NetfilterHooks, readHooks } from './host/tracking.js';
import type { FlowInit } from './input/init.js';
import type { TupleInit } from './input/tuple.js';
import { type GetManyOptions, Lookups } from './lookup/lookups.js';
import {
  type BulkOptions,
  type DeleteOptions,
  deleteWhere,
  flush,
  updateWhere,
} from './write/bulk.js';
import type { FlowChange } from './write/change.js';
import type {
  DeleteManyOptions,
  DeleteManyResult,
  UpdateManyOptions,
  UpdateManyResult,
} from './write/change-many.js';
import type {
  CreateManyOptions,
  CreateResult,
  UpsertManyOptions,
  UpsertResult,
} from './write/create-many.js';
import { Writer } from './write/writer.js';

/** Which table to open, and how. */
export interface OpenOptions {
  /**
   * Network namespace: a name under /run/netns, a path, or the pid of a process in it. Entering another
   * namespace needs CAP_SYS_ADMIN in the user namespace that owns it. Default: that of this process. `undefined` is
   * refused.
   */
  netns?: string | number;
  /**
   * Bytes of receive buffer of each command and dump socket (4096 to 1 GiB; default 1 MiB). By force
   * where CAP_NET_ADMIN in the initial user namespace allows it, else capped by net.core.rmem_max.
   */
  receiveBuffer?: number | undefined;
}

const openFields = new Set(['netns', 'receiveBuffer']);

/**
 * The connection-tracking table of one network namespace. All operations but `count`, `stats` and
 * `settings` need CAP_NET_ADMIN in the user namespace that owns the network namespace.
 *
 * What is the same for all of them is not repeated below. The first use loads the addon and opens a socket: it fails
 * with an {@link UnsupportedError} elsewhere than on Linux (`ERR_NETFILTER_UNSUPPORTED_PLATFORM`), with a
 * {@link NetfilterError} where the addon cannot be loaded (`ERR_NETFILTER_ADDON`), and with a {@link NetlinkError}
 * where the kernel has no netfilter netlink (EPROTONOSUPPORT). Any operation can fail because there is no memory
 * (ENOMEM) or no thread (EAGAIN), or because the kernel did not answer within ten seconds (ETIMEDOUT). What a signal
 * ends rejects with the signal's reason.
 */
export class Conntrack implements Disposable, AsyncDisposable {
  readonly #session: Session;
  readonly #lookups: Lookups;
  readonly #writer: Writer;
  #expectations: Expectations | undefined;

  private constructor(session: Session) {
    this.#session = session;
    this.#lookups = new Lookups(session);
    this.#writer = new Writer(session);
  }

  /**
   * Opens the table of a namespace. A `netns` that is `undefined` is refused: a setting that is missing must not
   * open the table of this process's own namespace.
   * @throws {NetlinkError} ENOENT where there is no such namespace, EPERM where it may not be entered
   * @throws {TypeError | RangeError} for options that are wrong
   * @example
   * import { Conntrack } from 'conntrack';
   * await using table = Conntrack.open({ netns: process.pid });
   * console.log(await table.count());
   */
  static open(options: OpenOptions = {}): Conntrack {
    const { netns, receiveBuffer } = optionsAt(options, 'options', openFields, ['netns']);
    const session = new Session({
      netns: netns === undefined ? null : netnsPath(netns),
      receiveBuffer:
        receiveBuffer === undefined
          ? null
          : integerAt(receiveBuffer, 'options.receiveBuffer', 4096, 2 ** 30),
    });
    session.handle('conntrack open');
    return new Conntrack(session);
  }

  /** @internal A table that is in no kernel. */
  static over(binding: Binding): Conntrack {
    return new Conntrack(new Session({ netns: null, receiveBuffer: null, binding }));
  }

  /** @internal */
  static own(): Conntrack {
    return new Conntrack(new Session({ netns: null, receiveBuffer: null }));
  }

  /**
   * Reads the table: one pass over the kernel's hash table, decoded on a thread of its own. A flow that lives
   * through the whole dump is in it. A flow that is made or ends meanwhile may be in it or not.
   * @throws {TypeError | RangeError} for a filter or an option that is wrong, with the path of the field
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const flows = await conntrack.dump({ protocol: 'tcp', dstPort: [80, 443] });
   * for (const flow of flows) console.log(flow.orig.src, flow.orig.dstPort, flow.state, flow.timeout);
   * console.log(flows.sum('bytes'), flows.top(10, 'bytes').length);
   */
  dump(filter?: FlowFilter, options: DumpOptions = {}): Promise<FlowBatch> {
    return dump(this.#session, filter, options);
  }

  /**
   * Reads the table in batches of at most `batchSize` flows (1 to 1048576, default 16384). At most three
   * batches exist at a time, whatever the size of the table. While the caller is busy, the kernel waits. What is
   * wrong rejects when the first batch is asked for.
   * @throws {TypeError | RangeError} for a filter or an option that is wrong, with the path of the field
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * for await (const batch of conntrack.dumpBatches({ family: 'ipv4' }, { batchSize: 1000 })) {
   *   console.log(batch.length);
   * }
   */
  dumpBatches(
    filter?: FlowFilter,
    options: DumpBatchesOptions = {},
  ): AsyncGenerator<FlowBatch, void, undefined> {
    return dumpBatches(this.#session, filter, options);
  }

  /**
   * The flow with this tuple; `undefined` when there is none.
   * @throws {TypeError | RangeError} for a tuple that is wrong, with the path of the field
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const flow = await conntrack.get({
   *   protocol: 'tcp',
   *   src: '10.0.0.1',
   *   srcPort: 40000,
   *   dst: '192.0.2.1',
   *   dstPort: 443,
   * });
   * console.log(flow?.state, flow?.orig.bytes);
   */
  get(tuple: TupleInit | Flow): Promise<Flow | undefined> {
    return this.#lookups.get(tuple);
  }

  /**
   * `get` on the JS thread: one send and one receive. The kernel answers at once.
   * @throws {TypeError | RangeError} for a tuple that is wrong, with the path of the field
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const flow = conntrack.getSync({
   *   protocol: 'udp',
   *   src: '10.0.0.1',
   *   srcPort: 5000,
   *   dst: '192.0.2.1',
   *   dstPort: 53,
   * });
   * console.log(flow?.reply.src);
   */
  getSync(tuple: TupleInit | Flow): Flow | undefined {
    return this.#lookups.getSync(tuple);
  }

  /**
   * Many lookups, pipelined. The result has the order of the tuples. 4096 of them at a time are checked and packed
   * while the kernel answers the ones before. The flows of a `FlowBatch` are packed from its columns. An abort rejects with the signal's reason when the kernel has
   * answered for those under way. Nothing in the table changes in any case.
   * @throws {TypeError | RangeError} for a tuple (`tuples[7].src: …`) or an option that is wrong, with the path of the field
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const client = { protocol: 'tcp', src: '10.0.0.1', dst: '192.0.2.1', dstPort: 443 } as const;
   * const tuples = [40000, 40001, 40002].map((srcPort) => ({ ...client, srcPort }));
   * const flows = await conntrack.getMany(tuples);
   * for (const [i, flow] of flows.entries()) console.log(tuples[i]?.srcPort, flow?.state);
   */
  getMany(
    tuples: FlowBatch | Iterable<TupleInit | Flow>,
    options: GetManyOptions = {},
  ): Promise<(Flow | undefined)[]> {
    return this.#lookups.getMany(tuples, options);
  }

  /**
   * What the kernel does to packets in this namespace, for each family: whether it tracks them, and whether it can
   * translate their addresses. `support()` tells the same about this process's namespace. Without CAP_NET_ADMIN
   * the answers are `'unknown'`.
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const { tracking, nat } = await conntrack.hooks();
   * console.log(tracking.ipv4, nat.ipv6);
   */
  hooks(): Promise<NetfilterHooks> {
    return readHooks(this.#session);
  }

  /**
   * The number of entries, with expired ones that the kernel has not collected yet. Needs no privilege.
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * console.log(await conntrack.count());
   */
  async count(): Promise<number> {
    const { entries } = await readCounts(this.#session);
    return entries;
  }

  /**
   * Counters of the table, per CPU and in total. Needs no privilege.
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const { entries, max, total } = await conntrack.stats();
   * console.log(entries, max, total.drop, total.earlyDrop);
   */
  stats(): Promise<ConntrackStats> {
    return readStats(this.#session);
  }

  /**
   * Creates a flow. A flow that the kernel would make without a part of it is refused, and is not made. A flow with
   * `nat` is made even where no NAT is registered; a warning of the process says so, once per handle
   * (`CONNTRACK_NAT_NOT_REGISTERED`). Needs libnetfilter_conntrack.
   * @throws {NetlinkError} EEXIST when one of its tuples is taken, ENOSPC when it has labels and no rule makes room for
   *   them, EOPNOTSUPP when the kernel would drop another part of it in silence, ENOENT without its master, EPERM
   *   without CAP_NET_ADMIN
   * @throws {LibraryError} where libnetfilter_conntrack is missing
   * @throws {TypeError | RangeError} for a flow that is wrong, with the path of the field
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * await conntrack.create({
   *   protocol: 'udp',
   *   src: '10.0.0.1',
   *   srcPort: 5000,
   *   dst: '192.0.2.1',
   *   dstPort: 53,
   *   timeout: 30,
   * });
   */
  create(flow: FlowInit | Flow): Promise<void> {
    return this.#writer.create(flow);
  }

  /**
   * Creates a flow, or brings the one that is there to the same state (its translation stays).
   * @throws {NetlinkError} as `create`, but for the original tuple that is taken, and as `update`
   * @throws {LibraryError} where libnetfilter_conntrack is missing
   * @throws {TypeError | RangeError} for a flow that is wrong, with the path of the field
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * await conntrack.upsert({
   *   protocol: 'udp',
   *   src: '10.0.0.1',
   *   srcPort: 5000,
   *   dst: '192.0.2.1',
   *   dstPort: 53,
   *   timeout: 30,
   * });
   */
  upsert(flow: FlowInit | Flow): Promise<void> {
    return this.#writer.upsert(flow);
  }

  /**
   * Creates many flows, pipelined. A flow that cannot be made (the kernel refuses it, or it is no flow at all) does
   * not stop the others: `failed` names it by its place. Flows that have a master are made after the others, so
   * the order does not matter. The input is checked as it is taken, 4096 flows at a time. A flow without a
   * `timeout` (the kernel sends none for an offloaded flow) gets the kernel's default for its protocol and state:
   * five days for an established TCP connection, 30 or 120 seconds for UDP. A `FlowBatch` gives the same result as its
   * `toArray()`, without an object for each flow. Rejects when no flow can be made at all, and with what `flows`
   * itself throws. By then the kernel has answered for what was sent.
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
   * @throws {LibraryError} where libnetfilter_conntrack is missing
   * @throws {TypeError} for `flows` that cannot be iterated over, and for options that are wrong
   * @throws {ClosedError} after `close()`
   * @example
   * import { Conntrack, conntrack } from 'conntrack';
   * const backup = await conntrack.dump();
   * await using other = Conntrack.open({ netns: process.pid });
   * const { created, failed } = await other.createMany(backup);
   * for (const { index, error } of failed) console.log(index, error.code, error.message);
   * console.log(created);
   */
  createMany(
    flows: FlowBatch | Iterable<FlowInit | Flow>,
    options: CreateManyOptions = {},
  ): Promise<CreateResult> {
    return this.#writer.createMany(flows, options);
  }

  /**
   * Creates many flows, or brings those that are there to the same state, pipelined. A flow that is there takes what
   * `update` can change: its timeout if one is given, mark, state, labels and the like. Its translation stays. All
   * else is as in `createMany`. A flow that ends before it can be changed is made. If the same flow is given twice, the
   * first makes it and the second changes it; flows that have a master come after the others.
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
   * @throws {LibraryError} where libnetfilter_conntrack is missing
   * @throws {TypeError} for `flows` that cannot be iterated over, and for options that are wrong
   * @throws {ClosedError} after `close()`
   * @example
   * import { Conntrack, conntrack } from 'conntrack';
   * await using standby = Conntrack.open({ netns: process.pid });
   * const { created, updated, failed } = await standby.upsertMany(await conntrack.dump({ protocol: 'tcp' }));
   * console.log(created, updated, failed.length);
   */
  upsertMany(
    flows: FlowBatch | Iterable<FlowInit | Flow>,
    options: UpsertManyOptions = {},
  ): Promise<UpsertResult> {
    return this.#writer.upsertMany(flows, options);
  }

  /**
   * Changes a flow; false when there is none. A `Flow` of this table means the flow with its `id` and `start` (see
   * {@link TupleInit}): native code reads them right before it changes the flow. Needs libnetfilter_conntrack.
   * @throws {NetlinkError} EOPNOTSUPP for what the kernel would drop in silence (sequence adjustment of a flow that has
   *   no room for it, data for a helper that takes none; the rest is changed by then), EBUSY for status bits that
   *   cannot be changed, ENOSPC for labels without room, EPERM without CAP_NET_ADMIN and for a timeout that is fixed
   * @throws {LibraryError} where libnetfilter_conntrack is missing
   * @throws {TypeError | RangeError} for a tuple or a change that is wrong, with the path of the field
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const flows = await conntrack.dump({ protocol: 'udp' });
   * for (const flow of flows) await conntrack.update(flow, { timeout: 60, mark: { value: 1, mask: 0xff } });
   */
  update(target: Flow | TupleInit, change: FlowChange): Promise<boolean> {
    return this.#writer.update(target, change);
  }

  /**
   * Changes many flows in the same way, pipelined: `update` for each of them, in their order. A flow that is not there
   * is no error: `absent` counts it. A flow that the kernel refuses to change, and what names no flow at all, does not
   * stop the others: `failed` names it by its place. Of a change with a part of one protocol (`state`, `tcp`), flows of
   * other protocols are refused in the same way. The input is checked as it is taken, 4096 flows at a time. The flows
   * of a `FlowBatch` are packed from its columns: with `batch.filter(fn)` a function chooses what is changed. Rejects
   * when no flow can be changed at all, and with what `flows` itself throws. By then the kernel has answered for
   * what was sent.
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
   * @throws {LibraryError} where libnetfilter_conntrack is missing
   * @throws {TypeError | RangeError} for a change that is wrong for every protocol, with the path of the field
   * @throws {TypeError} for `flows` that cannot be iterated over, and for options that are wrong
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const flows = await conntrack.dump({ protocol: 'tcp' });
   * const long = flows.filter(({ orig }) => (orig.bytes ?? 0n) > 1_000_000_000n);
   * const { updated, absent } = await conntrack.updateMany(long, { mark: { value: 1, mask: 1 } });
   * console.log(updated, absent);
   */
  updateMany(
    flows: FlowBatch | Iterable<Flow | TupleInit>,
    change: FlowChange,
    options: UpdateManyOptions = {},
  ): Promise<UpdateManyResult> {
    return this.#writer.updateMany(flows, change, options);
  }

  /**
   * Changes every flow that the filter matches, or `'all'`, and gives their number. Each flow is read again some
   * tens of microseconds before it is changed, and left alone if it does not match any more. A change of the
   * protocol's state needs a filter on that one protocol. All flows are tried before the first refusal of the
   * kernel rejects.
   * @throws {NetlinkError} as `update`; its `detail` says how many flows were refused
   * @throws {LibraryError} where libnetfilter_conntrack is missing
   * @throws {TypeError} for an empty filter
   * @throws {TypeError | RangeError} for a filter, a change or an option that is wrong, with the path of the field
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const changed = await conntrack.updateWhere({ src: '10.0.0.0/8', mark: 0 }, { mark: 7 });
   * console.log(changed);
   */
  updateWhere(
    filter: FlowFilter | 'all',
    change: FlowChange,
    options: BulkOptions = {},
  ): Promise<number> {
    return updateWhere(this.#session, filter, change, options);
  }

  /**
   * Deletes exactly this flow; false when there is none. A `Flow` of this table means the flow with its `id` and
   * `start` (see {@link TupleInit}). A `Flow` of another table names the flow that has its tuple and zone here.
   * One doubt is left. Without `nf_conntrack_timestamp` nothing in the kernel tells a flow from a later one that
   * has taken its tuple and its memory. With it, a flow that takes them in the microseconds between the reading
   * of `start` and the deletion is deleted in its place.
   * @throws {TypeError | RangeError} for a tuple that is wrong, with the path of the field
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const flows = await conntrack.dump({ protocol: 'tcp', state: 'CLOSE_WAIT' });
   * for (const flow of flows) console.log(await conntrack.delete(flow));
   */
  delete(target: Flow | TupleInit): Promise<boolean> {
    return this.#writer.delete(target);
  }

  /**
   * Deletes exactly these flows, pipelined: `delete` for each of them, in their order. A flow that is not there is no
   * error: `absent` counts it. A flow that the kernel refuses to delete, and what names no flow at all, does not stop
   * the others: `failed` names it by its place. A flow that is given twice is deleted once, and absent then. The input
   * is checked as it is taken, 4096 flows at a time. The flows of a `FlowBatch` are packed from its columns: with
   * `batch.filter(fn)` a function chooses what is deleted. Rejects when no flow can be deleted at all, and with what
   * `flows` itself throws. By then the kernel has answered for what was sent.
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
   * @throws {TypeError} for `flows` that cannot be iterated over, and for options that are wrong
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const removed = new Set(['10.244.1.17', '10.244.2.5']);
   * const flows = await conntrack.dump({ protocol: 'udp', nat: 'dst' });
   * const stale = flows.filter(({ reply }) => removed.has(reply.src));
   * const { deleted, absent } = await conntrack.deleteMany(stale);
   * console.log(deleted, absent);
   */
  deleteMany(
    flows: FlowBatch | Iterable<Flow | TupleInit>,
    options: DeleteManyOptions = {},
  ): Promise<DeleteManyResult> {
    return this.#writer.deleteMany(flows, options);
  }

  /**
   * Deletes every flow that the filter matches, each by tuple, zone and id. A flow is read again some tens of
   * microseconds before it is deleted, and left alone if it does not match any more. In these microseconds it can
   * still stop matching, or give way to a flow with the same id. The result is the number of deleted flows; with
   * `returning` it is the flows themselves in their last state. Their counters are final where the kernel reports
   * the deletion (flows made while `events` was 1, or while something listened), else as read directly before.
   * @throws {TypeError} for an empty filter
   * @throws {TypeError | RangeError} for a filter or an option that is wrong, with the path of the field
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const deleted = await conntrack.deleteWhere({ src: '192.0.2.7' }, { returning: true });
   * console.log(deleted.length, deleted.sum('bytes'));
   */
  deleteWhere(
    filter: FlowFilter,
    options?: DeleteOptions & { returning?: false | undefined },
  ): Promise<number>;
  deleteWhere(filter: FlowFilter, options: DeleteOptions & { returning: true }): Promise<FlowBatch>;
  deleteWhere(filter: FlowFilter, options?: DeleteOptions): Promise<number | FlowBatch>;
  deleteWhere(filter: FlowFilter, options: DeleteOptions = {}): Promise<number | FlowBatch> {
    return deleteWhere(this.#session, filter, options);
  }

  /**
   * Empties the table in one message. With a filter it deletes what matches and nothing else: in one message where
   * this kernel does that right, else as `deleteWhere` does. Only the latter can end early by a signal and tell a
   * number to `progress`. A filter that is `undefined` is refused.
   * @throws {TypeError} for a filter that is empty or `undefined`
   * @throws {TypeError | RangeError} for a filter or an option that is wrong, with the path of the field
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * await conntrack.flush({ mark: 7 });
   */
  flush(): Promise<void>;
  flush(filter: FlowFilter, options?: BulkOptions): Promise<void>;
  flush(...given: [filter?: FlowFilter, options?: BulkOptions]): Promise<void> {
    return flush(this.#session, given);
  }

  /**
   * Follows the table: flows as they are made, changed and destroyed, on a socket and a thread of its own.
   * Every event after the return is caught or counted as lost. The stream's `stats` say what the kernel does not
   * report. The types that the options name are the types of the events.
   * @throws {NetlinkError} EPERM without CAP_NET_ADMIN, or without CAP_NET_BROADCAST for `allNamespaces`
   * @throws {TypeError | RangeError} for an option that is wrong, with the path of the field
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const stream = conntrack.events({ types: ['new', 'destroy'], signal: AbortSignal.timeout(200) });
   * for await (const event of stream) {
   *   if (event.type === 'overrun') console.log('lost', event.lost);
   *   else console.log(event.type, event.flow.orig.src, event.flow.orig.dstPort);
   * }
   * console.log(stream.stats.received);
   */
  events<Type extends EventType = EventType>(options: EventOptions<Type> = {}): EventStream<Type> {
    return EventStream.open(this.#session, options);
  }

  /** Flows that helpers expect: the data connection of an FTP session, the media of a SIP call. */
  get expectations(): Expectations {
    this.#expectations ??= new Expectations(this.#session);
    return this.#expectations;
  }

  /**
   * Limits, switches and timeouts of the table. Needs no privilege.
   * @throws {NetlinkError} ENOENT where nf_conntrack is not loaded, or /proc/sys is not mounted
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const { max, acct, timeouts } = await conntrack.settings();
   * console.log(max, acct, timeouts.tcp.established);
   */
  settings(): Promise<ConntrackSettings> {
    return readSettings(namespaceFiles(this.#session));
  }

  /**
   * Changes settings, and gives all of them as they are then. `max`, `buckets` and `expectMax` can be
   * changed in the initial namespace only. Everything is checked before anything is written. A setting that is
   * `undefined` is refused.
   * @throws {NetlinkError} EACCES, EPERM or EROFS where a setting cannot be written: those before it are undone
   * @throws {TypeError | RangeError} for a setting that is wrong, with the path of the field
   * @throws {ClosedError} after `close()`
   * @example
   * import { conntrack } from 'conntrack';
   * const { acct } = await conntrack.configure({ acct: true, timeouts: { udp: { replied: 120 } } });
   * console.log(acct);
   */
  async configure(change: DeepPartial<ConntrackSettings>): Promise<ConntrackSettings> {
    const files = namespaceFiles(this.#session);
    await writeSettings(files, change);
    return readSettings(files);
  }

  /**
   * Ends what is under way (with a ClosedError) and closes the sockets. May be called again. A closed handle stays
   * closed, also the default instance.
   */
  close(): Promise<void> {
    return this.#session.close();
  }

  /** Closes the handle, for `using`; does not wait for what is under way. */
  [Symbol.dispose](): void {
    this.#session.dispose();
  }

  /** Closes the handle, for `await using`, as `close()` does. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#session.close();
  }
}

/**
 * The table of this process's network namespace. It is opened on first use, and closed for good by `close()`. To have
 * a handle that you can close, open one with {@link Conntrack.open}.
 */
export const conntrack: Conntrack = Conntrack.own();
