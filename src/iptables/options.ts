// What callers give to an Iptables: the options, and the checks of arguments that need more than a type.
import { familyAt, fieldsAt, integerAt, listAt, optionsAt, signalAt, stringAt } from '../checks.js';
import type { Family } from '../constants.js';
import { badRange, badType } from '../errors.js';
import type { TableEdit } from './edit/table-edit.js';
import type { TableName } from './table/table.js';

/** Which tables to open. */
export interface IptablesOptions {
  /**
   * Network namespace: a name under /run/netns, a path, or the pid of a process in it. To enter another one, a
   * process needs CAP_SYS_ADMIN in the user namespace that owns it. Default: that of this process. `undefined` is
   * refused.
   */
  netns?: string | number;
  /** `'ipv6'` is what ip6tables works on. Default `'ipv4'`. */
  family?: Family | undefined;
  /**
   * `'legacy'`: the tables of ip_tables. `'nft'`: the tables of iptables-nft in nf_tables. `'auto'` (default) looks
   * where the rules of this namespace are. If both have some, it takes nf_tables and warns. If there are none yet, it
   * takes nf_tables, where the `iptables` of today's distributions puts its rules; without nf_tables in the kernel it
   * takes the legacy tables. Once there are rules, an instance stays with its choice.
   */
  backend?: 'auto' | 'legacy' | 'nft' | undefined;
}

/** How long to wait for other edits. */
export interface LockWait {
  /**
   * Milliseconds to wait for the xtables lock, which every iptables-legacy takes, and for other edits of this process;
   * 0 tries once, Infinity waits without a limit. Default 10000. After this time the call rejects with an
   * XtablesLockError that says who holds the lock. nf_tables has no lock: there only edits of this process wait for
   * each other.
   */
  lockTimeout?: number | undefined;
  /** Ends the waiting. A commit that has begun is finished. */
  signal?: AbortSignal | undefined;
}

/** Which tables to save, and whether with counters. */
export interface SaveOptions {
  /** Default: all that the namespace has. `undefined` is refused. */
  tables?: readonly TableName[];
  /** The counters of every rule, before it. Default false. */
  counters?: boolean | undefined;
  /** Ends the operation between two tables. */
  signal?: AbortSignal | undefined;
}

/** Options of `save`. */
export interface SaveAsOptions<As extends 'text' | 'bytes' = 'text' | 'bytes'> extends SaveOptions {
  /** A text that a file in UTF-8 keeps unchanged, or the bytes of iptables-save. Default `'text'`. */
  as?: As | undefined;
}

/** Options of `read`. */
export interface ReadOptions {
  /** Ends the reading. */
  signal?: AbortSignal | undefined;
}

/** A table of one of the two families. */
export interface TableOfFamily {
  /** The family whose packets pass it. */
  readonly family: Family;
  /** Its name. */
  readonly table: TableName;
}

/** A table to edit. The name alone: of the family of the instance. */
export type TableAddress = TableName | TableOfFamily;

/** What came of an edit of several tables. */
export interface TablesEdited<T> {
  /** What the edit function returned. */
  readonly value: T;
  /**
   * True: there was one commit, or none, so no packet has met a part of the change. False: legacy tables were committed
   * one after the other, so for a moment packets met the new rules of some and the old ones of others.
   */
  readonly atomic: boolean;
  /** The tables that changed, in the order of their commits. The others were as the edit wanted them. */
  readonly committed: readonly TableOfFamily[];
}

/** How an edit waits for the lock, and whether it takes itself back. */
export interface EditOptions extends LockWait {
  /**
   * Milliseconds until the old tables are put back, unless `confirm()` is called on the result of `edit`. The timer
   * lives in this process and keeps it alive. If the process crashes or is killed, or the host reboots, nothing puts
   * the old tables back. If the new rules could cut off the people who would repair them, let another process watch
   * this one. An edit that deletes a rule of the nft tool which the kernel would not take again is refused
   * (`ERR_NETFILTER_NOT_UNDOABLE`).
   */
  revertAfter?: number | undefined;
  /**
   * Change nothing, and give what the edit would change (a {@link DryRun}). The edit is refused as if it were not a dry
   * run, as far as the kernel tells without a commit. nf_tables says whether it would take every rule, but may not find
   * a loop of chains. A legacy kernel says whether it has the matches, targets and sets; what they refuse, and loops,
   * are found at the commit only. Needs the privileges of `edit`, but takes no lock: it waits for nobody, `lockTimeout`
   * counts for nothing, and on legacy tables it needs no lock file. Not together with `revertAfter`. `undefined` is
   * refused.
   */
  dryRun?: boolean;
}

const addressFields = new Set(['family', 'table']);
export const openFields = new Set(['netns', 'family', 'backend']);
export const readFields = new Set(['signal']);
export const saveFields = new Set(['tables', 'counters', 'signal', 'as']);
export const watchFields = new Set(['interval', 'tables', 'signal']);
export const changesFields = new Set(['interval', 'tables', 'receiveBuffer', 'signal']);
export const editFields = new Set(['lockTimeout', 'signal', 'revertAfter', 'dryRun']);
export const restoreFields = new Set(['lockTimeout', 'signal', 'counters', 'noflush', 'test']);
const defaultReceiveBuffer = 8 << 20;
export const defaultLockTimeout = 10_000;
/** The longest time of a timer. A longer one would fire at once. */
export const longestDelay = 2 ** 31 - 1;

export function tableAt(value: unknown, path: string): string {
  const name = stringAt(value, path, 31);
  if (!/^[^\s/]+$/.test(name)) throw badType(path, "a table's name", value);
  return name;
}

/** The tables of an edit: each once, at least one. */
export function addressesAt(value: unknown, family: Family): TableOfFamily[] {
  const path = 'tables';
  const given = listAt(value, path, 'a table, or an array of tables');
  if (given.length === 0) throw badRange(path, 'at least one table', given);
  const found: TableOfFamily[] = [];
  for (const [index, each] of given.entries()) {
    const at = `${path}[${index}]`;
    const address =
      typeof each === 'string' ? { family, table: tableAt(each, at) } : addressAt(each, at);
    const isTwice = found.some(
      (other) => other.family === address.family && other.table === address.table,
    );
    if (isTwice) throw badRange(at, 'a table that is not named before', each);
    found.push(address);
  }
  return found;
}

function addressAt(value: unknown, path: string): TableOfFamily {
  const given = fieldsAt(value, path, addressFields, "a table's name, or its family and name");
  return {
    family: familyAt(given.family, `${path}.family`),
    table: tableAt(given.table, `${path}.table`),
  };
}

export function tablesAt(value: unknown): string[] {
  const names = listAt(value, 'options.tables', 'an array of names');
  return names.map((name, index) => tableAt(name, `options.tables[${index}]`));
}

/** Options of `changes`. */
export function changesAt(options: unknown) {
  const given = optionsAt(options, 'options', changesFields, ['tables']);
  const { interval = 1000, receiveBuffer = defaultReceiveBuffer } = given;
  return {
    tables: given.tables === undefined ? undefined : tablesAt(given.tables),
    interval: integerAt(interval, 'options.interval', 10, longestDelay),
    receiveBuffer: integerAt(receiveBuffer, 'options.receiveBuffer', 4096, 2 ** 30),
    signal: signalAt(given.signal, 'options.signal'),
  };
}

/** Refuses a function that goes on after it has returned: the commit comes directly after it. */
export function editAt<T>(edit: (...tables: TableEdit[]) => T): (...tables: TableEdit[]) => T {
  if (typeof edit !== 'function') throw badType('edit', 'a function', edit);
  if (goesOn.has(tagOf(edit))) throw goingOn();
  return (...tables) => {
    const value = edit(...tables);
    if (typeof (value as { then?: unknown } | null | undefined)?.then === 'function') {
      (value as PromiseLike<unknown>).then(undefined, () => {});
      throw goingOn();
    }
    if (/ (?:Async)?Generator\]$/.test(tagOf(value))) throw goingOn();
    return value;
  };
}

const tagOf = (value: unknown): string => Object.prototype.toString.call(value);
/** Functions that do their work after they have returned, or never: a generator begins at its first `next()`. */
const goesOn = new Set(
  ['AsyncFunction', 'GeneratorFunction', 'AsyncGeneratorFunction'].map((tag) => `[object ${tag}]`),
);
const goingOn = () =>
  new TypeError(
    'edit: the function must do its work before it returns, not in a promise or a generator',
  );
