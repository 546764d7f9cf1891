// Work that must wait for its turn: one after the other, in the order of the calls, for each key.
import type { LockOptions } from './backend.js';

/** By key, the promise that the next work must wait for. */
const queues = new Map<string, Promise<void>>();

/** Waits for `before` no longer than the options allow. */
async function wait(
  before: Promise<void>,
  { timeout, signal }: LockOptions,
  late: () => Error,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let abort: (() => void) | undefined;
  const given = new Promise<never>((_, reject) => {
    if (timeout !== Infinity) timer = setTimeout(() => reject(late()), timeout);
    abort = () => reject(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
  });
  try {
    await Promise.race([before, given]);
  } finally {
    clearTimeout(timer);
    if (abort !== undefined) signal?.removeEventListener('abort', abort);
  }
}

/**
 * Runs `work` when all work that was given before it for this key has ended. `work` gets the time that is left,
 * Infinity without a limit. Rejects with what `late` returns if its turn does not come in time, and with the signal's
 * reason if the signal aborts first.
 */
export async function inTurn<T>(
  key: string,
  options: LockOptions,
  late: () => Error,
  work: (left: number) => Promise<T>,
): Promise<T> {
  options.signal?.throwIfAborted();
  const started = performance.now();
  const before = queues.get(key);
  let finish!: () => void;
  const mine = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const tail = (before ?? Promise.resolve()).then(() => mine);
  queues.set(key, tail);
  try {
    if (before !== undefined) await wait(before, options, late);
    return await work(Math.max(0, options.timeout - (performance.now() - started)));
  } finally {
    finish();
    if (queues.get(key) === tail) queues.delete(key);
  }
}
