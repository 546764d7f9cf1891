// The legacy tables of a network namespace as a backend. The xtables lock keeps other writers away. A fingerprint
// shows whether one came nevertheless. A table is committed as a whole.
import { NetfilterError } from '../../errors.js';
import type { LinkedSignal } from '../../linked-signal.js';
import { commitKind } from '../../native/numbers.js';
import type { Session } from '../../native/session.js';
import type { RawCommit } from '../../native/xtables-binding.js';
import type {
  Committed,
  FollowOptions,
  LockOptions,
  Outcome,
  TableBackend,
} from '../edit/backend.js';
import { objectMissing } from '../edit/blame.js';
import type { TableDraft } from '../edit/change.js';
import type { Kind } from '../extensions/define.js';
import { pollChanges } from '../table/poll-changes.js';
import type { TableName } from '../table/reading.js';
import type { Family } from '../text/addresses.js';
import { familyNumber, toolOf } from '../text/family.js';
import { type Encoding, newEntries } from '../xtables/encode-change.js';
import { highestRevision, olderRevisions, type Probe, probeWith } from '../xtables/revisions.js';
import { resolveSets } from '../xtables/sets.js';
import { withLock } from './lock.js';
import { writePlan } from './plan.js';
import { planOf } from './plan-change.js';
import { Snapshot } from './snapshot.js';

/** errno of a kernel without an extension (ENOENT) or without its revision (EPROTOTYPE, EPROTONOSUPPORT). */
const lackings = new Set(['ENOENT', 'EPROTOTYPE', 'EPROTONOSUPPORT']);

const outcomes: Readonly<Record<RawCommit['outcome'], Outcome>> = {
  [commitKind.committed]: 'done',
  [commitKind.unchanged]: 'unchanged',
  [commitKind.changed]: 'stale',
  [commitKind.countersLost]: 'done',
};

export class LegacyBackend implements TableBackend {
  readonly kind = 'legacy';
  readonly family: Family;
  /** Each table is a commit of its own. */
  readonly joins = false;
  /** A writer that comes in between more often has no lock, and does not stop. */
  readonly attempts = 3;
  readonly whenChanged =
    'that writer does not take the xtables lock (or another file: XTABLES_LOCKFILE); repeat the edit when it is quiet';
  readonly #session: Session;
  readonly #tool: string;
  readonly #probe: Probe;

  constructor(session: Session, family: Family) {
    this.#tool = toolOf(family);
    this.#session = session;
    this.family = family;
    this.#probe = probeWith(session, (binding, handle, queries) =>
      binding.xtRevisions(handle, familyNumber(family), queries),
    );
  }

  tables(): Promise<TableName[]> {
    return this.#session.run(`${this.#tool} tables`, undefined, (binding, handle) =>
      binding.xtTables(handle, familyNumber(this.family)),
    );
  }

  async read(table: TableName, signal?: AbortSignal): Promise<Snapshot> {
    const operation = `${this.#tool} read ${table}`;
    const buffer = await this.#session.run(operation, signal, (binding, handle) =>
      binding.xtRead(handle, familyNumber(this.family), table),
    );
    // A reading cannot be stopped. A caller that aborted meanwhile still gets the signal's reason.
    signal?.throwIfAborted();
    return new Snapshot(buffer);
  }

  changes(options: FollowOptions, ending: LinkedSignal) {
    return pollChanges(this, this.family, options, ending);
  }

  locked<T>(options: LockOptions, work: () => Promise<T>): Promise<T> {
    return withLock(this.#session, options, work);
  }

  supports(kind: Kind, name: string): Promise<number | boolean> {
    return highestRevision(this.#probe, kind, name);
  }

  /** A rule that was in the kernel can be put back as its bytes. */
  async checkUndoable(): Promise<void> {}

  async check(change: TableDraft): Promise<'checked'> {
    const base = change.base as Snapshot;
    const encoding = await this.#encoding(change);
    await olderRevisions(this.#probe, this.family, newEntries(change, base, encoding));
    writePlan(base, planOf(change, base, encoding));
    return 'checked';
  }

  async commit([change]: readonly [TableDraft, ...TableDraft[]]): Promise<Committed> {
    const encoding = await this.#encoding(change);
    try {
      return await this.#write(change, encoding);
    } catch (error) {
      if (!(error instanceof NetfilterError) || !lackings.has(error.code)) throw error;
      const rules = newEntries(change, change.base as Snapshot, encoding);
      const maxRevision = await olderRevisions(this.#probe, this.family, rules);
      if (maxRevision === undefined) {
        throw error.code === 'ENOENT' ? objectMissing(error, change.newRules()) : error;
      }
      return await this.#write(change, { ...encoding, maxRevision });
    }
  }

  async #encoding(change: TableDraft): Promise<Encoding> {
    const rules = Array.from(change.newRules(), ({ item }) => item);
    return { sets: await resolveSets(this.#session, this.family, rules) };
  }

  async #write(change: TableDraft, encoding: Encoding): Promise<Committed> {
    const base = change.base as Snapshot;
    const plan = writePlan(base, planOf(change, base, encoding));
    const { outcome } = await this.#session.run(
      `${this.#tool} commit ${base.name}`,
      undefined,
      (binding, handle) => binding.xtCommit(handle, plan, base.bytes),
    );
    return { outcome: outcomes[outcome], countersLost: outcome === commitKind.countersLost };
  }
}
