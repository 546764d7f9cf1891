// The xtables lock, as iptables takes it, for one edit. Edits of this process queue up here first, so
// that only one of them asks the kernel, in the order in which they came.
import { fromNative } from '../../errors.js';
import { call } from '../../native/load.js';
import type { Session } from '../../native/session.js';
import type { LockOptions } from '../edit/backend.js';

const operation = 'iptables lock';
const etimedout = 110;
const usualPath = '/run/xtables.lock';

/** The file that iptables locks: a matter of the mount namespace, not of the network namespace. */
export function lockPath(): string {
  return process.env.XTABLES_LOCKFILE || usualPath;
}

/** By path, what the next edit has to wait for. */
const queues = new Map<string, Promise<void>>();

/** Waits for `before` no longer than the options allow. */
async function turn(before: Promise<void>, path: string, options: LockOptions): Promise<void> {
  const { timeout, signal } = options;
  let timer: NodeJS.Timeout | undefined;
  let abort: (() => void) | undefined;
  const given = new Promise<never>((_, reject) => {
    if (timeout !== Infinity) {
      const detail = `${path} is held by another edit of this process`;
      const late = () => reject(fromNative({ kind: 'lock', errno: etimedout, operation, detail }));
      timer = setTimeout(late, timeout);
    }
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
 * Runs `work` while this process holds the lock. Rejects with an XtablesLockError when it is not to be
 * had in time, and with the signal's reason when that aborts first.
 */
export async function withLock<T>(
  session: Session,
  options: LockOptions,
  work: () => Promise<T>,
): Promise<T> {
  options.signal?.throwIfAborted();
  const path = lockPath();
  const started = performance.now();
  const before = queues.get(path);
  let finish!: () => void;
  const mine = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const tail = (before ?? Promise.resolve()).then(() => mine);
  queues.set(path, tail);
  try {
    if (before !== undefined) await turn(before, path, options);
    // What the queue took is gone from the time for the file; without a limit it stays negative.
    const left = Math.max(0, options.timeout - (performance.now() - started));
    const lock = await session.run(operation, options.signal, (binding, _, cell) =>
      binding.xtLock(cell, path, options.timeout === Infinity ? -1 : Math.ceil(left)),
    );
    try {
      return await work();
    } finally {
      // Not through the session: the lock has to go even when that was closed meanwhile.
      call((binding) => binding.xtUnlock(lock));
    }
  } finally {
    finish();
    if (queues.get(path) === tail) queues.delete(path);
  }
}
