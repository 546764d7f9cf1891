// edit() of one or several tables, for a caller outside: what came of it, how it is taken back, and the warning about lost
// counters. run.ts has the steps.
import { operationOn } from '../text/family.js';
import type { LockOptions } from './backend.js';
import {
  type Begun,
  type Changed,
  type EditDone,
  isOneStep,
  nameEdit,
  type Place,
  runEdit,
} from './run.js';
import type { TableEdit } from './table-edit.js';
import { undoEdit } from './undo.js';

export interface Edited<T> {
  readonly value: T;
  /** Whether there was one commit, or none. */
  readonly atomic: boolean;
  /** The tables that changed, in the order of their commits. */
  readonly changed: readonly Changed[];
  /** How the operation begins in errors. */
  readonly operation: string;
  /** Takes the edit back. Returns whether others have changed a table since. */
  readonly revert: () => Promise<boolean>;
}

/** Tells the user of the process that counters were lost, if they were. */
export function warnCountersLost(changed: readonly Changed[]): void {
  const lost = changed.filter(({ countersLost }) => countersLost);
  if (lost.length === 0) return;
  const names = lost.map(({ backend, table }) => ({ family: backend.family, name: table }));
  process.emitWarning(
    `${operationOn('edit', names)}: the new rules are in place, but another writer, which did not take the xtables lock, changed the table before the old counters could be restored: all counters of the table begin at zero`,
    { code: 'NETFILTER_COUNTERS_LOST' },
  );
}

/** `isUndoable`: `revert` will be called. */
export async function editTables<T>(
  places: readonly Place[],
  lock: LockOptions,
  edit: (...tables: TableEdit[]) => T,
  isUndoable: boolean,
): Promise<Edited<T>> {
  const { signal } = lock;
  // To take an edit back needs all rules of its tables.
  const run = isUndoable
    ? { places, signal, lock, isUndoable }
    : { places, signal, lock, wanted: () => new Set<string>() };
  // Reads the tables before other writers may go on, so they are still what this edit made. The edit is in place
  // already: if this reading fails, the edit has not failed.
  const readAgain = ({ changed }: EditDone<T>) =>
    Promise.all(changed.map(({ backend, table }) => backend.read(table).catch(() => undefined)));
  const change = (tables: readonly Begun[]) => edit(...tables.map((table) => table.edit));
  const done = await runEdit(run, change, isUndoable ? readAgain : undefined);
  const { value, changed, after } = done;
  warnCountersLost(changed);
  const revert = async () => {
    if (changed.length === 0) return false;
    const undo = { places: changed, signal: undefined, lock: { ...lock, signal: undefined } };
    const undone = await runEdit(undo, (tables) =>
      tables
        .map(({ state }, index) => undoEdit(state, { ...changed[index]!, after: after?.[index] }))
        .includes(true),
    );
    return undone.value;
  };
  return { value, atomic: isOneStep(changed), changed, operation: nameEdit(places), revert };
}
