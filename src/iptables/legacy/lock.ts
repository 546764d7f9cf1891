// The xtables lock, as iptables takes it, for one edit. Edits of this process wait in a queue first. So only one of
// them at a time waits for the file, in the order of the calls.
import { fromNative } from '../../errors.js';
import { call } from '../../native/load.js';
import type { Session } from '../../native/session.js';
import type { LockOptions } from '../edit/backend.js';
import { inTurn } from '../edit/turn.js';

const operation = 'iptables lock';
const etimedout = 110;
const usualPath = '/run/xtables.lock';

/** The file that iptables locks. It depends on the mount namespace, not on the network namespace. */
export function lockPath(): string {
  return process.env.XTABLES_LOCKFILE || usualPath;
}

/**
 * Runs `work` while this process holds the lock. Rejects with an XtablesLockError if the lock is not free in time,
 * and with the signal's reason if the signal aborts first.
 */
export function withLock<T>(
  session: Session,
  options: LockOptions,
  work: () => Promise<T>,
): Promise<T> {
  const path = lockPath();
  const late = () => {
    const detail = `${path} is held by another edit of this process`;
    return fromNative({ kind: 'lock', errno: etimedout, operation, detail });
  };
  return inTurn(path, options, late, async (left) => {
    const lock = await session.run(operation, options.signal, (binding, _, cell) =>
      binding.xtLock(cell, path, left === Infinity ? -1 : Math.ceil(left)),
    );
    try {
      return await work();
    } finally {
      // Not through the session: the lock must be released even if the session was closed meanwhile.
      call((binding) => binding.xtUnlock(lock));
    }
  });
}
