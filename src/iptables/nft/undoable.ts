// Whether an edit can be taken back in nf_tables: the kernel lists some rules of the nft tool that it takes from nobody, and
// others need a set that goes with them.
import { describeErrno } from '../../errno.js';
import { TableError } from '../../errors.js';
import { nftReading, transactionEnd } from '../../native/numbers.js';
import type { TableDraft } from '../edit/change.js';
import { operationOn } from '../text/family.js';
import type { NftImage } from './image.js';
import type { NftKernel } from './kernel.js';
import { type Operation, rawContent } from './operations.js';
import { writeScript } from './script.js';

interface Deleted {
  readonly chain: string;
  /** Its place in the chain. */
  readonly place: number;
  /** Its index in the reading. */
  readonly index: number;
}

/** The foreign rules that a change deletes. */
function deletedForeign(change: TableDraft, base: NftImage): Deleted[] {
  const kept = new Set<number>();
  for (const { items, first, count } of change.chains.values()) {
    for (let index = first; items === undefined && index < first + count; index++) kept.add(index);
    for (const item of items ?? []) {
      const index = typeof item === 'number' ? item : 'base' in item ? item.base : undefined;
      if (index !== undefined) kept.add(index);
    }
  }
  const deleted: Deleted[] = [];
  for (const { name: chain, first, count } of base.chains) {
    for (let index = first; index < first + count; index++) {
      if (kept.has(index) || base.reading(index) !== nftReading.foreign) continue;
      deleted.push({ chain, place: index - first, index });
    }
  }
  return deleted;
}

/**
 * Asks the kernel whether it would take the foreign rules again that a change deletes.
 * @throws {TableError} `ERR_NETFILTER_NOT_UNDOABLE`
 */
export async function checkUndoable(kernel: NftKernel, change: TableDraft): Promise<void> {
  const base = change.base as NftImage;
  const deleted = deletedForeign(change, base);
  if (deleted.length === 0) return;
  const operations = deleted.map(({ chain, place, index }): Operation => {
    const content = rawContent(base, index);
    const counters = undefined;
    return { do: 'rule', chain, place: 'append', content, counters, index: place, within: chain };
  });
  // Any generation will do: nothing comes of it.
  const table = { family: base.family, name: base.name, generation: 0 };
  const names = base.chains.map(({ name }) => name);
  const script = writeScript(table, operations, names);
  const operation = operationOn('edit', [base]);
  const { outcome, step, errno, text } = await kernel.transaction(operation, [script], false);
  if (outcome !== transactionEnd.refused) return;
  const { code } = describeErrno(errno);
  const which = deleted[step];
  const about = which === undefined ? 'a rule' : `rule ${which.place} of chain ${which.chain}`;
  const note = which === undefined ? '' : ` (${base.note(which.index)})`;
  throw new TableError(
    'ERR_NETFILTER_NOT_UNDOABLE',
    `${operation}: ${about} is a rule of the nft tool${note}, and the kernel would not take it back (${[code, text].filter(Boolean).join(': ')}): an edit that deletes it could not be taken back`,
  );
}
