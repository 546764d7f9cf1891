// Iptables: the tables of one address family in one network namespace. Checks the arguments, and calls the part that
// does the work.

import { booleanAt, familyAt, integerAt, oneOf, optionsAt, signalAt } from '../checks.js';
import type { Family } from '../constants.js';
import { badType, closedError } from '../errors.js';
import { LinkedSignal, sharedController } from '../linked-signal.js';
import { Session } from '../native/session.js';
import { netnsPath } from '../netns.js';
import { type Backend, BackendChoice, type BackendReport, type TablesChoice } from './backend.js';
import { ChangeStream } from './change-stream.js';
import type { LockOptions } from './edit/backend.js';
import { type DryRun, dryRun, type TablesDryRun } from './edit/dry-run.js';
import { type Edited, editTables } from './edit/edit-tables.js';
import { PendingEdit } from './edit/pending-edit.js';
import { type RestoreOptions, restoreText } from './edit/restore.js';
import type { Place } from './edit/run.js';
import type { TableEdit } from './edit/table-edit.js';
import type { Kind } from './extensions/define.js';
import {
  addressesAt,
  changesAt,
  defaultLockTimeout,
  type EditOptions,
  editAt,
  editFields,
  type IptablesOptions,
  type LockWait,
  longestDelay,
  openFields,
  type ReadOptions,
  readFields,
  restoreFields,
  type SaveAsOptions,
  saveFields,
  type TableAddress,
  type TablesEdited,
  tableAt,
  tablesAt,
  watchFields,
} from './options.js';
import { extensionAt, kindAt, supports } from './supports.js';
import type { ChangesOptions } from './table/change.js';
import { saveTable } from './table/save.js';
import { Table, type TableName } from './table/table.js';
import { type RuleHits, type WatchOptions, watchRules } from './table/watch.js';
import { textToBytes } from './text/encoding.js';
import { toolOf } from './text/family.js';
import { refused } from './text/refused.js';

/**
 * The iptables rules of one family in one network namespace: the legacy tables of ip_tables, or those that iptables-nft
 * keeps in nf_tables. Both have the same typed rules, the same edits and the same text.
 *
 * Reading needs CAP_NET_ADMIN in the user namespace that owns the network namespace. Changing rules in nf_tables needs
 * no more. Changing legacy tables also needs CAP_NET_RAW and the lock file, `/run/xtables.lock` or the one that the
 * variable XTABLES_LOCKFILE names: iptables makes it for root alone. Let other users open it (`chmod a+r`), or name
 * another file; then every writer of these tables must use that file.
 *
 * This is the same for all operations, and not repeated below. The first use loads the addon: it fails with an
 * {@link UnsupportedError} on other systems than Linux (`ERR_NETFILTER_UNSUPPORTED_PLATFORM`), and with a
 * {@link NetfilterError} if the addon cannot be loaded (`ERR_NETFILTER_ADDON`). Changes of legacy tables fail with a
 * {@link LibraryError} if libip4tc or libip6tc is missing. An operation that a signal ends rejects with the signal's
 * reason.
 */
export class Iptables implements Disposable, AsyncDisposable {
  /** The family whose packets pass these tables. */
  readonly family: Family;
  readonly #session: Session;
  readonly #choose: (family: Family) => TablesChoice;
  /** An edit can take in tables of the other family. */
  readonly #choices = new Map<Family, TablesChoice>();
  readonly #pending = new Set<PendingEdit<unknown>>();
  /** Edits that have not ended yet. */
  readonly #running = new Set<Promise<unknown>>();
  readonly #closing = sharedController();

  private constructor(session: Session, family: Family, choose: (family: Family) => TablesChoice) {
    this.#session = session;
    this.family = family;
    this.#choose = choose;
  }

  /**
   * Opens the tables of a namespace. It reads and creates nothing yet. A `netns` that is `undefined` is refused: a
   * setting that is missing must not open the namespace of this process.
   * @throws {NetfilterError} ENOENT if there is no such namespace, EPERM if this process may not enter it
   * @throws {TypeError | RangeError} for wrong options
   * @example
   * import { Iptables } from 'conntrack';
   * await using tables = Iptables.open({ family: 'ipv6', backend: 'legacy' });
   * console.log((await tables.read('filter')).chains.size);
   */
  static open(options: IptablesOptions = {}): Iptables {
    // An undefined namespace is a setting that is missing. The caller does not mean the rules of the host.
    const given = optionsAt(options, 'options', openFields, ['netns']);
    const { netns, backend = 'auto' } = given;
    const family = given.family === undefined ? 'ipv4' : familyAt(given.family, 'options.family');
    const chosen = oneOf(backend, 'options.backend', ['auto', 'legacy', 'nft']);
    const session = new Session({
      netns: netns === undefined ? null : netnsPath(netns),
      receiveBuffer: null,
    });
    session.handle('iptables open');
    return new Iptables(session, family, (of) => new BackendChoice(session, of, chosen));
  }

  /** @internal */
  static own(family: Family): Iptables {
    const session = new Session({ netns: null, receiveBuffer: null });
    return new Iptables(session, family, (of) => new BackendChoice(session, of, 'auto'));
  }

  /** @internal Tables that are in no kernel. */
  static over(
    session: Session,
    family: Family,
    choose: (family: Family) => TablesChoice,
  ): Iptables {
    return new Iptables(session, family, choose);
  }

  /** Runs work that takes the lock. close() ends its waiting for the lock, and waits until the work has ended. */
  async #locked<T>(
    options: Record<string, unknown>,
    work: (lock: LockOptions) => Promise<T>,
  ): Promise<T> {
    const { lockTimeout = defaultLockTimeout } = options;
    const timeout =
      lockTimeout === Infinity
        ? Infinity
        : integerAt(lockTimeout, 'options.lockTimeout', 0, longestDelay);
    using ending = new LinkedSignal(
      this.#closing.signal,
      signalAt(options.signal, 'options.signal'),
    );
    const running = work({ timeout, signal: ending.signal });
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Made at the first use, as everything that works on rules. */
  #backendOf(family: Family): TablesChoice {
    let choice = this.#choices.get(family);
    if (choice === undefined) {
      choice = this.#choose(family);
      this.#choices.set(family, choice);
    }
    return choice;
  }

  get #backend(): TablesChoice {
    return this.#backendOf(this.family);
  }

  /**
   * Where the rules of this namespace are. Creates nothing, and looks again at every call.
   * @throws {NetfilterError} EPERM without CAP_NET_ADMIN
   * @throws {ClosedError} after `close()`
   * @example
   * import { iptables } from 'conntrack';
   * console.log(await iptables.backend());
   */
  async backend(): Promise<Backend> {
    return (await this.backendReport()).backend;
  }

  /**
   * The same, with everything that was found.
   * @throws {NetfilterError} EPERM without CAP_NET_ADMIN
   * @throws {ClosedError} after `close()`
   * @example
   * import { iptables } from 'conntrack';
   * const { backend, reasons } = await iptables.backendReport();
   * console.log(backend, reasons.join('; '));
   */
  backendReport(): Promise<BackendReport> {
    return this.#backend.report();
  }

  /**
   * Names of the tables that the namespace has, in the kernel's order.
   * @throws {XtablesError} EACCES if this process may not read the list: only root of the namespace, and processes
   *   with CAP_DAC_READ_SEARCH, may read it
   * @throws {ClosedError} after `close()`
   * @example
   * import { iptables } from 'conntrack';
   * for (const name of await iptables.tables()) console.log(name, (await iptables.read(name)).chains.size);
   */
  async tables(): Promise<TableName[]> {
    return (await this.#backend.chosen()).tables();
  }

  /**
   * Reads a table; default `filter`. A table that the namespace does not have is read as a new one would be, and is
   * not made. (A process that may not read the list of legacy tables, see {@link Iptables.tables}, cannot know this.
   * Then the kernel makes the table, as it does for `iptables -L`.)
   *
   * A rule in nf_tables that iptables has no words for has no fields but its counters: see {@link Rule.nft}. Chains
   * that iptables did not make are in {@link Table.foreign}.
   * @throws {XtablesError} EPERM without CAP_NET_ADMIN, ENOENT if the kernel has no such table
   * @throws {TypeError | RangeError} for a wrong name of a table, and for wrong options
   * @throws {ClosedError} after `close()`
   * @example
   * import { iptables } from 'conntrack';
   * const table = await iptables.read('filter');
   * for (const chain of table.chains.values()) {
   *   for (const rule of chain.rules) console.log(chain.name, String(rule), rule.counters.packets);
   * }
   */
  async read(table: TableName = 'filter', options: ReadOptions = {}): Promise<Table> {
    const name = tableAt(table, 'table');
    const given = optionsAt(options, 'options', readFields);
    const signal = signalAt(given.signal, 'options.signal');
    const backend = await this.#backend.chosen();
    return new Table(await backend.read(name, signal));
  }

  /**
   * Changes a table in one atomic commit: reads the table, calls `edit`, commits what that did, and returns what it
   * returned. The function is called again if another writer changed the table meanwhile, so it should do nothing but
   * edit. (Legacy tables: the xtables lock keeps other writers away, and there are at most three calls. nf_tables has
   * no lock, and tells when somebody else committed: at most 32 calls.)
   *
   * In nf_tables a table of more than 500 rules is read only as far as it is needed. The function is called with the
   * chains alone. If it looks at the rules of a chain, or changes others than by `append` and `insert` at the
   * beginning, an error ends it there. The rules are read, and it is called again: at most two more calls for a table,
   * and one more with the whole table before a refusal is reported.
   *
   * Rules that stay keep their exact counters. Rules that are moved, and policies, lose what they count between the
   * reading and the commit: some milliseconds. Every commit of a legacy table refills the `limit`, `quota` and
   * `statistic` matches of the table, so put many changes into one edit. In nf_tables only the rules that changed are
   * sent, and all others keep the state of their matches.
   *
   * A list of tables is edited together: the function gets one table for each, and the result says what came of it.
   * `{ family, table }` names a table of the other family. In nf_tables this is one atomic commit. Legacy tables are
   * committed one after the other, in the order of the list. If one of them is refused, those before it are taken back.
   *
   * With `dryRun` nothing is changed: the result has each table as it is and as it would be, and what differs.
   *
   * A table that the namespace does not have is made, with its hooks, and stays.
   * @throws {XtablesError} EPERM without the capabilities, what the kernel says about the rules, and
   *   `ERR_NETFILTER_TABLE_CHANGED` if another writer came first every time
   * @throws {XtablesLockError} ETIMEDOUT if the lock, or the end of another edit of this process, did not come in
   *   time; EACCES if this process may not open the lock file
   * @throws {TableError} `ERR_NETFILTER_NOT_UNDOABLE` for an edit with `revertAfter` that could not be taken back
   * @throws {TypeError} for a function that goes on after it has returned, and for wrong options
   * @throws {RangeError} for a list without tables, or with one of them twice
   * @throws what the function throws: then nothing is changed
   * @throws {ClosedError} after `close()`
   * @example
   * import { iptables } from 'conntrack';
   * await iptables.edit('filter', (table) => {
   *   const input = table.chain('INPUT');
   *   if (!input.has('-i lo -j ACCEPT')) input.insert('-i lo -j ACCEPT');
   *   input.append({ protocol: 'tcp', matches: [{ name: 'tcp', dport: 23 }], target: { name: 'DROP' } });
   * });
   * const { atomic } = await iptables.edit(['nat', 'filter'], (nat, filter) => {
   *   nat.chain('PREROUTING').append('-p tcp --dport 80 -j DNAT --to-destination 10.0.0.2:8080');
   *   filter.chain('FORWARD').append('-p tcp -d 10.0.0.2 --dport 8080 -j ACCEPT');
   * });
   * console.log(atomic ? 'one commit' : 'one commit for each table');
   * const drop = await iptables.edit('filter', (t) => t.chain('INPUT').policy('DROP'), { dryRun: true });
   * console.log(drop.diff);
   */
  edit<T>(
    table: TableName,
    edit: (table: TableEdit) => T,
    options: EditOptions & { dryRun: true; revertAfter?: undefined },
  ): Promise<DryRun<T>>;
  edit<T>(
    table: TableName,
    edit: (table: TableEdit) => T,
    options: EditOptions & { revertAfter: number; dryRun?: false },
  ): Promise<PendingEdit<T>>;
  edit<T>(
    table: TableName,
    edit: (table: TableEdit) => T,
    options?: EditOptions & { revertAfter?: undefined; dryRun?: false },
  ): Promise<T>;
  edit<T>(
    table: TableName,
    edit: (table: TableEdit) => T,
    options: EditOptions & { revertAfter?: undefined },
  ): Promise<T | DryRun<T>>;
  edit<T, const Tables extends readonly TableAddress[]>(
    tables: Tables,
    edit: (...tables: { [K in keyof Tables]: TableEdit }) => T,
    options: EditOptions & { dryRun: true; revertAfter?: undefined },
  ): Promise<TablesDryRun<T>>;
  edit<T, const Tables extends readonly TableAddress[]>(
    tables: Tables,
    edit: (...tables: { [K in keyof Tables]: TableEdit }) => T,
    options: EditOptions & { revertAfter: number; dryRun?: false },
  ): Promise<PendingEdit<TablesEdited<T>>>;
  edit<T, const Tables extends readonly TableAddress[]>(
    tables: Tables,
    edit: (...tables: { [K in keyof Tables]: TableEdit }) => T,
    options?: EditOptions & { revertAfter?: undefined; dryRun?: false },
  ): Promise<TablesEdited<T>>;
  edit<T, const Tables extends readonly TableAddress[]>(
    tables: Tables,
    edit: (...tables: { [K in keyof Tables]: TableEdit }) => T,
    options: EditOptions & { revertAfter?: undefined },
  ): Promise<TablesEdited<T> | TablesDryRun<T>>;
  async edit<T>(
    tables: TableName | readonly TableAddress[],
    edit: (...tables: TableEdit[]) => T,
    options: EditOptions = {},
  ): Promise<
    | (T | TablesEdited<T>)
    | (PendingEdit<T> | PendingEdit<TablesEdited<T>>)
    | (DryRun<T> | TablesDryRun<T>)
  > {
    const { family } = this;
    const addresses =
      typeof tables === 'string'
        ? [{ family, table: tableAt(tables, 'table') }]
        : addressesAt(tables, family);
    const change = editAt(edit);
    const given = optionsAt(options, 'options', editFields, ['dryRun']);
    const isDry = given.dryRun !== undefined && booleanAt(given.dryRun, 'options.dryRun');
    const delay =
      given.revertAfter === undefined
        ? undefined
        : integerAt(given.revertAfter, 'options.revertAfter', 1, longestDelay);
    if (isDry && delay !== undefined) {
      throw refused('options.revertAfter', 'a dry run changes nothing that could be put back');
    }
    return this.#locked(given, async (lock) => {
      const places: Place[] = [];
      for (const { family, table } of addresses) {
        places.push({ backend: await this.#backendOf(family).chosen(), table });
      }
      if (isDry) {
        const done = await dryRun(places, lock.signal, change);
        return typeof tables === 'string' ? { value: done.value, ...done.tables[0]! } : done;
      }
      const done = await editTables(places, lock, change, delay !== undefined);
      if (typeof tables !== 'string') {
        const committed = done.changed.map(({ backend, table }) => ({
          family: backend.family,
          table,
        }));
        const value = { value: done.value, atomic: done.atomic, committed };
        return delay === undefined ? value : this.#pend(value, delay, done);
      }
      return delay === undefined ? done.value : this.#pend(done.value, delay, done);
    });
  }

  #pend<T>(value: T, delay: number, { operation, revert }: Edited<unknown>): PendingEdit<T> {
    const pending: PendingEdit<T> = new PendingEdit(value, delay, {
      operation,
      revert,
      settled: () => this.#pending.delete(pending),
    });
    this.#pending.add(pending);
    return pending;
  }

  /**
   * The tables as iptables-save writes them: all that the namespace has, or those that are named. `counters` puts
   * `[packets:bytes]` before every rule (the policies always have theirs).
   *
   * You can write the text to a file in UTF-8 and read it back unchanged. A match or target with bytes that are not
   * UTF-8 is written in hexadecimal (`--raw-payload`), which only this package reads. With `as: 'bytes'` the result
   * has the bytes that iptables-save writes, which iptables-restore reads too. Write them to the file as they are.
   * @throws {XtablesError} ERR_NETFILTER_NO_TEXT, which names the rule or chain, if no text reads back as the same: a
   *   line break in a comment, white space in a chain's name …
   * @throws {TypeError | RangeError} for options that are wrong
   * @throws {ClosedError} after `close()`
   * @example
   * import { iptables } from 'conntrack';
   * console.log(await iptables.save({ tables: ['filter'], counters: true }));
   */
  save(options: SaveAsOptions<'bytes'> & { as: 'bytes' }): Promise<Uint8Array>;
  save(options?: SaveAsOptions<'text'>): Promise<string>;
  save(options?: SaveAsOptions): Promise<string | Uint8Array>;
  async save(options: SaveAsOptions = {}): Promise<string | Uint8Array> {
    const given = optionsAt(options, 'options', saveFields, ['tables']);
    const { as = 'text' } = given;
    const bytes = oneOf(as, 'options.as', ['text', 'bytes']) === 'bytes';
    const counters = given.counters !== undefined && booleanAt(given.counters, 'options.counters');
    const signal = signalAt(given.signal, 'options.signal');
    const names = given.tables === undefined ? undefined : tablesAt(given.tables);
    const backend = await this.#backend.chosen();
    const format = { counters, asBytes: bytes, dated: true };
    const texts: string[] = [];
    for (const name of names ?? (await backend.tables())) {
      texts.push(await saveTable(new Table(await backend.read(name, signal)), format));
      signal?.throwIfAborted();
    }
    return bytes ? textToBytes(texts.join('')) : texts.join('');
  }

  /**
   * Puts tables in place from a text of iptables-save, as iptables-restore does. Unlike iptables-restore, it changes
   * nothing unless the whole text is right. In nf_tables all tables of the text are one atomic commit. Each legacy table
   * is one of its own: if a later one is refused, those before it are taken back. Errors name the line.
   *
   * Tables of the text lose what they hold, unless `noflush` is set. Other tables stay as they are. `counters` takes
   * over the counters of the text. `test` checks the text against the tables and the kernel, and changes nothing.
   *
   * Give a file as the bytes that it holds: `restore(await readFile(path))`. This keeps bytes that are not UTF-8. A
   * string has them as lone surrogates U+DC80…U+DCFF.
   * @throws {TypeError | RangeError} for a wrong text or option; for a text it names the line
   * @throws {XtablesError | XtablesLockError} as `edit`
   * @throws {ClosedError} after `close()`
   * @example
   * import { iptables } from 'conntrack';
   * await iptables.restore('*filter\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n', { noflush: true });
   */
  async restore(text: string | Uint8Array, options: RestoreOptions & LockWait = {}): Promise<void> {
    if (typeof text !== 'string' && !(text instanceof Uint8Array)) {
      throw badType('text', 'a string or a Uint8Array', text);
    }
    // If these two were undefined, the call would change more than the caller meant.
    const given = optionsAt(options, 'options', restoreFields, ['noflush', 'test']);
    const flags: RestoreOptions = {};
    for (const key of ['counters', 'noflush', 'test'] as const) {
      if (given[key] !== undefined) flags[key] = booleanAt(given[key], `options.${key}`);
    }
    const taken = typeof text === 'string' ? text : new Uint8Array(text);
    await this.#locked(given, async (lock) =>
      restoreText(await this.#backend.chosen(), taken, flags, lock),
    );
  }

  /**
   * Follows the counters of rules: reads the tables again and again, and yields each rule (and each policy) whose
   * counters moved. Ends when `signal` aborts or the instance is closed.
   * @throws {TypeError | RangeError} for options that are wrong
   * @throws {XtablesError} from the iterator, as `read` and `tables`
   * @example
   * import { iptables } from 'conntrack';
   * for await (const { chain, rule, packets } of iptables.watch({
   *   tables: ['filter'],
   *   interval: 100,
   *   signal: AbortSignal.timeout(300),
   * })) {
   *   console.log(chain, String(rule ?? 'policy'), packets);
   * }
   */
  watch(options: WatchOptions = {}): AsyncIterable<RuleHits> {
    const given = optionsAt(options, 'options', watchFields, ['tables']);
    const interval =
      given.interval === undefined
        ? 1000
        : integerAt(given.interval, 'options.interval', 10, longestDelay);
    const names = given.tables === undefined ? undefined : tablesAt(given.tables);
    const signal = signalAt(given.signal, 'options.signal');
    return watchRules(() => this.#backend.chosen(), names, interval, [
      this.#closing.signal,
      signal,
    ]);
  }

  /**
   * Follows the rules: tells what each commit of any program changed in a table, and who made it. A commit that
   * changes nothing is not told: one that only sets counters, or that writes the same rules again.
   *
   * In nf_tables the kernel tells each commit. Legacy tables have no events: they are read every `interval`
   * milliseconds and compared, so nobody knows who changed them, and a change that was taken back in between is not
   * seen. `auto` chooses the backend once, at the beginning: name it if there are no rules yet.
   *
   * It begins with the call. Changes are seen from the moment when `ready` of the result resolves. It keeps what it has
   * not given yet, up to 64 MiB. If the kernel or this process could not keep up, the tables are read again, and the
   * next change is `lost`: it has the differences of several commits. So the changes always lead from the tables at the
   * beginning to those of now.
   * @throws {TypeError | RangeError} for options that are wrong
   * @throws {XtablesError} from the iterator: EPERM without CAP_NET_ADMIN, ENOENT if the kernel has no such table,
   *   and as `read` and `tables`
   * @example
   * import { iptables } from 'conntrack';
   * const changes = iptables.changes({ tables: ['filter'] });
   * await changes.ready;
   * await iptables.edit('filter', (table) => table.chain('INPUT').append('-i lo -j ACCEPT'));
   * for await (const { table, differences, process } of changes) {
   *   for (const each of differences) {
   *     const rule = 'rule' in each ? String(each.rule) : '';
   *     console.log(table, process?.name ?? 'somebody', each.type, rule);
   *   }
   *   break;
   * }
   */
  changes(options: ChangesOptions = {}): ChangeStream {
    const given = changesAt(options);
    return new ChangeStream(
      (ending) => this.#follow(given, ending),
      [this.#closing.signal, given.signal],
    );
  }

  async *#follow(
    given: ReturnType<typeof changesAt>,
    ending: LinkedSignal,
  ): ReturnType<ConstructorParameters<typeof ChangeStream>[0]> {
    const backend = await this.#backend.chosen();
    yield* backend.changes(given, ending);
  }

  /**
   * Whether a rule can have a match or target, in the tables that this instance uses: `false`, or the highest revision in
   * which the kernel has it. A revision can be 0, so compare with `false`. `true`: it needs no extension of the kernel.
   * These are the verdicts (`ACCEPT`, `DROP`, `RETURN`, `QUEUE`), `jump` and `goto`, and what nf_tables does itself.
   *
   * The name is that of a match or target of a rule, or any other; this package need not know it. The kernel is asked as it
   * is for a rule: it may load a module for the answer. It answers for the family of the instance.
   *
   * A kernel can have an extension that it does not take in every table and chain, or in a user namespace.
   * @throws {XtablesError} EPERM without CAP_NET_ADMIN
   * @throws {TypeError | RangeError} for another kind, and for a name that no extension can have: it is empty, or longer
   *   than 28 bytes
   * @throws {ClosedError} after `close()`
   * @example
   * import { iptables } from 'conntrack';
   * const limit = await iptables.supports('match', 'hashlimit');
   * console.log(limit === false ? 'no hashlimit' : `hashlimit, revision ${limit}`);
   */
  async supports(kind: Kind, name: string): Promise<boolean | number> {
    const [ofKind, named] = [kindAt(kind), extensionAt(name)];
    return supports(await this.#backend.chosen(), ofKind, named);
  }

  /**
   * Ends all operations. Edits with `revertAfter` that are not confirmed are taken back first. A closed instance
   * stays closed, also a default one.
   */
  async close(): Promise<void> {
    this.#closing.abort(closedError(toolOf(this.family)));
    // A commit that has begun is finished. Only then is it known which edits must be taken back.
    await Promise.allSettled(this.#running);
    await Promise.allSettled([...this.#pending].map((pending) => pending.revert()));
    await this.#session.close();
  }

  /** Closes the instance, for `using`; does not wait for operations to end. */
  [Symbol.dispose](): void {
    void this.close();
  }

  /** Closes the instance, for `await using`, as `close()` does. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The IPv4 tables of this process's network namespace. Opened at the first use; `close()` closes them for good. */
export const iptables: Iptables = Iptables.own('ipv4');
/** The IPv6 tables of this process's network namespace. */
export const ip6tables: Iptables = Iptables.own('ipv6');
