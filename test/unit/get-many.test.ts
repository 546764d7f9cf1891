// getMany without a kernel: which tuples go in one request, and that each answer gets its place.
import { getMany } from '../../src/conntrack/lookup/get-many.js';
import { tupleBytes } from '../../src/conntrack/lookup/tuple-packer.js';
import { FlowBatch, type TupleInit } from '../../src/index.js';
import type { RawLookup } from '../../src/native/binding.js';
import { chunkCases } from '../support/chunks.js';
import { assert, suite } from '../support/harness.js';
import { noStats, rawBatch } from '../support/made-batch.js';
import { Random } from '../support/random.js';

const test = suite('getMany, order');

const tuple: TupleInit = {
  ...{ protocol: 'udp', src: '10.0.0.1', dst: '10.0.0.2', srcPort: 1, dstPort: 2 },
};

/**
 * Answers each tuple with a flow whose mark is the index of the tuple. The rows come in reverse order. Every seventh
 * tuple has no flow.
 */
function kernel() {
  const sizes: number[] = [];
  let place = 0;
  const lookUp = async (packed: Uint8Array): Promise<RawLookup> => {
    const size = packed.length / tupleBytes;
    sizes.push(size);
    const raw = rawBatch(new Random(1), { rows: size, ipv6: 0, group: 0, bits: 20 });
    const { mark } = FlowBatch.fromRaw(raw, noStats).columns;
    const rows = new Int32Array(size);
    for (let i = 0; i < size; i++, place++) {
      rows[i] = place % 7 === 3 ? -1 : size - 1 - i;
      mark[size - 1 - i] = place;
    }
    await new Promise(setImmediate);
    return { batch: raw, rows, undecodable: 0 };
  };
  return { sizes, lookUp };
}

test('chunks of 4,096, no empty request after the last full chunk, each answer at its place', async () => {
  for (const [count, expected] of chunkCases) {
    const { sizes, lookUp } = kernel();
    const tuples = new Array<TupleInit>(count).fill(tuple);
    const pack = (from: number, to: number) => new Uint8Array((to - from) * tupleBytes);
    const found = await getMany(lookUp, { length: count, pack });
    assert.equal(sizes, expected);
    assert.equal(
      found.map((flow) => flow?.mark),
      tuples.map((_, place) => (place % 7 === 3 ? undefined : place)),
    );
  }
});

test.run();
