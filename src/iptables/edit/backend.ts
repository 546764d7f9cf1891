// What an edit needs of a backend: legacy tables and nf_tables are the two. Types only.
import type { Kind } from '../extensions/define.js';
import type { TableName, TableReading } from '../table/reading.js';
import type { TableChange } from './change.js';

/**
 * `done`: the table is what was wanted. `unchanged`: it was that already. `stale`: nothing was changed, for the table
 * is another one than the one that was read.
 */
export type Outcome = 'done' | 'unchanged' | 'stale';

export interface Committed {
  readonly outcome: Outcome;
  /** The rules are in place, but the kernel did not take their counters: these begin at zero. */
  readonly countersLost: boolean;
}

/** How long to wait for other writers. */
export interface LockOptions {
  /** Milliseconds; Infinity: without an end. */
  readonly timeout: number;
  /** Ends the waiting. */
  readonly signal: AbortSignal | undefined;
}

/** The tables of one family in one network namespace. */
export interface TableBackend {
  /** `iptables` or `ip6tables`: begins the operations in errors. */
  readonly tool: string;
  /** Names of the tables that there are. Makes none. */
  tables(): Promise<TableName[]>;
  read(table: TableName, signal?: AbortSignal): Promise<TableReading>;
  /** Makes the table what the change says, in one atomic step. Never throws after that has happened. */
  commit(change: TableChange): Promise<Committed>;
  /** Throws what a commit would refuse, as far as that can be known without it. */
  check(change: TableChange): Promise<void>;
  /** Whether the kernel has a match or target of that name, known to this package or not. */
  supports(kind: Kind, name: string): Promise<boolean>;
  /** Does work while other writers that keep to the rules wait. */
  locked<T>(options: LockOptions, work: () => Promise<T>): Promise<T>;
}
