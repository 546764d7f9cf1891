// restore(): carries out a text on the present tables, and commits each table once. Every refusal names the line.
// restore-text.ts reads the text, perform.ts carries out its lines.
import type { Family } from '../../constants.js';
import { NetfilterError } from '../../errors.js';
import type { LockOptions, TableBackend } from './backend.js';
import { culprit } from './blame.js';
import { nowhere, perform } from './perform.js';
import { located, readRestore, type Section } from './restore-text.js';
import { editLocked } from './run.js';
import type { EditState } from './state.js';
import { beginEdit, type TableEdit } from './table-edit.js';

/** How to put a text in place. */
export interface RestoreOptions {
  /** Take over the counters of the text. Without this all counters begin at zero. */
  counters?: boolean | undefined;
  /** Keep what the tables hold: only the chains that the text declares are emptied. `undefined` is refused. */
  noflush?: boolean;
  /** Check the text against the tables and the kernel, and change nothing. `undefined` is refused. */
  test?: boolean;
}

/** Adds the line that the error is about. For a target that is not known here, says whether the kernel has it. */
async function explained(
  backend: TableBackend,
  section: Section,
  state: EditState | undefined,
  error: unknown,
): Promise<unknown> {
  if (!(error instanceof Error)) return error;
  const line =
    (state && culprit(error, state)?.line) ?? (isRefusal(error) ? section.line : undefined);
  const to = nowhere.get(error);
  if (to !== undefined) {
    const has = await backend.supports('target', to).catch(() => false);
    error.message += has
      ? ', and this package has no such target; the kernel has one (give its bytes with --raw-payload)'
      : ', and neither this package nor the kernel has a target of that name';
  }
  return line === undefined ? error : located(line, error);
}

/** Whether the text is the reason of the refusal, and not privileges, the time or the amount. */
function isRefusal(error: Error): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return true;
  return error instanceof NetfilterError && refusals.has(error.code);
}

const refusals = new Set([
  ...['EINVAL', 'ENOENT', 'ELOOP', 'EEXIST', 'ENOTSUP', 'EOPNOTSUPP', 'ERANGE', 'E2BIG', 'EMLINK'],
  ...['ENOPROTOOPT', 'EPROTOTYPE', 'EPROTONOSUPPORT', 'ERR_NETFILTER_UNSUPPORTED'],
]);

class Restore {
  readonly #backend: TableBackend;
  readonly #options: RestoreOptions;

  constructor(backend: TableBackend, options: RestoreOptions) {
    this.#backend = backend;
    this.#options = options;
  }

  #perform(section: Section, edit: TableEdit, state: EditState): void {
    perform(section, { edit, state, noflush: this.#options.noflush === true });
  }

  /** Tries every section on the present tables, and changes nothing. */
  async rehearse(sections: readonly Section[]): Promise<void> {
    const backend = this.#backend;
    const tables = new Map<string, ReturnType<typeof beginEdit>>();
    for (const section of sections) {
      let begun = tables.get(section.table);
      try {
        if (begun === undefined) {
          begun = beginEdit(await backend.read(section.table));
          tables.set(section.table, begun);
        }
        const { state, edit } = begun;
        this.#perform(section, edit, state);
        await backend.check(state);
      } catch (error) {
        throw await explained(backend, section, begun?.state, error);
      }
    }
  }

  /** Commits one section. Returns whether its counters were lost. */
  async commit(section: Section, signal: AbortSignal | undefined): Promise<boolean> {
    const backend = this.#backend;
    let last: EditState | undefined;
    try {
      const run = { backend, table: section.table, signal };
      const done = await editLocked(run, (edit, state) => {
        last = state;
        this.#perform(section, edit, state);
      });
      return done.countersLost;
    } catch (error) {
      if (signal?.aborted && error === signal.reason) throw error;
      throw await explained(backend, section, last, error);
    }
  }
}

/**
 * Puts the text into the kernel: one commit for each table, in the order of the text. Commits nothing unless the
 * whole text is right. Returns the tables whose new rules are in place without their counters.
 */
export async function restoreText(
  backend: TableBackend,
  family: Family,
  text: string | Uint8Array,
  options: RestoreOptions,
  lock: LockOptions,
): Promise<string[]> {
  const sections = await readRestore(text, family, options.counters === true);
  const restore = new Restore(backend, options);
  return backend.locked(lock, async () => {
    if (options.test || sections.length > 1) await restore.rehearse(sections);
    const countersLost: string[] = [];
    if (options.test) return countersLost;
    const committed: string[] = [];
    for (const section of sections) {
      try {
        if (await restore.commit(section, lock.signal)) countersLost.push(section.table);
        committed.push(section.table);
      } catch (error) {
        if (error instanceof Error && committed.length > 0) {
          error.message += ` (committed before: ${committed.join(', ')})`;
        }
        throw error;
      }
    }
    return countersLost;
  });
}
