// Looking up many flows: a chunk of tuples is packed while the kernel answers the chunk before. Knows packing and
// order, no socket.
import { fromNative } from '../../errors.js';
import type { RawLookup } from '../../native/binding.js';
import { absent } from '../../native/numbers.js';
import { FlowBatch } from '../batch/flow-batch.js';
import type { Flow } from '../flow/flow.js';
import { chunkSize } from './tuple-chunks.js';

const ebadmsg = 74;

const noStats = {
  ...{ messages: 0, undecodable: 0, rejected: 0, duplicates: 0, kernelFilter: 0, sockets: 1 },
};

/** Tuples to look up. */
export interface TupleList {
  readonly length: number;
  /** Packs the tuples [from, to). */
  pack(from: number, to: number): Uint8Array;
}

/** The flow of each tuple, in their order. */
export async function getMany(
  lookUp: (packed: Uint8Array) => Promise<RawLookup>,
  tuples: TupleList,
  signal?: AbortSignal,
): Promise<(Flow | undefined)[]> {
  const results: (Flow | undefined)[] = [];
  const collect = async (pending: Promise<RawLookup>) => {
    const { batch, rows, undecodable } = await pending;
    // There is a flow that cannot be decoded. It must not be reported as none.
    if (undecodable > 0) {
      const detail = `malformed answer${undecodable > 1 ? `, ${undecodable} times` : ''}`;
      throw fromNative({ errno: ebadmsg, operation: 'conntrack get', detail });
    }
    const found = FlowBatch.fromRaw(batch, noStats);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      results.push(row === absent ? undefined : found.at(row));
    }
  };
  // While the kernel answers one chunk, the JS thread makes flows of the chunk before and packs the next.
  const asked: Promise<RawLookup>[] = [];
  try {
    for (let from = 0; from < tuples.length; from += chunkSize) {
      const packed = tuples.pack(from, Math.min(from + chunkSize, tuples.length));
      signal?.throwIfAborted();
      // The first time there is nothing to wait for: a lookup begins in the call that asks for it.
      const pending = lookUp(packed);
      // It can fail while this function waits for something else. `collect` reports it. Without a handler
      // until then, Node would end the process.
      pending.catch(() => {});
      asked.push(pending);
      if (asked.length > 1) await collect(asked.shift()!);
      if (from + chunkSize < tuples.length) await new Promise(setImmediate);
    }
    for (let one = asked.shift(); one !== undefined; one = asked.shift()) await collect(one);
  } finally {
    // Everything that was asked is answered before this ends, even where it fails.
    await Promise.allSettled(asked);
  }
  return results;
}
