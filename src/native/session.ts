// The life of a Conntrack's native handle: opened on first use, cancelled and closed in order. Every
// operation of the package on the table goes through `run` or `sync`.
import { closedError, type NativeFailure } from '../errors.js';
import type { Binding, CancelCell, Handle } from './binding.js';
import { addon, call, nativeError } from './load.js';

export interface SessionOptions {
  /** File that names the network namespace; null: that of this process. */
  netns: string | null;
  receiveBuffer: number | null;
  /** What does the work in place of the addon; then the addon is not loaded. */
  binding?: Binding;
}

/** Forgets what the garbage collector took before it was closed. */
const collected = new FinalizationRegistry<() => void>((forget) => forget());

export class Session {
  readonly #options: SessionOptions;
  #handle: Handle | undefined;
  #closed = false;
  #closing: Promise<void> | undefined;
  readonly #active = new Map<CancelCell, Promise<unknown>>();
  #table: string | undefined;
  readonly #owned = new Set<() => Promise<unknown>>();

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  get #binding(): Binding {
    return this.#options.binding ?? addon();
  }

  /** Whether it works with the addon, whose functions read the memory of batches. */
  get isNative(): boolean {
    return this.#options.binding === undefined;
  }

  /** The native handle; a ClosedError after close(). */
  handle(operation: string): Handle {
    this.checkOpen(operation);
    this.#handle ??= call(
      (binding) => binding.ctOpen(this.#options.netns, this.#options.receiveBuffer),
      this.#options.binding,
    );
    return this.#handle;
  }

  /** @throws {ClosedError} after close() */
  checkOpen(operation: string): void {
    if (this.#closed) throw closedError(operation);
  }

  /** The table that the handle is for: the same text for every handle of the namespace. */
  table(operation: string): string {
    const handle = this.handle(operation);
    this.#table ??= call((binding) => binding.ctTable(handle), this.#options.binding);
    return this.#table;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** One synchronous native call. */
  sync<T>(operation: string, run: (binding: Binding, handle: Handle) => T): T {
    const handle = this.handle(operation);
    return call((binding) => run(binding, handle), this.#options.binding);
  }

  /** A cancel cell that close() raises; `done` must be called with it. */
  begin(operation: string): { binding: Binding; handle: Handle; cell: CancelCell } {
    const handle = this.handle(operation);
    const binding = this.#binding;
    return { binding, handle, cell: call(() => binding.cancelCell(), binding) };
  }

  /**
   * Runs one asynchronous native operation. It ends early when `signal` aborts (with the signal's reason)
   * or when the handle is closed (with a ClosedError).
   */
  async run<T>(
    operation: string,
    signal: AbortSignal | undefined,
    start: (binding: Binding, handle: Handle, cell: CancelCell) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    const { binding, handle, cell } = this.begin(operation);
    const abort = () => binding.cancel(cell);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const pending = start(binding, handle, cell);
      this.track(cell, pending);
      return await pending;
    } catch (thrown) {
      throw this.ended(thrown, operation, signal);
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#active.delete(cell);
    }
  }

  /** Keeps an operation known to close() until it settles. */
  track(cell: CancelCell, pending: Promise<unknown>): void {
    this.#active.set(cell, pending);
    const forget = () => this.#active.delete(cell);
    pending.then(forget, forget);
  }

  /** Something that lives until it is closed: close() does that. Returns what forgets it. */
  own(close: () => Promise<unknown>): () => void {
    this.#owned.add(close);
    return () => this.#owned.delete(close);
  }

  /**
   * The same for what a caller may drop unclosed: the session does not keep it alive. `close` and
   * `forgotten` (called when the garbage collector has taken it) must not hold it either.
   */
  ownWeakly<T extends object>(
    target: T,
    close: (target: T) => Promise<unknown>,
    forgotten: () => void,
  ): () => void {
    const reference = new WeakRef(target);
    const forget = this.own(async () => {
      const alive = reference.deref();
      if (alive !== undefined) await close(alive);
    });
    const token = {};
    collected.register(
      target,
      () => {
        forget();
        forgotten();
      },
      token,
    );
    return () => {
      collected.unregister(token);
      forget();
    };
  }

  /** The error that the caller sees for what native code threw. */
  ended(thrown: unknown, operation: string, signal: AbortSignal | undefined): unknown {
    const kind = (thrown as Partial<NativeFailure> | null)?.kind;
    if (kind === 'cancelled') {
      if (signal?.aborted) return signal.reason;
      return closedError(operation);
    }
    return nativeError(thrown);
  }

  /** Cancels what is under way, waits for it, gives the descriptors back. It is not opened again. */
  close(): Promise<void> {
    this.#closed = true;
    this.#closing ??= this.#handle === undefined ? Promise.resolve() : this.#end(this.#handle);
    this.#handle = undefined;
    return this.#closing;
  }

  async #end(handle: Handle): Promise<void> {
    const ends = [...this.#owned].map((end) => end());
    for (const [cell, promise] of this.#active) {
      this.#binding.cancel(cell);
      ends.push(promise);
    }
    await Promise.allSettled(ends);
    this.#binding.ctClose(handle);
  }

  /** close() without waiting: what is under way ends with a ClosedError. */
  dispose(): void {
    void this.close();
  }
}
