// conntrack.expectations.events(): its options, its events and the stream object.
import { eventType } from '../../native/numbers.js';
import type { Session } from '../../native/session.js';
import { type Overrun, overrunOf } from '../events/event-batch.js';
import { EventSource } from '../events/event-source.js';
import { type StreamOptions, streamOptions, typesAt } from '../events/options.js';
import { PullIterator } from '../events/pull-iterator.js';
import { StreamHandle } from '../events/stream-handle.js';
import { type Expectation, expectationMessages } from './expectation.js';

/** `'new'`: an expectation was made. `'destroy'`: it is gone. The kernel reports nothing else. */
export type ExpectationEventType = 'new' | 'destroy';

/** Options of `expectations.events()`. The types that are named are the types of the stream's events. */
export interface ExpectationEventOptions<Type extends ExpectationEventType = ExpectationEventType>
  extends StreamOptions {
  /** The types of events; default both. `undefined` is refused. */
  types?: readonly Type[];
}

/** An expectation was made, or is gone: its flow has met it, it was deleted, or it has expired. */
export interface ExpectationChange<Type extends ExpectationEventType = ExpectationEventType> {
  /** Whether it was made or is gone. */
  readonly type: Type;
  /** The expectation, as the event tells. */
  readonly expectation: Expectation;
  /** The id that the network namespace has in the stream's namespace; absent for that one itself. */
  readonly nsid?: number;
  /** The port id of the socket whose request caused it; 0: the kernel itself. See {@link FlowEvent.portid}. */
  readonly portid: number;
  /** Whether a request of this process has caused it; absent where that is not known. See {@link FlowEvent.own}. */
  readonly own?: boolean;
}

/** What a stream gives: a change of an expectation, or the fact that some were lost. */
export type ExpectationEvent<Type extends ExpectationEventType = ExpectationEventType> =
  | ExpectationChange<Type>
  | Overrun;

/**
 * Expectations as they are made and go. As {@link EventStream} it has one reader, and ends when the loop is left, by
 * `close()`, by an abort, and with its `Conntrack`.
 */
export class ExpectationStream<Type extends ExpectationEventType = ExpectationEventType>
  extends StreamHandle
  implements AsyncIterable<ExpectationEvent<Type>>
{
  private constructor(source: EventSource) {
    super(source);
  }

  /** @internal */
  static open<Type extends ExpectationEventType>(
    session: Session,
    options: ExpectationEventOptions<Type> = {},
  ): ExpectationStream<Type> {
    const { raw, signal, fields } = streamOptions(options, ['types']);
    const kinds = typesAt(fields.types, ['new', 'destroy'], 'options.types');
    const filter = new Uint32Array(0);
    return new ExpectationStream(
      new EventSource(session, { ...raw, kinds, filter, expectations: true }, signal),
    );
  }

  /**
   * Changes of expectations, with overruns between them.
   * @throws {TypeError} for a second reader
   * @throws {NetlinkError} from the iterator, for an error of the socket
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ExpectationEvent<Type>, undefined> {
    const source = this.source;
    return new PullIterator<ExpectationEvent<Type>>(this, source, (segment) => {
      const messages = expectationMessages(segment.messages);
      let overrun = overrunOf(segment);
      return () => {
        for (let next = messages.next(); !next.done; next = messages.next()) {
          const { type, nsid, portid, own, expectation } = next.value;
          if (expectation === undefined) {
            source.malformed();
            continue;
          }
          source.yielded(1);
          return {
            // The kernel is asked for the types of the stream, and for no other.
            type: (type === eventType.new ? 'new' : 'destroy') as Type,
            expectation,
            ...(nsid !== undefined && { nsid }),
            portid,
            ...(own !== undefined && { own }),
          };
        }
        const last = overrun;
        overrun = undefined;
        return last;
      };
    });
  }
}
