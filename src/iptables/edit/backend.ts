// What an edit needs from a backend. Types only.
import type { LinkedSignal } from '../../linked-signal.js';
import type { Kind } from '../extensions/define.js';
import type { TableChange } from '../table/change.js';
import type { TableName, TableReading, Wanted } from '../table/reading.js';
import type { Family } from '../text/addresses.js';
import type { TableDraft } from './change.js';

/**
 * `done`: the tables are now as wanted. `unchanged`: they were so already. `stale`: nothing was changed, because a
 * table differs from the one that was read.
 */
export type Outcome = 'done' | 'unchanged' | 'stale';

export interface Committed {
  readonly outcome: Outcome;
  /** The rules are in place, but the kernel did not take their counters: these begin at zero. */
  readonly countersLost: boolean;
}

/** How long to wait for other writers. */
export interface LockOptions {
  /** Milliseconds; Infinity: without a limit. */
  readonly timeout: number;
  /** Ends the waiting. */
  readonly signal: AbortSignal | undefined;
}

/** What to follow; the options of `changes` after the checks. */
export interface FollowOptions {
  readonly tables: readonly TableName[] | undefined;
  readonly interval: number;
  readonly receiveBuffer: number;
}

type Changes = AsyncGenerator<TableChange | undefined, void, undefined>;

/** The tables of one family in one network namespace. */
export interface TableBackend {
  /** All backends of one kind in a namespace have one lock. */
  readonly kind: 'legacy' | 'nft';
  readonly family: Family;
  /** Whether changes of several tables can be one step, also of tables of the other family. */
  readonly joins: boolean;
  /** How often an edit is tried if other writers change the table meanwhile. */
  readonly attempts: number;
  /** What a person can do if they changed it each time. */
  readonly whenChanged: string;
  /** Names of the tables that exist. Creates none. */
  tables(): Promise<TableName[]>;
  /** `wanted`: the least that the reading must have; without it, everything. */
  read(table: TableName, signal?: AbortSignal, wanted?: Wanted): Promise<TableReading>;
  /** The changes of tables, after one `undefined` when every later change will be seen. Ends with the signal. */
  changes(options: FollowOptions, ending: LinkedSignal): Changes;
  /**
   * Commits the changes in one atomic step: more than one only if this backend joins them. Never throws after the step
   * has succeeded.
   */
  commit(changes: readonly [TableDraft, ...TableDraft[]]): Promise<Committed>;
  /**
   * Throws what a commit would throw, as far as this can be known without a commit. `stale`: others have changed the table
   * since it was read, so nothing is known.
   */
  check(change: TableDraft): Promise<'checked' | 'stale'>;
  /**
   * Whether a change can be taken back after its commit.
   * @throws {TableError} if it cannot
   */
  checkUndoable(change: TableDraft): Promise<void>;
  /**
   * The highest revision in which the kernel has a match or target, by its name in the kernel. This package need not know
   * it. `false`: it has none. `true`: it needs none.
   */
  supports(kind: Kind, name: string): Promise<number | boolean>;
  /** Does the work while all writers that take the lock wait. */
  locked<T>(options: LockOptions, work: () => Promise<T>): Promise<T>;
}
