// The native side of an event stream: opened, pulled, counted, closed. Native code counts the events that it kept for
// the consumer. Here is counted what the consumer got of them: the rest waits, or is discarded when the stream ends.
// It holds no reference to the stream object of the caller: a stream that is dropped unclosed can be collected, and
// is warned of.
import type {
  Binding,
  Handle,
  NativeEventStream,
  RawEventOptions,
  RawSegment,
} from '../../native/binding.js';
import { nativeError } from '../../native/load.js';
import type { Session } from '../../native/session.js';
import { findNamespaces, unheardHint } from '../host/namespaces.js';
import { type EventStats, eventStats } from './event-stats.js';

const newBit = 1;

/** What a stream of all namespaces does not hear. The stream is opened even where this cannot be found out. */
function unheard(binding: Binding, handle: Handle): string | undefined {
  try {
    return unheardHint(findNamespaces(binding, handle));
  } catch {
    return 'which network namespaces have no id here, and so are not heard, could not be found out';
  }
}

export class EventSource {
  readonly #binding: Binding;
  readonly #native: NativeEventStream;
  readonly #asked: number;
  /** Whether it listens to the later news of flows. An older flow may never send them. */
  readonly #later: boolean;
  /** Hints that were found when the stream was opened. */
  readonly #hints: string[] = [];
  readonly #table: string;
  #closing: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  /** The iterators give nothing any more. */
  #over = false;
  #readAlready = false;
  #delivered = 0;
  #malformed = 0;
  #readyBefore = false;
  /** Takes the stream from its session, whose end would end it. */
  #disown = () => {};
  #deafen = () => {};

  /** Opens the stream. Every later event is caught. Throws a NetlinkError. */
  constructor(session: Session, options: RawEventOptions, signal: AbortSignal | undefined) {
    this.#asked = options.receiveBuffer;
    this.#table = session.table('conntrack events');
    // An expectation is reported like its flow: one of an older flow may be silent too.
    this.#later = options.expectations || (options.kinds & ~newBit) !== 0;
    [this.#binding, this.#native] = session.sync('conntrack events', (binding, handle) => {
      const native = binding.ctEventsOpen(handle, options);
      if (options.allNamespaces) {
        const hint = unheard(binding, handle);
        if (hint !== undefined) this.#hints.push(hint);
      }
      return [binding, native];
    });
    const close = () => this.close();
    this.#disown = session.own(close);
    signal?.addEventListener('abort', close, { once: true });
    this.#deafen = () => signal?.removeEventListener('abort', close);
    if (signal?.aborted) void this.close();
  }

  /** The iterators are done. */
  get ended(): boolean {
    return this.#over;
  }

  /** The stream does not listen any more. What it has received may still wait for its reader. */
  get closed(): boolean {
    return this.#over || this.#draining !== undefined;
  }

  /** Each iterator calls this when it is made: a stream has one reader. */
  claim(): void {
    if (this.#readAlready && !this.ended) {
      throw new TypeError('conntrack events: the stream is being read already');
    }
    this.#readAlready = true;
  }

  /** The next run of events; null at the end. */
  async pull(): Promise<RawSegment | null> {
    if (this.#readyBefore) {
      // Without this, a consumer that keeps up with a storm would never let the event loop turn.
      await new Promise(setImmediate);
    }
    if (this.ended) return null;
    try {
      const next = this.#binding.ctEventsNext(this.#native);
      this.#readyBefore = !(next instanceof Promise);
      const segment = await next;
      if (this.ended) return null; // it was closed in the meantime
      if (segment === null) this.close().catch(() => {});
      if (segment?.batch !== undefined) {
        segment.batch.table = this.#table;
        segment.batch.events = true;
      }
      return segment;
    } catch (thrown) {
      this.close().catch(() => {}); // the caller of close() is told
      throw nativeError(thrown);
    }
  }

  /** The consumer gets so many events. */
  yielded(events: number): void {
    this.#delivered += events;
  }

  /** It was an event's turn, and it cannot be decoded. */
  malformed(): void {
    this.#malformed++;
  }

  /**
   * Ends the stream, even while it is drained. The promise settles when the socket is closed and the counts are
   * final.
   */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  /**
   * Stops listening. The stream ends when everything that it has received is read. The promise settles when the
   * socket is closed and all of this waits in the queue, whether somebody reads it or not.
   */
  drain(): Promise<void> {
    if (this.#closing) return this.#closing;
    this.#draining ??= this.#stop(true);
    return this.#draining;
  }

  async #end(): Promise<void> {
    this.#over = true;
    this.#deafen();
    await this.#stop(false);
  }

  async #stop(drain: boolean): Promise<void> {
    this.#disown();
    try {
      await this.#binding.ctEventsClose(this.#native, drain);
    } catch (thrown) {
      throw nativeError(thrown); // it ends, but there was no memory to tell when
    }
  }

  hold(wanted: boolean): void {
    this.#binding.ctEventsHold(this.#native, wanted);
  }

  stats(): EventStats {
    return eventStats(this.#binding.ctEventsStats(this.#native), {
      asked: this.#asked,
      later: this.#later,
      hints: this.#hints,
      delivered: this.#delivered,
      malformed: this.#malformed,
      ended: this.#over,
    });
  }
}

const leaks = new FinalizationRegistry<EventSource>((source) => {
  if (source.ended) return;
  const forgotten = !source.closed;
  void source.close();
  if (!forgotten) return;
  process.emitWarning('an event stream was collected without being closed; call close() on it', {
    type: 'ConntrackWarning',
    code: 'CONNTRACK_EVENT_STREAM_LEAK',
  });
});

/** Warns when the object of the caller is collected while its source is still open. */
export function watchForLeak(stream: object, source: EventSource): void {
  leaks.register(stream, source);
}
