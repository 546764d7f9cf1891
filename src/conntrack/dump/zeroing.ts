// Sets the counters of a batch to zero when it is the reader's turn to get it. So a reader that stops in the middle has
// every count that was set to zero, and the flows that it has not read keep theirs.
import type { RawDumpBatch } from '../../native/binding.js';
import { absent } from '../../native/numbers.js';
import type { Session } from '../../native/session.js';
import { FlowBatch } from '../batch/flow-batch.js';
import { ColumnStore } from '../columns/column-store.js';
import { matchingRows } from '../filter/column-filter.js';
import type { CheckedFilter } from '../filter/types.js';
import { TuplePacker } from '../lookup/tuple-packer.js';

/**
 * Reads the flows of a batch again, and sets their counters to zero in the same step. Flows that have ended meanwhile are
 * in a batch of their own: what the dump read are their last counts.
 */
export async function zeroed(
  session: Session,
  { batch, stats }: RawDumpBatch,
  filter: CheckedFilter,
): Promise<FlowBatch[]> {
  const read = FlowBatch.fromRaw(batch, stats);
  const packer = new TuplePacker(read.length);
  for (const flow of read) packer.add(flow, 'flow');
  const { binding, handle, cell } = session.begin('conntrack dump');
  // close() waits for it, and nothing stops it before its end: its counts would be lost.
  const asked = binding.ctGetAndZero(handle, packer.bytes);
  session.track(cell, asked);
  const { batch: now, rows, undecodable } = await asked;
  if (batch.table !== undefined) now.table = batch.table;
  const found = FlowBatch.fromRaw(now, { ...stats, undecodable: stats.undecodable + undecodable });
  const [before, after] = [read.columns.id, found.columns.id];
  const ended = new Set<number>();
  const others = new Set<number>();
  rows.forEach((row, i) => {
    if (row !== absent && after[row] === before[i]) return;
    ended.add(i);
    if (row !== absent) others.add(row);
  });
  if (ended.size === 0) return [found];
  // Another flow took the tuple meanwhile. It was set to zero too: its counts belong in here if it matches.
  for (const row of matchingRows(ColumnStore.fromRaw(now), filter)) others.delete(row);
  const kept = others.size === 0 ? found : found.filter((_, row) => !others.has(row));
  const last = read.filter((_, row) => ended.has(row));
  return [kept, last].filter(({ length }) => length > 0);
}
