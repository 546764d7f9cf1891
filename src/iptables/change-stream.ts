// iptables.changes(): the object that callers iterate. Begins at once, and ends with the loop, by close(), by an abort,
// and with its Iptables.
import { LinkedSignal } from '../linked-signal.js';
import type { TableChange } from './table/change.js';

/** @internal The changes of a backend, after one `undefined` when every later change will be seen. */
export type Follow = (
  ending: LinkedSignal,
) => AsyncGenerator<TableChange | undefined, void, undefined>;

const done: IteratorResult<never, undefined> = { done: true, value: undefined };

/**
 * The changes of tables, from the moment when `ready` resolves. It has one reader. It ends when that leaves its loop, by
 * `close()`, by an abort, and with its `Iptables`. It keeps the process alive only while somebody waits for the next
 * change. If it is dropped, the garbage collector ends it.
 */
export class ChangeStream
  implements AsyncIterableIterator<TableChange, undefined>, AsyncDisposable
{
  /**
   * Resolves when every later change will be seen. Rejects as the iteration does, and with the reason if it ended
   * before.
   */
  readonly ready: Promise<void>;
  readonly #changes: AsyncGenerator<TableChange | undefined, void, undefined>;
  readonly #first: Promise<IteratorResult<TableChange | undefined, void>>;
  readonly #abort: AbortController;
  #waited = false;

  /** @internal */
  constructor(follow: Follow, signals: (AbortSignal | undefined)[]) {
    this.#abort = new AbortController();
    const ending = new LinkedSignal(this.#abort.signal, ...signals);
    this.#changes = followed(follow, ending);
    this.#first = this.#changes.next();
    this.ready = settled(this.#first, ending.signal);
    // The reader is told too.
    this.ready.catch(() => {});
  }

  /**
   * The next change.
   * @throws {XtablesError} EPERM without CAP_NET_ADMIN, ENOENT if the kernel has no such table
   */
  async next(): Promise<IteratorResult<TableChange, undefined>> {
    if (!this.#waited) {
      this.#waited = true;
      await this.#first;
    }
    const { value } = await this.#changes.next();
    return value === undefined ? done : { done: false, value };
  }

  /** Leaving the loop ends it. */
  async return(): Promise<IteratorResult<TableChange, undefined>> {
    await this.close();
    return done;
  }

  /** Itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends it. The promise settles when its socket is closed. */
  async close(): Promise<void> {
    this.#waited = true;
    this.#abort.abort();
    await this.#changes.return();
  }

  /** Ends it, for `await using`, as `close()` does. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function* followed(follow: Follow, ending: LinkedSignal): ReturnType<Follow> {
  using _ = ending;
  if (!ending.signal.aborted) yield* follow(ending);
}

async function settled(
  first: Promise<IteratorResult<unknown, void>>,
  signal: AbortSignal,
): Promise<void> {
  const { done } = await first;
  if (done === true) throw signal.reason;
}
