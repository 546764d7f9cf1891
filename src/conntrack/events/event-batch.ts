// Events as callers see them: one at a time, or a batch in columns.
import {
  booleanAt,
  integerAt,
  iterableAt,
  oneOf,
  onlyFields,
  type Path,
  pathText,
  shallowCopyAt,
  takeAsPlain,
  u64At,
} from '../../checks.js';
import { badRange } from '../../errors.js';
import type { RawSegment } from '../../native/binding.js';
import { eventTypeNames, own as ownNumbers } from '../../native/numbers.js';
import { fromBytes, toBytes } from '../batch/bytes.js';
import { FlowBatch, rowAt } from '../batch/flow-batch.js';
import { MadeRows } from '../batch/made-rows.js';
import { addFlow } from '../batch/make-row.js';
import { type BatchStats, batchStats, madeStats, withoutCounters } from '../batch/stats.js';
import { ColumnStore } from '../columns/column-store.js';
import { columnsOf } from '../columns/flow-columns.js';
import { has } from '../columns/schema.js';
import { Flow } from '../flow/flow.js';
import type { FlowSample } from '../input/sample.js';

const bothTimes = has.start | has.stop;

/** `'new'`, `'update'` or `'destroy'`: the multicast groups of ctnetlink (NFNLGRP_CONNTRACK_*). */
export type EventType = 'new' | 'update' | 'destroy';

export { eventTypeNames };

/** Says that events were lost. In a stream it stands where the loss was noticed. */
export interface Overrun {
  /** Tells it from events. */
  readonly type: 'overrun';
  /** `'kernel'`: the receive buffer was full. `'queue'`: `queue.maxEvents` events waited for the consumer. */
  readonly source: 'kernel' | 'queue';
  /** The exact number of lost events. */
  readonly lost: number;
}

/**
 * One event. It behaves as the object that it looks like, as its flow does: a copy of any kind has its fields, and
 * what is absent is no property.
 */
export class FlowEvent<Type extends EventType = EventType> {
  /** What has happened: the flow was made, was changed, or has ended. */
  declare readonly type: Type;
  /**
   * CTA_TIMESTAMP_EVENT — when the kernel made the event, nanoseconds since the epoch (kernel 6.14,
   * `nf_conntrack_timestamp` = 1 when the flow was made).
   */
  declare readonly timestamp?: bigint;
  /** How many nanoseconds the flow lived, in `destroy` events of flows that have `start` and `stop`. */
  declare readonly duration?: bigint;
  /** The id that the network namespace of the flow has in the stream's namespace; absent for that one itself. */
  declare readonly nsid?: number;
  /**
   * The port id of the netlink socket whose request caused the event (`nlmsg_pid` of its message); 0: the kernel itself
   * did it, for a packet or because the flow expired. The first netlink socket of a process mostly has the number of the
   * process as its id, others have large ones. It names a socket in the namespace of the flow only.
   */
  declare readonly portid: number;
  /**
   * Whether a request of this process has caused it, through any `Conntrack` and any worker thread. It is absent where
   * this cannot be known: of a namespace that the stream hears by its `nsid`, when the port id is one of this process
   * somewhere, and it does not have a socket open there to compare with. A second copy of the package in the same
   * process is another program here. See `docs/events.md`.
   */
  declare readonly own?: boolean;
  /**
   * The flow, as far as the event tells. An event is a partial record (ctnetlink_conntrack_event). All events have
   * both tuples, zone, id and status. `new` and `update` have the timeout, the helper, a mark that is not 0, and
   * what has just changed of state, labels, sequence adjustment and synproxy (all of these when the change came
   * over netlink). `destroy` has a mark that is not 0, the state of TCP and SCTP, and final counters, start and
   * stop where the flow has them. No event has `use`.
   */
  declare readonly flow: Flow;

  /** @internal */
  static at<Type extends EventType>(store: ColumnStore, row: number): FlowEvent<Type> {
    return new FlowEvent(store, row);
  }

  private constructor(store: ColumnStore, row: number) {
    const from = columnsOf(store);
    const presence = from.presence[row]!;
    // The kernel is asked for the types of the stream, and for no other.
    this.type = eventTypeNames[from.type[row]!] as Type;
    const flow = Flow.at(store, row);
    if ((presence & has.timestampEvent) !== 0) this.timestamp = from.timestampEvent[row]!;
    if ((presence & bothTimes) === bothTimes) this.duration = from.stop[row]! - from.start[row]!;
    const nsid = from.nsid[row]!;
    if (nsid >= 0) this.nsid = nsid;
    this.portid = from.portid[row]!;
    const own = from.own[row]!;
    if (own !== ownNumbers.unknown) this.own = own === ownNumbers.yes;
    this.flow = flow;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): object {
    const { type, timestamp, duration, nsid, portid, own } = this;
    return {
      type,
      ...(timestamp !== undefined && { timestamp }),
      ...(duration !== undefined && { duration }),
      ...(nsid !== undefined && { nsid }),
      portid,
      ...(own !== undefined && { own }),
      flow: this.flow.toObject(),
    };
  }

  /** Plain data for JSON. Nanoseconds since the epoch are decimal strings, as in {@link Flow.toJSON}. */
  toJSON(): Record<string, unknown> {
    const { timestamp, duration, nsid, portid, own } = this;
    return {
      type: this.type,
      ...(timestamp !== undefined && { timestamp: timestamp.toString() }),
      ...(duration !== undefined && { duration: duration.toString() }),
      ...(nsid !== undefined && { nsid }),
      portid,
      ...(own !== undefined && { own }),
      flow: this.flow.toJSON(),
    };
  }

  /** The line of `conntrack -E`, without the words `[USERSPACE] portid=… progname=…` at its end. */
  toString(): string {
    return `${`[${this.type.toUpperCase()}]`.padStart(9)} ${this.flow}`;
  }
}

takeAsPlain(FlowEvent.prototype);

/** An event for `EventBatch.of`: a {@link FlowEvent}, or a plain object that has its fields. */
export interface EventSample<Type extends EventType = EventType> {
  /** What has happened. */
  type: Type;
  /** The flow, as far as the event tells. */
  flow: FlowSample | Flow;
  /** When the kernel made the event, nanoseconds since the epoch. A number or digits, as JSON has it, do as well. */
  timestamp?: bigint | number | string;
  /** It follows from `start` and `stop` of the flow. */
  duration?: bigint | number | string;
  /** The id of the network namespace of the flow, where that is another than the stream's. */
  nsid?: number;
  /** The port id of the socket whose request caused it; default 0, the kernel itself. */
  portid?: number;
  /**
   * Whether a request of this process caused it. Without it, an event of a port id is one of which this is not known.
   * `true` needs a `portid`.
   */
  own?: boolean;
}

const eventFields = new Set(['type', 'flow', 'timestamp', 'duration', 'nsid', 'portid', 'own']);
const types = eventTypeNames.slice(1) as EventType[];

function addEvent(rows: MadeRows, event: unknown, path: Path): void {
  const fields = shallowCopyAt(event, path, 'an event');
  if (fields.type === 'overrun') {
    throw new RangeError(`${pathText(path, '.type')}: only the last of a batch can be an overrun`);
  }
  const type = oneOf(fields.type, pathText(path, '.type'), types);
  onlyFields(fields, eventFields, pathText(path));
  const { flow, nsid = -1, timestamp, portid = 0 } = fields;
  addFlow(rows, flow, () => pathText(path, '.flow'), type);
  const namespace = nsid === -1 ? -1 : integerAt(nsid, pathText(path, '.nsid'), 0, 0x7fff_ffff);
  const time =
    timestamp === undefined ? undefined : u64At(timestamp, () => pathText(path, '.timestamp'));
  const port = integerAt(portid, pathText(path, '.portid'), 0, 0xffff_ffff);
  const own = fields.own === undefined ? undefined : booleanAt(fields.own, pathText(path, '.own'));
  if (own === true && port === 0) {
    throw badRange(pathText(path, '.portid'), 'the port id of a socket of this process', port);
  }
  rows.setEvent({
    type,
    nsid: namespace,
    portid: port,
    own:
      own === undefined && port !== 0
        ? ownNumbers.unknown
        : own === true
          ? ownNumbers.yes
          : ownNumbers.no,
    timestamp: time,
  });
  rows.end();
}

function overrunAt(event: unknown, path: string): Overrun {
  const fields = shallowCopyAt(event, path, 'an overrun');
  onlyFields(fields, new Set(['type', 'source', 'lost']), path);
  return {
    type: 'overrun',
    source: oneOf(fields.source, `${path}.source`, ['kernel', 'queue']),
    lost: integerAt(fields.lost, `${path}.lost`, 1, Number.MAX_SAFE_INTEGER),
  };
}

/** What a stream gives: an event of one of the types that it listens to, or the fact that some were lost. */
export type ConntrackEvent<Type extends EventType = EventType> = FlowEvent<Type> | Overrun;

/**
 * Events in columns: a {@link FlowBatch} of the flows, in the order of the events, with the columns
 * `type`, `nsid` (-1: the stream's own namespace), `portid`, `own` and `timestampEvent`.
 */
export class EventBatch<Type extends EventType = EventType> extends FlowBatch {
  /** What was lost between the last event of this batch and the first of the next. */
  readonly overrun: Overrun | undefined;
  readonly #store: ColumnStore;

  /** @internal */
  static fromSegment<Type extends EventType>(segment: RawSegment): EventBatch<Type> {
    const raw = segment.batch!;
    const stats = { ...madeStats, messages: raw.rows, sockets: 1 };
    return new EventBatch(
      ColumnStore.fromRaw(raw),
      batchStats(stats, '', raw.withoutCounters),
      overrunOf(segment),
    );
  }

  /**
   * A batch of plain events, without a kernel: for tests of a program that follows events. It needs no Linux and no
   * privileges. `events()` gives what was given, and an overrun may be the last. The flows are as in `FlowBatch.of`.
   * @throws {TypeError | RangeError} for an event that is wrong, with the path of the field (`events[3].flow.mark`)
   * @example
   * import { EventBatch } from 'conntrack';
   * const flow = { protocol: 'tcp', src: '10.0.0.1', dst: '192.0.2.1', srcPort: 40000, dstPort: 443 } as const;
   * const batch = EventBatch.of([
   *   { type: 'new', flow },
   *   { type: 'destroy', flow: { ...flow, start: 1_000_000_000n, stop: 3_500_000_000n } },
   *   { type: 'overrun', source: 'kernel', lost: 12 },
   * ]);
   * for (const event of batch.events()) console.log(event.type === 'overrun' ? event.lost : String(event));
   */
  static override of<Type extends EventType = EventType>(
    events: Iterable<EventSample<Type> | FlowEvent<Type> | Overrun>,
  ): EventBatch<Type>;
  /** Flows alone are no events. (The class that it extends has a static method of this name.) */
  static override of(events: never): never;
  static override of(events: Iterable<EventSample | FlowEvent | Overrun>): EventBatch {
    const list: unknown[] = [...iterableAt(events, 'events', 'events')];
    const last = list.length - 1;
    const lost = (list[last] as { type?: unknown } | null | undefined)?.type === 'overrun';
    const overrun = lost ? overrunAt(list.pop(), `events[${last}]`) : undefined;
    const rows = new MadeRows(list.length);
    for (const [i, event] of list.entries()) addEvent(rows, event, () => `events[${i}]`);
    const raw = { ...rows.finish(), events: true };
    const stats = batchStats(madeStats, '', raw.withoutCounters);
    return new EventBatch(ColumnStore.fromRaw(raw), stats, overrun);
  }

  /**
   * A batch of events of what `toBytes` of a batch of events gave. (`FlowBatch.from` makes flows of the same bytes.)
   * @throws {TypeError} for what is no Uint8Array
   * @throws {RangeError} for bytes that are no batch of events
   * @example
   * import { EventBatch } from 'conntrack';
   * const flow = { protocol: 'udp', src: '10.0.0.1', dst: '192.0.2.1', srcPort: 4000, dstPort: 53 } as const;
   * const bytes = EventBatch.of([{ type: 'new', flow }]).toBytes();
   * console.log(EventBatch.from(bytes).event(0)?.type);
   */
  static override from(bytes: Uint8Array): EventBatch {
    const { store, events, loss } = fromBytes(bytes);
    const types = store.column('type');
    if (!events || types.includes(0)) throw new RangeError('bytes: these are flows and no events');
    return new EventBatch(
      store,
      batchStats(madeStats, '', withoutCounters(store)),
      loss && { type: 'overrun', ...loss },
    );
  }

  private constructor(store: ColumnStore, stats: BatchStats, overrun: Overrun | undefined) {
    super(store, stats);
    this.#store = store;
    this.overrun = overrun;
  }

  /** The type of each event: 1 new, 2 update, 3 destroy. */
  get types(): Uint8Array {
    return this.#store.column('type');
  }

  /**
   * The event at an index, as `at` of arrays: from the end when negative, `undefined` outside the batch.
   * @throws {TypeError} for an index that is no number
   */
  event(index: number): FlowEvent<Type> | undefined {
    const row = rowAt(index, this.length);
    return row === undefined ? undefined : FlowEvent.at(this.#store, row);
  }

  /** The events, then the overrun if there is one. */
  *events(): Generator<ConntrackEvent<Type>, void, undefined> {
    for (let row = 0; row < this.length; row++) yield FlowEvent.at<Type>(this.#store, row);
    if (this.overrun) yield this.overrun;
  }

  /** As `toBytes` of flows, with what makes events of them, and the overrun. `EventBatch.from` reads it. */
  override toBytes(): Uint8Array {
    return toBytes(this.#store, this.overrun);
  }

  /** For `JSON.stringify`: see {@link FlowEvent.toJSON}. */
  override toJSON(): unknown[] {
    const events: Iterable<ConntrackEvent> = this.events();
    return Array.from(events, (event) => (event.type === 'overrun' ? event : event.toJSON()));
  }
}

export function overrunOf(segment: RawSegment): Overrun | undefined {
  const { lost, source } = segment;
  return lost === undefined || source === undefined ? undefined : { type: 'overrun', source, lost };
}
