// What every event stream object has: counts, ref and unref, and its end.
import { type EventSource, type EventStats, watchForLeak } from './event-source.js';

export abstract class StreamHandle implements Disposable, AsyncDisposable {
  /** @internal */
  protected readonly source: EventSource;

  /** @internal */
  constructor(source: EventSource) {
    this.source = source;
    watchForLeak(this, source);
  }

  /** Counts so far; final when `close()` has settled. */
  get stats(): EventStats {
    return this.source.stats();
  }

  /** Whether the stream has ended. */
  get closed(): boolean {
    return this.source.ended;
  }

  /** The stream keeps the process alive (as it does to begin with). */
  ref(): this {
    this.source.hold(true);
    return this;
  }

  /** The process may end although the stream is open. */
  unref(): this {
    this.source.hold(false);
    return this;
  }

  /** Ends the stream and its iterators; settles when the socket is closed. May be called again. */
  close(): Promise<void> {
    return this.source.close();
  }
  [Symbol.dispose](): void {
    void this.source.close();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.source.close();
  }
}
