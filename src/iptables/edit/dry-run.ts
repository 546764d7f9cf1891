// A dry run of an edit: the tables are read, the function of the caller is called, and the backend is asked about the
// result. Nothing is committed, and no lock is taken.
import { tableChanged } from '../../errors.js';
import type { Difference } from '../table/change.js';
import type { TableName } from '../table/reading.js';
import { Table } from '../table/table.js';
import type { Family } from '../text/addresses.js';
import type { TableBackend } from './backend.js';
import { draftDifferences } from './draft-differences.js';
import { DraftReading } from './draft-reading.js';
import { DraftText } from './draft-text.js';
import { type Begun, beginEdits, isOneStep, nameEdit, type Place } from './run.js';
import type { EditState } from './state.js';
import type { TableEdit } from './table-edit.js';

/** What an edit would do to one table. */
export interface TablePreview {
  /** The family whose packets pass the table. */
  readonly family: Family;
  /** The name of the table. */
  readonly table: TableName;
  /** The table as it is. */
  readonly before: Table;
  /**
   * The table as it would be read after the edit, with the counters of now. It has a `fingerprint` of its own kind: equal
   * to no reading, but to that of a dry run with the same result.
   */
  readonly after: Table;
  /**
   * What differs in the text of iptables-save, for people: a unified diff of `formatSave(before)` and
   * `formatSave(after)`. Empty if nothing differs. Counters of rules are not in it. A rule that iptables has no text for
   * is in it as `String(rule)`.
   */
  readonly diff: string;
  /** The same as data, as `changes` would tell it after the edit. */
  readonly differences: readonly Difference[];
}

/** What an edit of one table would do: the result of `edit` with `dryRun`. */
export interface DryRun<T> extends TablePreview {
  /** What the edit function returned. */
  readonly value: T;
}

/** What an edit of several tables would do. */
export interface TablesDryRun<T> {
  /** What the edit function returned. */
  readonly value: T;
  /** Each table of the list, in its order. */
  readonly tables: readonly TablePreview[];
  /** The diffs of all tables, one behind the other. */
  readonly diff: string;
}

async function previewOf(state: EditState): Promise<TablePreview> {
  const { base } = state;
  const before = new Table(base);
  const { family, name: table } = base;
  if (!state.isChanged) {
    return { family, table, before, after: before, diff: '', differences: [] };
  }
  const draft = new DraftReading(state);
  const after = new Table(draft);
  const diff = await new DraftText(before, after, draft).diff();
  return { family, table, before, after, diff, differences: draftDifferences(state, draft) };
}

/** Asks the backends about the changes. Returns one for whose table others have made the reading stale. */
async function check(changed: readonly Begun[]): Promise<TableBackend | undefined> {
  for (const { backend, state } of changed) {
    if ((await backend.check(state)) === 'stale') return backend;
  }
  // What takes several steps may have to be taken back.
  if (!isOneStep(changed)) {
    for (const { backend, state } of changed) await backend.checkUndoable(state);
  }
  return undefined;
}

/** Throws what the edit would throw, as far as this is known without a commit. */
export async function dryRun<T>(
  places: readonly Place[],
  signal: AbortSignal | undefined,
  edit: (...tables: TableEdit[]) => T,
): Promise<TablesDryRun<T>> {
  let stale: TableBackend | undefined;
  const most = () => stale?.attempts ?? 1;
  for (let attempt = 0; attempt < most(); attempt++) {
    const begun = await beginEdits(places, signal);
    let value: T;
    try {
      value = edit(...begun.map((table) => table.edit));
    } finally {
      for (const { edit } of begun) edit.close();
    }
    signal?.throwIfAborted();
    for (const { state } of begun) state.check();
    stale = await check(begun.filter(({ state }) => state.isChanged));
    if (stale !== undefined) continue;
    const tables: TablePreview[] = [];
    for (const { state } of begun) {
      tables.push(Object.freeze(await previewOf(state)));
      signal?.throwIfAborted();
    }
    return { value, tables, diff: tables.map(({ diff }) => diff).join('') };
  }
  throw tableChanged(nameEdit(places), most(), stale!.whenChanged);
}
