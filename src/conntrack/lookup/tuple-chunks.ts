// Many tuples as requests need them, some thousand at a time. Those of a batch are packed by native code, from its columns.
import { iterableAt } from '../../checks.js';
import { call } from '../../native/load.js';
import type { Session } from '../../native/session.js';
import { FlowBatch } from '../batch/flow-batch.js';
import type { ColumnStore } from '../columns/column-store.js';
import { Flow } from '../flow/flow.js';
import type { TupleInit } from '../input/tuple.js';
import { TuplePacker } from './tuple-packer.js';

/** Tuples, or flows, of a chunk: the JS thread is busy with it for a few milliseconds at most. */
export const chunkSize = 4096;

/** Packed tuples, and the place of each in the input. */
export interface TupleChunk {
  readonly packed: Uint8Array;
  readonly indexes: ArrayLike<number>;
}

/** The table that a request is for, where that matters: a Flow may be of another table. */
export function tableFor(session: Session, target: unknown): string | undefined {
  return Flow.isFlow(target) ? session.table('conntrack table') : undefined;
}

/** Packs the tuples of rows. Rows of this very table mean the flows with their ids. */
export function packRowTuples(
  session: Session,
  store: ColumnStore,
  from: number,
  to: number,
): Uint8Array {
  const { table } = store;
  const own = table !== undefined && session.table('conntrack table') === table;
  const rows = store.rowNumbers(from, to);
  return call((binding) => binding.ctPackTuples(store.memory, rows, own));
}

function* rowChunks(session: Session, store: ColumnStore): Generator<TupleChunk, void> {
  for (let from = 0; from < store.rows; from += chunkSize) {
    const to = Math.min(store.rows, from + chunkSize);
    const indexes = new Uint32Array(to - from);
    for (let i = 0; i < indexes.length; i++) indexes[i] = from + i;
    yield { packed: packRowTuples(session, store, from, to), indexes };
  }
}

/** The tuples of a batch or of anything that can be iterated over. `refused` hears of what is no tuple. */
export function* tupleChunks(
  session: Session,
  input: Iterable<Flow | TupleInit>,
  name: string,
  refused: (index: number, error: unknown) => void,
): Generator<TupleChunk, void> {
  const store = session.isNative ? FlowBatch.storeOf(input) : undefined;
  if (store !== undefined) return yield* rowChunks(session, store);
  let index = 0;
  const path = () => `${name}[${index}]`;
  let packer = new TuplePacker(chunkSize);
  let indexes: number[] = [];
  for (const tuple of iterableAt(input, name, 'tuples or Flows')) {
    const table = tableFor(session, tuple);
    try {
      packer.add(tuple, path, table);
      indexes.push(index);
    } catch (error) {
      refused(index, error);
    }
    index++;
    if (indexes.length < chunkSize) continue;
    yield { packed: packer.bytes, indexes };
    packer = new TuplePacker(chunkSize);
    indexes = [];
  }
  if (indexes.length > 0) yield { packed: packer.packed, indexes };
}
