// One edit from beginning to end: lock, read, the caller's function, commit; again when a writer that
// takes no lock came in between. Knows what to do in which order, not what an edit is.
import type { Family } from '../constants.js';
import { tableChanged } from '../errors.js';
import type { Session } from '../native/session.js';
import { commitEdit, readSnapshot } from './commit.js';
import { beginEdit, type TableEdit } from './edit.js';
import type { EditState } from './edit-state.js';
import { type LockOptions, withLock } from './lock.js';
import type { Snapshot } from './snapshot.js';

export interface EditRun {
  session: Session;
  family: Family;
  table: string;
  lock: LockOptions;
}

export interface EditDone<T> {
  value: T;
  /** What the edit was made on. */
  before: Snapshot;
  /** False: there was nothing to do. */
  committed: boolean;
  /** The rules are in place, but the kernel did not take their counters: these begin at zero. */
  countersLost: boolean;
}

/** Another writer can come in between only if it takes no lock; more often than this it is at war. */
export const attempts = 3;

/** Changes a table that was just read; may be called several times. */
export type Change<T> = (table: TableEdit, state: EditState) => T;

/**
 * Makes a change and commits it while this process holds the lock. `after` runs before the lock is
 * given back.
 */
export async function runEdit<T, R = undefined>(
  run: EditRun,
  change: Change<T>,
  after?: (done: EditDone<T>) => Promise<R>,
): Promise<EditDone<T> & { after: R | undefined }> {
  return withLock(run.session, run.lock, async () => {
    const done = await editLocked(run, change);
    return { ...done, after: await after?.(done) };
  });
}

/** The same while the lock is held already. */
export async function editLocked<T>(run: EditRun, change: Change<T>): Promise<EditDone<T>> {
  const { session, family, table, lock } = run;
  const { signal } = lock;
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const before = await readSnapshot(session, family, table, signal);
    const { state, edit } = beginEdit(before);
    let value: T;
    try {
      value = change(edit, state);
    } finally {
      edit.close();
    }
    signal?.throwIfAborted();
    const result = await commitEdit(session, state);
    if (result?.outcome === 2) continue;
    return {
      value,
      before,
      committed: result !== undefined && result.outcome !== 1,
      countersLost: result?.outcome === 3,
    };
  }
  const tool = family === 'ipv6' ? 'ip6tables' : 'iptables';
  throw tableChanged(`${tool} edit ${table}`, attempts);
}
