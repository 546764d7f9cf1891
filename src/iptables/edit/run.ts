// One edit of one or several tables from beginning to end: read, the caller's function, commit. Starts again if another
// writer changed a table in between. Knows the order of these steps, but not what an edit does, and not how a backend
// keeps others away.
import { tableChanged } from '../../errors.js';
import type { TableName, TableReading, Wanted } from '../table/reading.js';
import { operationOn } from '../text/family.js';
import type { LockOptions, TableBackend } from './backend.js';
import { isAboutPlace } from './blame.js';
import { Needs } from './need.js';
import type { EditState } from './state.js';
import { beginEdit, type TableEdit } from './table-edit.js';
import { undoEdit } from './undo.js';

/** A table, and the backend that has it. */
export interface Place {
  readonly backend: TableBackend;
  readonly table: TableName;
}

/** A table during an edit. */
export interface Begun extends Place {
  readonly state: EditState;
  readonly edit: TableEdit;
}

export interface EditRun {
  /** Each once. */
  readonly places: readonly Place[];
  readonly signal: AbortSignal | undefined;
  /** It will perhaps be taken back. */
  readonly isUndoable?: boolean;
  /** The rules that the change is known to need; without it, all. Then the change may be called more often. */
  readonly wanted?: (table: TableName) => Wanted;
}

/** A table that an edit changed. */
export interface Changed extends Place {
  /** As it was read. */
  readonly before: TableReading;
  /** By the name of each renamed chain: its name before. */
  readonly renamed: ReadonlyMap<string, string>;
  /** The rules are in place, but the kernel did not take their counters. */
  readonly countersLost: boolean;
}

export interface EditDone<T> {
  readonly value: T;
  /** Those of the tables that were changed, in the order of the commits. */
  readonly changed: readonly Changed[];
}

/** Changes tables that were just read; may be called several times. */
export type Change<T> = (tables: readonly Begun[]) => T;

/** How the operations of an edit begin in errors. */
export function nameEdit(places: readonly Place[]): string {
  const names = places.map(({ backend, table }) => ({ family: backend.family, name: table }));
  return operationOn('edit', names);
}

/** Whether one commit, or none, changes all of these tables. */
export function isOneStep(places: readonly Place[]): boolean {
  return places.length <= 1 || places.every(({ backend }) => backend.joins);
}

/** Makes a change and commits it. `after` runs before other writers may go on. */
export async function runEdit<T, R = undefined>(
  run: EditRun & { readonly lock: LockOptions },
  change: Change<T>,
  after?: (done: EditDone<T>) => Promise<R>,
): Promise<EditDone<T> & { after: R | undefined }> {
  return withLocks(run.places, run.lock, async () => {
    const done = await editLocked(run, change);
    return { ...done, after: await after?.(done) };
  });
}

/** Does the work while all writers of these tables that take a lock wait. */
export function withLocks<T>(
  places: readonly Place[],
  { timeout, signal }: LockOptions,
  work: () => Promise<T>,
): Promise<T> {
  // In one order everywhere, so that no two edits wait for each other.
  const kinds = new Map(places.map(({ backend }) => [backend.kind, backend]));
  const holders = [...kinds.keys()].sort().map((kind) => kinds.get(kind)!);
  const started = performance.now();
  const take = (index: number): Promise<T> => {
    const holder = holders[index];
    if (holder === undefined) return work();
    const left = Math.max(0, timeout - (performance.now() - started));
    return holder.locked({ timeout: left, signal }, () => take(index + 1));
  };
  return take(0);
}

/** Reads the tables: all rules, if nobody says which are needed. */
export async function beginEdits(
  places: readonly Place[],
  signal: AbortSignal | undefined,
  needs?: Needs,
): Promise<Begun[]> {
  const begun: Begun[] = [];
  for (const [index, place] of places.entries()) {
    const reading = await place.backend.read(place.table, signal, needs?.of(index));
    begun.push({ ...place, ...beginEdit(reading) });
  }
  return begun;
}

const statesOf = (tables: readonly Begun[]) => tables.map(({ state }) => state);

/** The same, for a caller that has the locks already. */
export async function editLocked<T>(run: EditRun, change: Change<T>): Promise<EditDone<T>> {
  const { places } = run;
  // What takes several steps may have to be taken back, and that needs the whole tables.
  const known = isOneStep(places) ? run.wanted : undefined;
  const needs = new Needs(places.map(({ table }) => known?.(table) ?? 'all'));
  let stale: TableBackend | undefined;
  const most = () => stale?.attempts ?? 1;
  for (let attempt = 0; attempt < most(); attempt++) {
    const done = await tryEdit(run, needs, change);
    if (!('stale' in done)) return done;
    stale = done.stale;
  }
  throw tableChanged(nameEdit(places), most(), stale!.whenChanged);
}

/** One attempt, with as much of the tables as it turns out to need. */
async function tryEdit<T>(
  { places, signal, isUndoable = false }: EditRun,
  needs: Needs,
  change: Change<T>,
): Promise<EditDone<T> | Stale> {
  for (;;) {
    const tables = await beginEdits(places, signal, needs);
    const states = statesOf(tables);
    let value: T;
    try {
      value = change(tables);
    } catch (error) {
      if (needs.grow(states)) continue;
      throw error;
    } finally {
      for (const { edit } of tables) edit.close();
    }
    // Also if the function has caught what told it that rules are missing.
    if (needs.grow(states)) continue;
    signal?.throwIfAborted();
    try {
      for (const state of states) state.check();
      const changed = tables.filter(({ state }) => state.isChanged);
      const done = await commitAll(changed, isUndoable);
      return 'stale' in done ? done : { value, changed: done.changed };
    } catch (error) {
      // A refusal names the place of a rule. Only the whole table tells it. After any other error nobody may know whether
      // the commit was done, so it is not tried again.
      if (!isAboutPlace(error) || !needs.growToAll(states)) throw error;
    }
  }
}

/** Nothing was changed: others have changed a table of this backend since it was read. */
interface Stale {
  readonly stale: TableBackend;
}

type Step = [Begun, ...Begun[]];

/** Which tables are committed together. */
function stepsOf(tables: readonly Begun[]): Step[] {
  const steps: Step[] = [];
  for (const table of tables) {
    const step = table.backend.joins
      ? steps.find(([first]) => first.backend.kind === table.backend.kind)
      : undefined;
    if (step === undefined) steps.push([table]);
    else step.push(table);
  }
  return steps;
}

/** A change in the kernel that may have to be taken back. */
interface Undoable {
  readonly table: Begun;
  /** Absent if it could not be read. */
  readonly after: TableReading | undefined;
}

/** Commits all tables, or none of them as far as this can be had. */
async function commitAll(
  tables: readonly Begun[],
  isUndoable: boolean,
): Promise<{ readonly changed: readonly Changed[] } | Stale> {
  const steps = stepsOf(tables);
  // What can be known is known before the first step.
  if (steps.length > 1) for (const { backend, state } of tables) await backend.check(state);
  if (steps.length > 1 || isUndoable) {
    for (const { backend, state } of tables) await backend.checkUndoable(state);
  }
  const undoable: Undoable[] = [];
  const changed: Changed[] = [];
  for (const step of steps) {
    const [first, ...others] = step;
    const { backend } = first;
    const committed = await undoing(undoable, () =>
      backend.commit([first.state, ...others.map(({ state }) => state)]),
    );
    const { outcome, countersLost } = committed;
    if (outcome === 'stale') {
      await undoing(undoable, () => takeBack(undoable));
      return { stale: backend };
    }
    if (outcome === 'unchanged') continue;
    for (const { backend, table, state } of step) {
      changed.push({ backend, table, before: state.base, renamed: state.renamed, countersLost });
    }
    if (step === steps.at(-1)) break;
    for (const table of step) {
      const after = await table.backend.read(table.table).catch(() => undefined);
      undoable.push({ table, after });
    }
  }
  return { changed };
}

/** Takes committed changes back, the last one first. */
async function takeBack(undoable: Undoable[]): Promise<void> {
  for (let last = undoable.at(-1); last !== undefined; last = undoable.at(-1)) {
    const { table, after } = last;
    await editLocked({ places: [table], signal: undefined }, ([now]) =>
      undoEdit(now!.state, { before: table.state.base, after, renamed: table.state.renamed }),
    );
    undoable.pop();
  }
}

/** If the work fails, takes committed changes back, and adds what came of it to the error's message. */
async function undoing<T>(undoable: Undoable[], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (undoable.length > 0 && error instanceof Error) {
      const names = undoable.map(({ table }) => table.table).join(', ');
      try {
        await takeBack(undoable);
        error.message += ` (${names}: committed before, and taken back)`;
      } catch (failed) {
        const left = undoable.map(({ table }) => table.table).join(', ');
        error.message += ` (${left}: committed before, and could not be taken back: ${String(failed)})`;
      }
    }
    throw error;
  }
}
