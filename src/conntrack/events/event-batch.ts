// Events as callers see them: one at a time, or a batch in columns.
import type { RawSegment } from '../../native/binding.js';
import { eventTypeNames } from '../../native/numbers.js';
import { FlowBatch, rowAt } from '../batch/flow-batch.js';
import { batchStats } from '../batch/stats.js';
import { ColumnStore } from '../columns/column-store.js';
import { columnsOf } from '../columns/flow-columns.js';
import { has } from '../columns/schema.js';
import { Flow } from '../flow/flow.js';

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
    this.flow = flow;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): object {
    const { type, timestamp, duration, nsid } = this;
    return {
      type,
      ...(timestamp !== undefined && { timestamp }),
      ...(duration !== undefined && { duration }),
      ...(nsid !== undefined && { nsid }),
      flow: this.flow.toObject(),
    };
  }

  /** Plain data for JSON. Nanoseconds since the epoch are decimal strings, as in {@link Flow.toJSON}. */
  toJSON(): Record<string, unknown> {
    const { timestamp, duration, nsid } = this;
    return {
      type: this.type,
      ...(timestamp !== undefined && { timestamp: timestamp.toString() }),
      ...(duration !== undefined && { duration: duration.toString() }),
      ...(nsid !== undefined && { nsid }),
      flow: this.flow.toJSON(),
    };
  }

  /** The line of `conntrack -E`, without the words `[USERSPACE] portid=… progname=…` at its end. */
  toString(): string {
    return `${`[${this.type.toUpperCase()}]`.padStart(9)} ${this.flow}`;
  }
}

/** What a stream gives: an event of one of the types that it listens to, or the fact that some were lost. */
export type ConntrackEvent<Type extends EventType = EventType> = FlowEvent<Type> | Overrun;

/**
 * Events in columns: a {@link FlowBatch} of the flows, in the order of the events, with the columns
 * `type`, `nsid` (-1: the stream's own namespace) and `timestampEvent`.
 */
export class EventBatch<Type extends EventType = EventType> extends FlowBatch {
  /** What was lost between the last event of this batch and the first of the next. */
  readonly overrun: Overrun | undefined;
  readonly #store: ColumnStore;

  /** @internal */
  static fromSegment<Type extends EventType>(segment: RawSegment): EventBatch<Type> {
    return new EventBatch(segment);
  }

  private constructor(segment: RawSegment) {
    const raw = segment.batch!;
    const store = ColumnStore.fromRaw(raw);
    const stats = { messages: raw.rows, undecodable: 0, rejected: 0, duplicates: 0 };
    super(store, batchStats({ ...stats, kernelFilter: 0, sockets: 1 }, '', raw.withoutCounters));
    this.#store = store;
    this.overrun = overrunOf(segment);
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
