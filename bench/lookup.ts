// getSync(): one lookup after the other on the JS thread; getMany(): pipelined. Against a C program
// that asks the same over one socket, one by one and in batches of the same depth.
import { conntrack, type Flow, FlowBatch, type TupleInit } from '../src/index.js';
import { runBaseline, shown, taken } from './lib/baseline.js';
import type { Bench } from './lib/bench.js';
import { contest, type Measured, timed, timedSync } from './lib/contest.js';
import type { Contestant } from './lib/result.js';
import { eachSize } from './lib/table.js';

const requests = 100_000;
/** How many lookups the C program sends at once. */
const depth = 128;

/** Random flows; the same on every run. */
function pickFlows(batch: FlowBatch, count: number): Flow[] {
  let state = 0x2545f491;
  const next = (below: number) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  return Array.from({ length: count }, () => batch.at(next(batch.length))!);
}

/** Their tuples, as a caller writes them. */
const tuplesOf = (flows: readonly Flow[]): TupleInit[] =>
  flows.map(({ protocol, orig: { src, dst, srcPort, dstPort } }) => {
    return { protocol, src, dst, srcPort, dstPort };
  });

function oneByOne(tuples: readonly TupleInit[]): void {
  let found = 0;
  for (const tuple of tuples) if (conntrack.getSync(tuple) !== undefined) found++;
  if (found !== tuples.length) throw new Error(`getSync found ${found} of ${tuples.length}`);
}

async function pipelined(tuples: FlowBatch | readonly TupleInit[]): Promise<void> {
  const flows = await conntrack.getMany(tuples);
  const found = flows.filter((flow) => flow !== undefined).length;
  if (found !== tuples.length) throw new Error(`getMany found ${found} of ${tuples.length}`);
}

export const bench: Bench = {
  name: 'lookup',
  about: 'getSync() and getMany() by tuple',
  async run(context) {
    await eachSize(context, async (size) => {
      const flows = pickFlows(await conntrack.dump(), requests);
      const tuples = tuplesOf(flows);
      const count = ['--count', size, '--requests', requests];
      const single = await contest(
        {
          'getSync()': () => timedSync(() => oneByOne(tuples)),
          'C one by one': () => taken(runBaseline('get_loop', ...count)),
        },
        { rounds: context.rounds },
      );
      context.report({
        what: `${requests.toLocaleString('en-US')} lookups, one by one, flows in the table`,
        size,
        contestants: [
          perSecond('getSync()', 'conntrack.getSync(tuple)', single['getSync()']),
          perSecond('C one by one', shown('get_loop', ...count), single['C one by one']),
        ],
        compare: { a: 'getSync()', b: 'C one by one' },
        bar: { text: '≥ 0.75 × the C rate', kind: 'at least', limit: 0.75 },
      });
      const piped = [...count, '--pipeline', depth];
      const batch = FlowBatch.of(flows);
      for (const [of, asked] of [
        ['tuples', tuples],
        ['batch', batch],
      ] as const) {
        const many = await contest(
          {
            'getMany()': () => timed(() => pipelined(asked)),
            'C pipelined': () => taken(runBaseline('get_loop', ...piped)),
          },
          { rounds: context.rounds },
        );
        context.report({
          what: `${requests.toLocaleString('en-US')} lookups of a ${of === 'batch' ? of : 'list'}, pipelined, flows in the table`,
          size,
          contestants: [
            perSecond('getMany()', `await conntrack.getMany(${of})`, many['getMany()']),
            perSecond('C pipelined', shown('get_loop', ...piped), many['C pipelined']),
          ],
          compare: { a: 'getMany()', b: 'C pipelined' },
          bar: { text: '≥ 0.8 × the pipelined C rate', kind: 'at least', limit: 0.8 },
        });
      }
    });
  },
};

function perSecond(name: string, command: string, { values, cpu }: Measured): Contestant {
  const rates = values.map((time) => (requests / time) * 1e9);
  return { name, command, unit: 'per-second', values: rates, cpu };
}
