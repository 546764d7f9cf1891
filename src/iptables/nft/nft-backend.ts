// The tables of iptables-nft in nf_tables as a backend. No lock keeps other writers away: a transaction counts only if
// nobody has committed anything since the reading. Only what an edit changed is sent.
import { describeErrno } from '../../errno.js';
import { bounded, fromNative, NetfilterError } from '../../errors.js';
import { transactionEnd } from '../../native/numbers.js';
import type { Session } from '../../native/session.js';
import type { RawTransaction } from '../../native/xtables-binding.js';
import type { Committed, LockOptions, TableBackend } from '../edit/backend.js';
import { culprit, objectMissing } from '../edit/blame.js';
import type { TableChange } from '../edit/change.js';
import { inTurn } from '../edit/turn.js';
import type { Kind } from '../extensions/define.js';
import type { TableName } from '../table/reading.js';
import type { Family } from '../text/addresses.js';
import { familyNumber, toolOf } from '../text/family.js';
import { type Encoding, newEntries } from '../xtables/encode-change.js';
import { olderRevisions, type Probe, probeWith } from '../xtables/revisions.js';
import { resolveSets } from '../xtables/sets.js';
import { NftImage } from './image.js';
import { chainNames, type Operation, operationsOf } from './operations.js';
import { writeScript } from './script.js';

/** errno of a kernel without an extension (ENOENT) or without its revision. */
const lackings = new Set(['ENOENT', 'EPROTOTYPE', 'EPROTONOSUPPORT', 'EOPNOTSUPP']);
const etimedout = 110;

/**
 * How often a transaction is sent again because somebody committed something else in the namespace. The table itself
 * is the same then.
 */
const resends = 64;

export class NftBackend implements TableBackend {
  readonly tool: string;
  /** A busy host has a commit of somebody every few milliseconds. */
  readonly attempts = 32;
  readonly whenChanged =
    'no lock keeps other writers of nf_tables away; repeat the edit when it is quiet';
  readonly #session: Session;
  readonly #family: Family;
  readonly #probe: Probe;

  constructor(session: Session, family: Family) {
    this.tool = toolOf(family);
    this.#session = session;
    this.#family = family;
    this.#probe = probeWith(session, (binding, handle, queries) =>
      binding.nftRevisions(handle, familyNumber(family), queries),
    );
  }

  tables(): Promise<TableName[]> {
    return this.#session.run(`${this.tool} tables`, undefined, (binding, handle, cell) =>
      binding.nftTables(handle, cell, familyNumber(this.#family)),
    );
  }

  async read(table: TableName, signal?: AbortSignal): Promise<NftImage> {
    const operation = `${this.tool} read ${table}`;
    const buffer = await this.#session.run(operation, signal, (binding, handle, cell) =>
      binding.nftRead(handle, cell, familyNumber(this.#family), table),
    );
    return new NftImage(buffer);
  }

  /** Other processes are not kept away. Edits of this process in one namespace wait for each other. */
  locked<T>(options: LockOptions, work: () => Promise<T>): Promise<T> {
    const operation = `${this.tool} edit`;
    const key = `nf_tables ${this.#session.table(operation)}`;
    const late = () => {
      const detail = 'another edit of this process has not ended';
      return fromNative({ kind: 'lock', errno: etimedout, operation, detail });
    };
    return inTurn(key, options, late, work);
  }

  async supports(kind: Kind, name: string): Promise<boolean> {
    const [has] = await this.#probe([{ kind, name, revision: 0 }]);
    return has === true;
  }

  async check(change: TableChange): Promise<void> {
    const base = change.base as NftImage;
    const encoding = await this.#encoding(change);
    const maxRevision = await this.#olderRevisions(change, base, encoding);
    await this.#send(change, base, { ...encoding, maxRevision }, false);
  }

  async commit(change: TableChange): Promise<Committed> {
    const encoding = await this.#encoding(change);
    const base = change.base as NftImage;
    try {
      return await this.#commit(change, base, encoding);
    } catch (error) {
      if (!(error instanceof NetfilterError) || !lackings.has(error.code)) throw error;
      const maxRevision = await this.#olderRevisions(change, base, encoding);
      if (maxRevision === undefined) {
        throw error.code === 'ENOENT' ? objectMissing(error, rulesOf(error, change)) : error;
      }
      return await this.#commit(change, base, { ...encoding, maxRevision });
    }
  }

  async #commit(change: TableChange, read: NftImage, encoding: Encoding): Promise<Committed> {
    let base = read;
    for (let sent = 0; sent < resends; sent++) {
      const outcome = await this.#send(change, base, encoding, true);
      if (outcome !== 'stale') return { outcome, countersLost: false };
      // Any commit in the namespace makes the reading stale. The edit still fits if the table is the same.
      const now = await this.read(read.name);
      if (!now.isSame(read)) break;
      base = now;
    }
    return { outcome: 'stale', countersLost: false };
  }

  async #send(
    change: TableChange,
    base: NftImage,
    encoding: Encoding,
    send: boolean,
  ): Promise<'done' | 'unchanged' | 'stale'> {
    const operations = operationsOf(change, base, encoding);
    if (operations.length === 0) return 'unchanged';
    const script = writeScript(base, operations, chainNames(change));
    const operation = `${this.tool} commit ${base.name}`;
    const result = await this.#session.run(operation, undefined, (binding, handle) =>
      binding.nftCommit(handle, script, send),
    );
    if (result.outcome === transactionEnd.refused) throw refusal(operation, result, operations);
    return result.outcome === transactionEnd.stale ? 'stale' : 'done';
  }

  #olderRevisions(change: TableChange, base: NftImage, encoding: Encoding) {
    return olderRevisions(this.#probe, this.#family, newEntries(change, base, encoding));
  }

  async #encoding(change: TableChange): Promise<Encoding> {
    const rules = Array.from(change.newRules(), ({ item }) => item);
    return { sets: await resolveSets(this.#session, this.#family, rules) };
  }
}

/** Why the kernel refuses a rule, where it does not say so itself. By its errno. */
const reasons: Readonly<Record<string, string>> = {
  EMLINK: 'chains jump in a loop, or through more chains one after the other than the kernel takes',
  ENOENT: 'the kernel lacks an extension, its revision, or an object that it names',
  EINVAL:
    'the kernel refused it: an extension in the wrong table, chain or protocol, or a value that it does not take',
};

/** What the kernel refused, with the rule or chain that it is about. */
function refusal(
  operation: string,
  { step, errno, text }: RawTransaction,
  operations: readonly Operation[],
): NetfilterError {
  const about = operations[step];
  const what =
    about === undefined
      ? ''
      : about.do === 'rule'
        ? `rule ${about.index} of chain ${about.within}`
        : about.do === 'table'
          ? 'the table'
          : `chain ${about.chain}`;
  const isRule = about === undefined || about.do === 'rule';
  const { code } = describeErrno(errno);
  const why = text === '' && isRule ? (reasons[code] ?? '') : text;
  const detail = bounded([what, why].filter((part) => part !== '').join(': '));
  return fromNative({ kind: 'xtables', errno, operation, detail });
}

/** The new rules that an error is about: the one that it names, or all. */
function rulesOf(error: NetfilterError, change: TableChange) {
  const named = culprit(error, change);
  return named === undefined
    ? change.newRules()
    : [...change.newRules()].filter(({ item }) => item === named);
}
