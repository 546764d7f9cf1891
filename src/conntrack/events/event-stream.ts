// conntrack.events(): its options and the stream object.
import type { Session } from '../../native/session.js';
import { filterWords } from '../batch/filter-words.js';
import { ColumnStore } from '../columns/column-store.js';
import { checkFilter } from '../filter/check.js';
import type { FlowFilter } from '../filter/types.js';
import {
  type ConntrackEvent,
  EventBatch,
  type EventType,
  FlowEvent,
  overrunOf,
} from './event-batch.js';
import { EventSource } from './event-source.js';
import { type StreamOptions, streamOptions, typesAt } from './options.js';
import { PullIterator } from './pull-iterator.js';
import { StreamHandle } from './stream-handle.js';

/** Options of `events()`. The types that are named are the types of the stream's events. */
export interface EventOptions<Type extends EventType = EventType> extends StreamOptions {
  /** The types of events; default all. A type that is left out costs nothing. `undefined` is refused. */
  types?: readonly Type[];
  /**
   * The same filter as everywhere, and exact. Where it can, a BPF program applies it in the kernel
   * (`stats.kernelFilter`): events outside the filter then take no room and no time of this process. The filter is
   * applied to what the event has, which is not all of the flow (see {@link FlowEvent.flow}). A `mark` or `zone`
   * that is not sent is 0; a `state`, `label` or `helper` that is not sent does not match. So `state` finds the
   * `update` that reports a change of state, and the `destroy` of TCP and SCTP. `label` finds the `new` and the
   * `update` that report labels. Neither `label` nor `helper` ever finds a `destroy`. A filter that is `undefined`
   * is refused: leave the field out for all events.
   */
  filter?: FlowFilter;
}

/**
 * Events of the table, from the moment when the stream was made. It has one reader: `for await` over the stream
 * (single events) or over `batches()`. It ends when that loop is left, by `close()`, by an abort, and with its
 * `Conntrack`. Until then it keeps the process alive, unless `unref()` was called.
 */
export class EventStream<Type extends EventType = EventType>
  extends StreamHandle
  implements AsyncIterable<ConntrackEvent<Type>>
{
  private constructor(source: EventSource) {
    super(source);
  }

  /** @internal */
  static open<Type extends EventType>(
    session: Session,
    options: EventOptions<Type> = {},
  ): EventStream<Type> {
    const { raw, signal, fields } = streamOptions(options, ['types', 'filter']);
    const kinds = typesAt(fields.types, ['new', 'update', 'destroy'], 'options.types');
    const filter = filterWords(checkFilter(fields.filter, 'options.filter'));
    return new EventStream(
      new EventSource(session, { ...raw, kinds, filter, expectations: false }, signal),
    );
  }

  /**
   * Single events, with overruns between them.
   * @throws {TypeError} for a second reader
   * @throws {NetlinkError} from the iterator, for an error of the socket
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ConntrackEvent<Type>, undefined> {
    const source = this.source;
    return new PullIterator<ConntrackEvent<Type>>(this, source, (segment) => {
      const store = ColumnStore.fromRaw(segment.batch!);
      let overrun = overrunOf(segment);
      let row = 0;
      return () => {
        if (row < segment.events) {
          source.yielded(1);
          return FlowEvent.at<Type>(store, row++);
        }
        const last = overrun;
        overrun = undefined;
        return last;
      };
    });
  }

  /**
   * Batches of whatever has come since the last one, at most 16384 events: one when little happens, thousands in a
   * storm.
   * @throws {TypeError} for a second reader
   * @throws {NetlinkError} from the iterator, for an error of the socket
   */
  batches(): AsyncIterableIterator<EventBatch<Type>, undefined> {
    const source = this.source;
    return new PullIterator<EventBatch<Type>>(this, source, (segment) => {
      let batch: EventBatch<Type> | undefined = EventBatch.fromSegment(segment);
      return () => {
        const only = batch;
        if (only) source.yielded(only.length);
        batch = undefined;
        return only;
      };
    });
  }
}
