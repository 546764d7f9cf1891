// The native side of an event stream: opened, pulled, counted, closed. Holds no reference to the stream
// object that callers have, so that one which is dropped unclosed can be collected and told of.
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

/** What a stream of all namespaces will not hear; not finding out is no reason to have no stream. */
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
  /** Whether what is listened to includes the later news of a flow, which an older flow may never send. */
  readonly #later: boolean;
  /** What was found when the stream was opened. */
  readonly #hints: string[] = [];
  readonly #table: string;
  #closing: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  /** Nothing is given any more. */
  #over = false;
  #readAlready = false;
  /** Events taken from the native queue that the consumer has not been given. */
  #unyielded = 0;
  /** Of these, the ones that the end of the stream threw away. */
  #dropped = 0;
  #readyBefore = false;
  /** Forgets what would end a stream that still listens: the end of its session. */
  #disown = () => {};
  #deafen = () => {};

  /** Opens the stream; every later event is caught. Throws a NetlinkError. */
  constructor(session: Session, options: RawEventOptions, signal: AbortSignal | undefined) {
    this.#asked = options.receiveBuffer;
    this.#table = session.table('conntrack events');
    // A new expectation is told of by its flow: with an older one it is silent too.
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

  /** It does not listen any more; what it had received may wait to be read. */
  get closed(): boolean {
    return this.#over || this.#draining !== undefined;
  }

  /** Called by each iterator when it is made: a stream has one reader. */
  claim(): void {
    if (this.#readAlready && !this.ended) {
      throw new TypeError('conntrack events: the stream is being read already');
    }
    this.#readAlready = true;
  }

  /** The next run of events; null when there will be none. */
  async pull(): Promise<RawSegment | null> {
    if (this.#readyBefore) {
      // A consumer that keeps up with a storm would never let the event loop turn.
      await new Promise(setImmediate);
    }
    if (this.ended) return null;
    try {
      const next = this.#binding.ctEventsNext(this.#native);
      this.#readyBefore = !(next instanceof Promise);
      const segment = await next;
      if (segment !== null && this.ended) {
        this.#dropped += segment.events;
        return null;
      }
      if (segment === null) this.close().catch(() => {});
      else this.#unyielded += segment.events;
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

  /** The consumer has been given so many events. */
  yielded(events: number): void {
    this.#unyielded -= events;
  }

  /**
   * Ends the stream, also one that is being drained. The promise settles when the socket is closed and the
   * counts are final.
   */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  /**
   * Listens no more, and ends when what has been received is read. The promise settles when the socket is
   * closed and all of it waits in the queue: whether somebody reads it does not matter.
   */
  drain(): Promise<void> {
    if (this.#closing) return this.#closing;
    this.#draining ??= this.#stop(true);
    return this.#draining;
  }

  async #end(): Promise<void> {
    this.#over = true;
    this.#deafen();
    this.#dropped += this.#unyielded;
    this.#unyielded = 0;
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
      unyielded: this.#unyielded,
      dropped: this.#dropped,
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

/** Warns, once, when the caller's object is collected and its source is still open. */
export function watchForLeak(stream: object, source: EventSource): void {
  leaks.register(stream, source);
}
