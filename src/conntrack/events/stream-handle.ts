// What all event streams have: counts, ref and unref, and their end.
import { booleanAt, optionsAt } from '../../checks.js';
import { type EventSource, watchForLeak } from './event-source.js';
import type { EventStats } from './event-stats.js';

/** How a stream is to end. */
export interface StreamCloseOptions {
  /**
   * Stop listening, and let the consumer read what has been received, also what is in the kernel's buffer. The
   * iterators end after the last of it. `queue.maxEvents` does not matter any more. Default false: what was not
   * read is dropped, and counted as `discarded`.
   */
  drain?: boolean | undefined;
}

/** What streams of flows and of expectations have in common. */
export abstract class StreamHandle implements Disposable, AsyncDisposable {
  /** @internal */
  protected readonly source: EventSource;

  /** @internal */
  protected constructor(source: EventSource) {
    this.source = source;
    watchForLeak(this, source);
  }

  /** Counts so far. They are final when `close()` has settled. */
  get stats(): EventStats {
    return this.source.stats();
  }

  /** Whether the stream has stopped listening. One that is being drained may still have events to read. */
  get closed(): boolean {
    return this.source.closed;
  }

  /** The stream keeps the process alive, as it does from the beginning. */
  ref(): this {
    this.source.hold(true);
    return this;
  }

  /** The process may end although the stream is open. */
  unref(): this {
    this.source.hold(false);
    return this;
  }

  /**
   * Ends the stream and its iterators. Settles when the socket is closed. With `drain` the iterators end when they
   * have given everything that was received: so a service stops without losing what it already had. The promise
   * does not wait for that, so the loop that reads may await it. May be called again: `close()` ends a stream that
   * is being drained.
   *
   * @throws {TypeError} for an option that is none.
   */
  async close(options: StreamCloseOptions = {}): Promise<void> {
    const { drain = false } = optionsAt(options, 'options', new Set(['drain']));
    await (booleanAt(drain, 'options.drain') ? this.source.drain() : this.source.close());
  }
  /** Ends the stream, for `using`; does not wait for the socket. */
  [Symbol.dispose](): void {
    void this.source.close();
  }
  /** Ends the stream, for `await using`, as `close()` does. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.source.close();
  }
}
