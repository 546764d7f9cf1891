// The xtables lock, as iptables takes it, for one edit. Edits of this process wait in a queue first. So only one of
// them at a time waits for the file, in the order of the calls.
import { fromNative } from '../../errors.js';
import { call } from '../../native/load.js';
import type { Session } from '../../native/session.js';
import type { LockOptions } from '../edit/backend.js';

const operation = 'iptables lock';
const etimedout = 110;
const usualPath = '/run/xtables.lock';

/** The file that iptables locks. It depends on the mount namespace, not on the network namespace. */
export function lockPath(): string {
  return process.env.XTABLES_LOCKFILE || usualPath;
}

/** By path, the promise that the next edit must wait for. */
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
 * Runs `work` while this process holds the lock. Rejects with an XtablesLockError if the lock is not free in time,
 * and with the signal's reason if the signal aborts first.
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
    // The time in the queue counts too. Without a limit the timeout is negative.
    const left = Math.max(0, options.timeout - (performance.now() - started));
    const lock = await session.run(operation, options.signal, (binding, _, cell) =>
      binding.xtLock(cell, path, options.timeout === Infinity ? -1 : Math.ceil(left)),
    );
    try {
      return await work();
    } finally {
      // Not through the session: the lock must be released even if the session was closed meanwhile.
      call((binding) => binding.xtUnlock(lock));
    }
  } finally {
    finish();
    if (queues.get(path) === tail) queues.delete(path);
  }
}
