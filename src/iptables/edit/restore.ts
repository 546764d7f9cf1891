// restore(): carries out a text on the present tables, and commits them. Every refusal names the line. restore-text.ts
// reads the text, perform.ts carries out its lines.
import { NetfilterError, tableChanged } from '../../errors.js';
import type { TableName, Wanted } from '../table/reading.js';
import { operationOn } from '../text/family.js';
import type { LockOptions, TableBackend } from './backend.js';
import { culprit } from './blame.js';
import type { Line } from './change.js';
import { warnCountersLost } from './edit-tables.js';
import { chainsNeeded, nowhere, perform } from './perform.js';
import { located, readRestore, type Section } from './restore-text.js';
import { type Begun, beginEdits, type Changed, editLocked, nameEdit, type Place } from './run.js';

/** How to put a text in place. */
export interface RestoreOptions {
  /** Take over the counters of the text. Without this all counters begin at zero. */
  counters?: boolean | undefined;
  /** Keep what the tables hold: only the chains that the text declares are emptied. `undefined` is refused. */
  noflush?: boolean;
  /**
   * Check the text against the tables and the kernel, and change nothing. nf_tables says whether it would take every line,
   * but may not find a loop of chains. A legacy kernel says only whether it has the matches, targets and sets.
   * `undefined` is refused.
   */
  test?: boolean;
}

/** Errors that say nothing of a line, and that a line of the text is the reason of nevertheless. */
const refusals = new Set([
  ...['EINVAL', 'ENOENT', 'ELOOP', 'EEXIST', 'ENOTSUP', 'EOPNOTSUPP', 'ERANGE', 'E2BIG', 'EMLINK'],
  ...['ENOPROTOOPT', 'EPROTOTYPE', 'EPROTONOSUPPORT', 'ERR_NETFILTER_UNSUPPORTED'],
]);

/** Whether the text is the reason of the refusal, and not privileges, the time or the amount. */
function isRefusal(error: Error): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return true;
  return error instanceof NetfilterError && refusals.has(error.code);
}

/** One text on its way into the kernel. */
class Restore {
  readonly #backend: TableBackend;
  readonly #sections: readonly Section[];
  readonly #noflush: boolean;
  readonly #places: readonly Place[];
  /** The tables of the last attempt. */
  #tables: readonly Begun[] = [];
  /** The section that is being carried out. */
  #current: Section | undefined;

  constructor(backend: TableBackend, sections: readonly Section[], options: RestoreOptions) {
    this.#backend = backend;
    this.#sections = sections;
    this.#noflush = options.noflush === true;
    const names = new Set(sections.map(({ table }) => table));
    this.#places = Array.from(names, (table) => ({ backend, table }));
  }

  /** Tries the text on the present tables, and changes nothing. */
  async rehearse(signal: AbortSignal | undefined): Promise<void> {
    await this.#explaining(signal, async () => {
      const { attempts, whenChanged } = this.#backend;
      for (let attempt = 0; attempt < attempts; attempt++) {
        if (await this.#check(signal)) return;
      }
      throw tableChanged(nameEdit(this.#places), attempts, whenChanged);
    });
  }

  /** False if others changed a table before the kernel was asked about it. */
  async #check(signal: AbortSignal | undefined): Promise<boolean> {
    const tables = await beginEdits(this.#places, signal);
    this.#perform(tables);
    for (const { table, state } of tables) {
      this.#current = this.#sections.find((section) => section.table === table);
      if ((await this.#backend.check(state)) === 'stale') return false;
    }
    return true;
  }

  async commit(signal: AbortSignal | undefined): Promise<readonly Changed[]> {
    const wanted = (table: TableName) => this.#wanted(table);
    const done = await this.#explaining(signal, () =>
      editLocked({ places: this.#places, signal, wanted }, (tables) => this.#perform(tables)),
    );
    return done.changed;
  }

  /** The rules that the lines for a table need. */
  #wanted(table: TableName): Wanted {
    if (!this.#noflush) return 'all';
    const sections = this.#sections.filter((section) => section.table === table);
    return chainsNeeded(sections.flatMap(({ steps }) => steps.map(({ work }) => work)));
  }

  #perform(tables: readonly Begun[]): void {
    this.#tables = tables;
    for (const section of this.#sections) {
      this.#current = section;
      const { edit, state } = tables.find(({ table }) => table === section.table)!;
      perform(section, { edit, state, noflush: this.#noflush });
    }
    this.#current = undefined;
  }

  async #explaining<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Error) || (signal?.aborted && error === signal.reason)) throw error;
      throw await this.#explained(error);
    }
  }

  /** Adds the line that the error is about. For a target that is not known here, says whether the kernel has it. */
  async #explained(error: Error): Promise<unknown> {
    const to = nowhere.get(error);
    if (to !== undefined) {
      const has = await this.#backend.supports('target', to).catch(() => false as const);
      error.message +=
        has !== false
          ? ', and this package has no such target; the kernel has one (give its bytes with --raw-payload)'
          : ', and neither this package nor the kernel has a target of that name';
    }
    const line = this.#lineOf(error);
    return line === undefined ? error : located(line, error);
  }

  #lineOf(error: Error): Line | undefined {
    for (const { state } of this.#tables) {
      const line = culprit(error, state)?.line;
      if (line !== undefined) return line;
    }
    if (!isRefusal(error)) return undefined;
    // Not one rule, but what one table or section is.
    const { family } = this.#backend;
    const about = this.#sections.find(({ table: name }) => {
      const operations = ['read', 'commit'].map((verb) => operationOn(verb, [{ family, name }]));
      return error instanceof NetfilterError && operations.includes(error.operation);
    });
    return (this.#current ?? about ?? this.#only())?.line;
  }

  #only(): Section | undefined {
    return this.#places.length === 1 ? this.#sections[0] : undefined;
  }
}

/**
 * @internal Puts the text into the kernel: all tables in one commit if the backend can do this, else one after the other.
 * Commits nothing unless the whole text is right.
 */
export async function restoreText(
  backend: TableBackend,
  text: string | Uint8Array,
  options: RestoreOptions,
  lock: LockOptions,
): Promise<void> {
  const sections = await readRestore(text, backend.family, options.counters === true);
  const restore = new Restore(backend, sections, options);
  await backend.locked(lock, async () => {
    if (options.test) await restore.rehearse(lock.signal);
    else warnCountersLost(await restore.commit(lock.signal));
  });
}
