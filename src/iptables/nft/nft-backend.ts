// The tables of iptables-nft in nf_tables as a backend. No lock keeps other writers away: transaction.ts says how none of
// them is overwritten.
import { fromNative } from '../../errors.js';
import type { LinkedSignal } from '../../linked-signal.js';
import type { Session } from '../../native/session.js';
import type { Committed, FollowOptions, LockOptions, TableBackend } from '../edit/backend.js';
import type { TableDraft } from '../edit/change.js';
import { inTurn } from '../edit/turn.js';
import type { Kind } from '../extensions/define.js';
import type { TableName, Wanted } from '../table/reading.js';
import type { Family } from '../text/addresses.js';
import { toolOf } from '../text/family.js';
import { highestRevision } from '../xtables/revisions.js';
import { followNft } from './changes.js';
import type { NftImage } from './image.js';
import { NftKernel } from './kernel.js';
import { Transaction } from './transaction.js';
import { checkUndoable } from './undoable.js';

const etimedout = 110;

export class NftBackend implements TableBackend {
  readonly kind = 'nft';
  readonly family: Family;
  readonly joins = true;
  /** A busy host has a commit of somebody every few milliseconds. */
  readonly attempts = 32;
  readonly whenChanged =
    'no lock keeps other writers of nf_tables away; repeat the edit when it is quiet';
  readonly #session: Session;
  readonly #kernel: NftKernel;

  constructor(session: Session, family: Family) {
    this.family = family;
    this.#session = session;
    this.#kernel = new NftKernel(session);
  }

  tables(): Promise<TableName[]> {
    return this.#kernel.tables(this.family);
  }

  read(table: TableName, signal?: AbortSignal, wanted?: Wanted): Promise<NftImage> {
    return this.#kernel.read(this.family, table, signal, wanted);
  }

  changes(options: FollowOptions, ending: LinkedSignal) {
    const read = (table: TableName, signal: AbortSignal) => this.read(table, signal);
    return followNft({ session: this.#session, family: this.family, read }, options, ending);
  }

  /** Other processes are not kept away. Edits of this process in one namespace wait for each other. */
  locked<T>(options: LockOptions, work: () => Promise<T>): Promise<T> {
    const operation = `${toolOf(this.family)} edit`;
    const key = `nf_tables ${this.#session.table(operation)}`;
    const late = () => {
      const detail = 'another edit of this process has not ended';
      return fromNative({ kind: 'lock', errno: etimedout, operation, detail });
    };
    return inTurn(key, options, late, work);
  }

  async supports(kind: Kind, name: string): Promise<number | boolean> {
    const found = await highestRevision(this.#kernel.probe(this.family), kind, name);
    // Written with an expression of nf_tables itself (native/core/nftables/write_rule.cc).
    return found === false && kind === 'target' && name === 'TRACE' ? true : found;
  }

  async check(change: TableDraft): Promise<'checked' | 'stale'> {
    const transaction = await Transaction.of(this.#kernel, [change]);
    return transaction.check();
  }

  checkUndoable(change: TableDraft): Promise<void> {
    return checkUndoable(this.#kernel, change);
  }

  async commit(changes: readonly [TableDraft, ...TableDraft[]]): Promise<Committed> {
    const transaction = await Transaction.of(this.#kernel, changes);
    return { outcome: await transaction.commit(), countersLost: false };
  }
}
