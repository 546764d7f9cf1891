// The native side of following commits: opened, pulled, closed. A source that is dropped unclosed can be collected, and
// its thread ends then: so no function here that the session keeps may refer to the stream.
import type { LinkedSignal } from '../../linked-signal.js';
import type { Binding, CancelCell } from '../../native/binding.js';
import type { Session } from '../../native/session.js';
import type { NftChangeStream, RawNftCommit } from '../../native/xtables-binding.js';
import { breathe } from '../text/pauses.js';

type Next = ReturnType<Binding['nftChangesNext']>;

/** A call that has not been answered. */
interface Pull {
  pending: Next | undefined;
}

export class CommitSource {
  readonly #session: Session;
  readonly #operation: string;
  readonly #ending: LinkedSignal;
  readonly #pull: Pull = { pending: undefined };
  #open: { binding: Binding; cell: CancelCell; stream: NftChangeStream } | undefined;
  #forget = () => {};

  /** It ends when the signal aborts. */
  constructor(session: Session, operation: string, ending: LinkedSignal) {
    this.#session = session;
    this.#operation = operation;
    this.#ending = ending;
  }

  /** Every later commit is caught. */
  open(family: number, tables: readonly string[], receiveBuffer: number): void {
    const { signal } = this.#ending;
    signal.throwIfAborted();
    const { binding, handle, cell } = this.#session.begin(this.#operation);
    const stream = binding.nftChangesOpen(handle, cell, family, tables, receiveBuffer);
    const stopListening = listen(this.#ending, binding, cell);
    const disown = this.#session.ownWeakly(stream, ender(binding, cell, this.#pull), stopListening);
    this.#open = { binding, cell, stream };
    this.#forget = () => {
      stopListening();
      disown();
    };
  }

  /** The next commit; null at the end. */
  async next(): Promise<RawNftCommit | null> {
    // Without this, a consumer that keeps up with a storm would never let the event loop turn.
    await breathe();
    const { binding, stream } = this.#open!;
    if (this.#ending.signal.aborted) return null;
    this.#pull.pending = binding.nftChangesNext(stream);
    const next = await this.#pull.pending;
    this.#pull.pending = undefined;
    return next;
  }

  /** Settles when the socket is closed. */
  async close(): Promise<void> {
    this.#forget();
    if (this.#open === undefined) return;
    const { binding, cell, stream } = this.#open;
    await ender(binding, cell, this.#pull)(stream);
  }
}

/** Ends the thread when the signal aborts. Returns what ends the listening, also to what the signal is linked to. */
function listen(ending: LinkedSignal, binding: Binding, cell: CancelCell): () => void {
  const { signal } = ending;
  const abort = () => binding.cancel(cell);
  signal.addEventListener('abort', abort, { once: true });
  return () => {
    signal.removeEventListener('abort', abort);
    ending[Symbol.dispose]();
  };
}

/** Makes what ends the thread, and settles when its descriptors are closed. */
function ender(binding: Binding, cell: CancelCell, pull: Pull) {
  return async (stream: NftChangeStream): Promise<void> => {
    binding.cancel(cell);
    try {
      for (;;) {
        pull.pending ??= binding.nftChangesNext(stream);
        const next = await pull.pending;
        pull.pending = undefined;
        if (next === null) return;
      }
    } catch {
      // It has ended, or there is no memory to wait for that.
    }
  };
}
