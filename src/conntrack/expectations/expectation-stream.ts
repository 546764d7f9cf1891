// conntrack.expectations.events(): its options, its events and the stream object.
import type { Session } from '../../native/session.js';
import { type Overrun, overrunOf } from '../events/event-batch.js';
import { EventSource } from '../events/event-source.js';
import type { EventStats } from '../events/event-stats.js';
import { type StreamOptions, streamOptions, typesAt } from '../events/options.js';
import { PullIterator } from '../events/pull-iterator.js';
import { StreamHandle } from '../events/stream-handle.js';
import { type Expectation, expectationMessages } from './expectation.js';

/** Options of `expectations.events()`. */
export interface ExpectationEventOptions extends StreamOptions {
  /** The types of events; default both. The kernel reports no other. */
  types?: readonly ('new' | 'destroy')[];
}

/** An expectation was made, or is gone: its flow has met it, it was deleted, or it has expired. */
export interface ExpectationChange {
  readonly type: 'new' | 'destroy';
  readonly expectation: Expectation;
  /** The id that the network namespace has in the stream's namespace; absent for that one itself. */
  readonly nsid?: number;
}

export type ExpectationEvent = ExpectationChange | Overrun;

/**
 * Expectations as they are made and go. As {@link EventStream} it has one reader, and ends when the loop is left, by
 * `close()`, by an abort, and with its `Conntrack`.
 */
export class ExpectationStream extends StreamHandle implements AsyncIterable<ExpectationEvent> {
  /** Messages that could not be decoded. The queue counts them as delivered. */
  readonly #undecodable = { count: 0 };

  private constructor(source: EventSource) {
    super(source);
  }

  /** @internal */
  static open(session: Session, options: ExpectationEventOptions = {}): ExpectationStream {
    const { raw, signal, fields } = streamOptions(options, ['types']);
    const kinds = typesAt(fields.types, ['new', 'destroy'], 'options.types');
    const filter = new Uint32Array(0);
    return new ExpectationStream(
      new EventSource(session, { ...raw, kinds, filter, expectations: true }, signal),
    );
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<ExpectationEvent, undefined> {
    const source = this.source;
    const undecodable = this.#undecodable;
    return new PullIterator<ExpectationEvent>(this, source, (segment) => {
      const messages = expectationMessages(segment.messages);
      let overrun = overrunOf(segment);
      return () => {
        for (let next = messages.next(); !next.done; next = messages.next()) {
          source.yielded(1);
          const { type, nsid, expectation } = next.value;
          if (expectation === undefined) {
            undecodable.count++;
            continue;
          }
          return {
            type: type === 1 ? 'new' : 'destroy',
            expectation,
            ...(nsid !== undefined && { nsid }),
          };
        }
        const last = overrun;
        overrun = undefined;
        return last;
      };
    });
  }

  override get stats(): EventStats {
    const stats = super.stats;
    const { count } = this.#undecodable;
    return {
      ...stats,
      delivered: stats.delivered - count,
      undecodable: stats.undecodable + count,
    };
  }
}
