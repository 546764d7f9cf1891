// Changes of tables, of one family or of both, as one transaction. It counts only if nobody has committed anything since
// the readings. Only what changed is sent.
import { describeErrno } from '../../errno.js';
import { bounded, fromNative, NetfilterError } from '../../errors.js';
import { transactionEnd } from '../../native/numbers.js';
import type { RawTransaction } from '../../native/xtables-binding.js';
import type { Outcome } from '../edit/backend.js';
import { culprit, objectMissing } from '../edit/blame.js';
import type { TableDraft } from '../edit/change.js';
import { operationOn } from '../text/family.js';
import { type Encoding, newEntries } from '../xtables/encode-change.js';
import { olderRevisions } from '../xtables/revisions.js';
import { resolveSets } from '../xtables/sets.js';
import type { NftImage } from './image.js';
import type { NftKernel } from './kernel.js';
import { chainNames, type Operation, operationsOf } from './operations.js';
import { writeScript } from './script.js';

/** errno of a kernel without an extension (ENOENT) or without its revision. */
const lackings = new Set(['ENOENT', 'EPROTOTYPE', 'EPROTONOSUPPORT', 'EOPNOTSUPP']);

/**
 * How often a transaction is sent again because somebody committed something else in the namespace. The tables
 * themselves are the same then.
 */
const resends = 64;

/** The change of one table. */
interface Part {
  readonly change: TableDraft;
  readonly encoding: Encoding;
}

const imageOf = ({ change }: Part) => change.base as NftImage;

export class Transaction {
  readonly #kernel: NftKernel;
  readonly #parts: Part[];

  private constructor(kernel: NftKernel, parts: Part[]) {
    this.#kernel = kernel;
    this.#parts = parts;
  }

  static async of(kernel: NftKernel, changes: readonly TableDraft[]): Promise<Transaction> {
    const parts: Part[] = [];
    for (const change of changes) {
      const rules = Array.from(change.newRules(), ({ item }) => item);
      const sets = await resolveSets(kernel.session, change.base.family, rules);
      parts.push({ change, encoding: { sets } });
    }
    return new Transaction(kernel, parts);
  }

  /** Asks the kernel, and throws what a commit would throw. A loop of chains may be seen by a commit only. */
  async check(): Promise<'checked' | 'stale'> {
    return (await this.#run(false)) === 'stale' ? 'stale' : 'checked';
  }

  commit(): Promise<Outcome> {
    return this.#run(true);
  }

  async #run(commit: boolean): Promise<Outcome> {
    try {
      return await this.#sendAgain(commit);
    } catch (error) {
      if (!(error instanceof NetfilterError) || !lackings.has(error.code)) throw error;
      if (await this.#useOlderRevisions()) return await this.#sendAgain(commit);
      throw error.code === 'ENOENT' ? objectMissing(error, this.#rulesOf(error)) : error;
    }
  }

  async #sendAgain(commit: boolean): Promise<Outcome> {
    const read = this.#parts.map(imageOf);
    let bases = read;
    for (let sent = 0; sent < resends; sent++) {
      // Tables that were read in different states are no reading of one moment.
      const isOneMoment = bases.every(({ generation }) => generation === bases[0]!.generation);
      const outcome = isOneMoment ? await this.#send(bases, commit) : 'stale';
      if (outcome !== 'stale') return outcome;
      // Any commit in the namespace makes the readings stale. The edit still fits if the tables are the same.
      bases = await this.#readAgain();
      if (bases.some((base, index) => !base.isSame(read[index]!))) break;
    }
    return 'stale';
  }

  async #readAgain(): Promise<NftImage[]> {
    const images: NftImage[] = [];
    for (const part of this.#parts) {
      const { family, name, wanted } = imageOf(part);
      images.push(await this.#kernel.read(family, name, undefined, wanted));
    }
    return images;
  }

  async #send(bases: readonly NftImage[], commit: boolean): Promise<Outcome> {
    const scripts: Uint8Array[] = [];
    const sent: { readonly base: NftImage; readonly operations: readonly Operation[] }[] = [];
    this.#parts.forEach(({ change, encoding }, index) => {
      const base = bases[index]!;
      const operations = operationsOf(change, base, encoding);
      if (operations.length === 0) return;
      scripts.push(writeScript(base, operations, chainNames(change)));
      sent.push({ base, operations });
    });
    if (scripts.length === 0) return 'unchanged';
    const all = operationOn(
      'commit',
      sent.map(({ base }) => base),
    );
    const result = await this.#kernel.transaction(all, scripts, commit);
    if (result.outcome === transactionEnd.refused) {
      const about = result.step < 0 ? undefined : sent[result.script];
      const operation = about === undefined ? all : operationOn('commit', [about.base]);
      throw refusal(operation, result, about?.operations[result.step]);
    }
    return result.outcome === transactionEnd.stale ? 'stale' : 'done';
  }

  /** Writes extensions in the revisions that the kernel has. Returns whether this makes a difference. */
  async #useOlderRevisions(): Promise<boolean> {
    let differs = false;
    for (const [index, { change, encoding }] of this.#parts.entries()) {
      const { family } = change.base;
      const entries = newEntries(change, change.base as NftImage, encoding);
      const maxRevision = await olderRevisions(this.#kernel.probe(family), family, entries);
      if (maxRevision === undefined) continue;
      this.#parts[index] = { change, encoding: { ...encoding, maxRevision } };
      differs = true;
    }
    return differs;
  }

  /** The new rules that an error is about: the one that it names, or all. */
  #rulesOf(error: NetfilterError) {
    const found = this.#parts.flatMap(({ change }) => {
      const named = culprit(error, change);
      return named === undefined ? [] : [...change.newRules()].filter(({ item }) => item === named);
    });
    return found.length > 0 ? found : this.#parts.flatMap(({ change }) => [...change.newRules()]);
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
  { errno, text }: RawTransaction,
  about: Operation | undefined,
): NetfilterError {
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
