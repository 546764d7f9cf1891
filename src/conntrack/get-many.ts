// Looking up many flows: packed in chunks while the kernel answers the chunk before. Knows packing and
// order, no socket.
import type { RawLookup } from '../native/binding.js';
import type { Flow } from './flow.js';
import { FlowBatch } from './flow-batch.js';
import { type TupleInit, TuplePacker } from './tuple.js';

/** Tuples packed and sent at a time: the JS thread is busy for a few milliseconds at most. */
const chunk = 4096;

const noStats = {
  ...{ messages: 0, undecodable: 0, rejected: 0, duplicates: 0, kernelFilter: 0, sockets: 1 },
};

/** A lookup by tuple finds whatever has it now: another flow than the one meant, if the id differs. */
export function sameId(found: Flow, wanted: TupleInit | Flow): Flow | undefined {
  return wanted.id === undefined || wanted.id === found.id ? found : undefined;
}

/** The flow of each tuple, in their order. */
export async function getMany(
  lookUp: (packed: Uint8Array) => Promise<RawLookup>,
  tuples: readonly (TupleInit | Flow)[],
  pathOf: (index: number) => string,
): Promise<(Flow | undefined)[]> {
  const results: (Flow | undefined)[] = [];
  const collect = async (pending: Promise<RawLookup>, from: number) => {
    const { batch, rows } = await pending;
    const found = FlowBatch.fromRaw(batch, noStats);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      results.push(row < 0 ? undefined : sameId(found.at(row), tuples[from + i]!));
    }
  };
  let index = 0;
  const path = () => pathOf(index);
  let asked: Promise<void> | undefined;
  while (index < tuples.length) {
    const from = index;
    const end = Math.min(from + chunk, tuples.length);
    const packer = new TuplePacker(end - from);
    for (; index < end; index++) packer.add(tuples[index]!, path);
    // Nothing to wait for the first time: a lookup begins in the call that asks for it.
    if (asked) await asked;
    asked = collect(lookUp(packer.bytes), from);
    asked.catch(() => {});
    if (index < tuples.length) await new Promise(setImmediate);
  }
  await asked;
  return results;
}
