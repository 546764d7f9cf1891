// The tables of iptables in memory as a backend, beside legacy and nft. It behaves as nf_tables does: all tables of a text
// or an edit are one commit, and each commit is told. Every check of the package comes before it.

import type { Family } from '../../constants.js';
import { fromNative } from '../../errors.js';
import type { BackendReport } from '../../iptables/backend.js';
import type {
  Committed,
  FollowOptions,
  LockOptions,
  TableBackend,
} from '../../iptables/edit/backend.js';
import type { TableDraft } from '../../iptables/edit/change.js';
import { inTurn } from '../../iptables/edit/turn.js';
import type { Kind } from '../../iptables/extensions/define.js';
import { hasExtension } from '../../iptables/extensions/known.js';
import type { TableChange } from '../../iptables/table/change.js';
import { differences } from '../../iptables/table/differences.js';
import type { TypedReading } from '../../iptables/table/typed-reading.js';
import { operationOn, toolOf } from '../../iptables/text/family.js';
import type { LinkedSignal } from '../../linked-signal.js';
import type { Session } from '../../native/session.js';
import type { ConntrackMemory } from '../conntrack/binding.js';
import { errno } from '../conntrack/refusal.js';
import { isSame, loopIn, tableAfter } from './committed.js';
import type { CommitFollower, RuleStore, StoredTable } from './rule-store.js';

const etimedout = 110;

/** What the tables are in. */
export interface RulesWorld {
  readonly store: RuleStore;
  readonly memory: ConntrackMemory;
  /** Tells these tables from all others. */
  readonly name: string;
}

export class MemoryBackend implements TableBackend {
  readonly kind = 'nft';
  readonly family: Family;
  readonly joins = true;
  readonly attempts = 32;
  readonly whenChanged = 'repeat the edit when it is quiet';
  readonly #session: Session;
  readonly #world: RulesWorld;

  constructor(session: Session, family: Family, world: RulesWorld) {
    this.#session = session;
    this.family = family;
    this.#world = world;
  }

  /** Does the work of one operation in a turn of its own. */
  #run<T>(operation: string, signal: AbortSignal | undefined, work: () => T): Promise<T> {
    return this.#session.run(operation, signal, (_binding, _handle, cell) =>
      this.#world.memory.later(operation, cell, work),
    );
  }

  /** Where the rules are. */
  report(): Promise<BackendReport> {
    return this.#run('nf_tables look', undefined, () => {
      const tables = this.#world.store.all(this.family).map(({ name, reading, chains }) => {
        const drops = chains.some(({ policy }) => policy === 'DROP');
        return { table: name, rules: reading.ruleCount, used: reading.ruleCount > 0 || drops };
      });
      return {
        backend: tables.length === 0 ? ('none' as const) : ('nft' as const),
        uses: 'nft' as const,
        reasons: [`the tables of ${toolOf(this.family)} are in memory`],
        legacy: [],
        nft: { available: true, tables, foreign: [] },
      };
    });
  }

  tables(): Promise<string[]> {
    return this.#run(`${toolOf(this.family)} tables`, undefined, () =>
      this.#world.store.all(this.family).map(({ name }) => name),
    );
  }

  async read(table: string, signal?: AbortSignal): Promise<TypedReading> {
    const operation = operationOn('read', [{ family: this.family, name: table }]);
    const stored = await this.#run(operation, signal, () =>
      this.#world.store.get(this.family, table),
    );
    if (stored !== undefined) return stored.reading;
    const detail = 'iptables has no such table in nf_tables';
    throw fromNative({ kind: 'xtables', errno: errno.ENOENT, operation, detail });
  }

  async *changes(
    { tables }: FollowOptions,
    { signal }: LinkedSignal,
  ): AsyncGenerator<TableChange | undefined, void, undefined> {
    const waiting: TableChange[] = [];
    let wake = () => {};
    const follow: CommitFollower = (commit) => {
      for (const { before, after } of commit.tables) {
        if (after.family !== this.family) continue;
        if (tables !== undefined && !tables.includes(after.name)) continue;
        const found = differences(before.state, after.state);
        if (found.length === 0) continue;
        const process_ = Object.freeze({ pid: process.pid, name: 'node' });
        waiting.push({
          ...{ family: this.family, table: after.name, differences: found },
          ...{ generation: commit.generation, process: process_, lost: false, time: new Date() },
        });
      }
      wake();
    };
    const { followers } = this.#world.store;
    await this.#run(`${toolOf(this.family)} changes`, signal, () => followers.add(follow));
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    try {
      yield undefined;
      while (!signal.aborted) {
        const next = waiting.shift();
        if (next !== undefined) yield next;
        else {
          const more = new Promise<void>((resolve) => {
            wake = resolve;
          });
          await Promise.race([more, aborted]);
        }
      }
    } finally {
      followers.delete(follow);
    }
  }

  /** Edits of the same tables in memory wait for each other. */
  locked<T>(options: LockOptions, work: () => Promise<T>): Promise<T> {
    const operation = `${toolOf(this.family)} edit`;
    const late = () => {
      const detail = 'another edit of this process has not ended';
      return fromNative({ kind: 'lock', errno: etimedout, operation, detail });
    };
    return inTurn(this.#world.name, options, late, work);
  }

  async supports(kind: Kind, name: string): Promise<boolean> {
    return hasExtension(this.family, kind, name);
  }

  async checkUndoable(): Promise<void> {}

  /** The new table; `undefined`: it is not the one any more that was read. */
  #after(draft: TableDraft): StoredTable | undefined {
    const { family, name } = draft.base;
    const stored = this.#world.store.get(family, name);
    if (stored === undefined || stored.reading !== draft.base) return undefined;
    const after = tableAfter(draft, stored);
    const loop = loopIn(draft, after.chains);
    if (loop !== undefined) throw loop;
    return after;
  }

  check(change: TableDraft): Promise<'checked' | 'stale'> {
    const operation = operationOn('commit', [change.base]);
    return this.#run(operation, undefined, () => (this.#after(change) ? 'checked' : 'stale'));
  }

  commit(changes: readonly [TableDraft, ...TableDraft[]]): Promise<Committed> {
    const bases = changes.map(({ base }) => base);
    return this.#run(operationOn('commit', bases), undefined, () => {
      const { store } = this.#world;
      const after = changes.map((change) => this.#after(change));
      if (after.includes(undefined)) return { outcome: 'stale', countersLost: false };
      const changed = after.filter((table): table is StoredTable => {
        return table !== undefined && !isSame(table, store.get(table.family, table.name)!);
      });
      if (changed.length === 0) return { outcome: 'unchanged', countersLost: false };
      store.commit(changed);
      return { outcome: 'done', countersLost: false };
    });
  }
}
