// One edit from beginning to end: read, the caller's function, commit. Starts again if another writer changed the
// table in between. Knows the order of these steps, but not what an edit does, and not how a backend keeps others
// away.
import { tableChanged } from '../../errors.js';
import type { TableName, TableReading } from '../table/reading.js';
import type { LockOptions, TableBackend } from './backend.js';
import type { EditState } from './state.js';
import { beginEdit, type TableEdit } from './table-edit.js';

export interface EditRun {
  readonly backend: TableBackend;
  readonly table: TableName;
  readonly signal: AbortSignal | undefined;
}

export interface EditDone<T> {
  readonly value: T;
  /** The table that the edit changed, as it was read. */
  readonly before: TableReading;
  /** False: there was nothing to do. */
  readonly committed: boolean;
  readonly countersLost: boolean;
}

/** Changes a table that was just read; may be called several times. */
export type Change<T> = (table: TableEdit, state: EditState) => T;

/** Makes a change and commits it. `after` runs before other writers may go on. */
export async function runEdit<T, R = undefined>(
  run: EditRun & { readonly lock: LockOptions },
  change: Change<T>,
  after?: (done: EditDone<T>) => Promise<R>,
): Promise<EditDone<T> & { after: R | undefined }> {
  return run.backend.locked(run.lock, async () => {
    const done = await editLocked(run, change);
    return { ...done, after: await after?.(done) };
  });
}

/** The same, for a caller that has the lock already. */
export async function editLocked<T>(run: EditRun, change: Change<T>): Promise<EditDone<T>> {
  const { backend, table, signal } = run;
  for (let attempt = 1; attempt <= backend.attempts; attempt++) {
    const before = await backend.read(table, signal);
    const { state, edit } = beginEdit(before);
    let value: T;
    try {
      value = change(edit, state);
    } finally {
      edit.close();
    }
    signal?.throwIfAborted();
    state.check();
    if (!state.isChanged) return { value, before, committed: false, countersLost: false };
    const { outcome, countersLost } = await backend.commit(state);
    if (outcome !== 'stale') return { value, before, committed: outcome === 'done', countersLost };
  }
  throw tableChanged(`${backend.tool} edit ${table}`, backend.attempts, backend.whenChanged);
}
