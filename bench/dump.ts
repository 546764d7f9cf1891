// dump(): the whole table to one FlowBatch on one socket, against the least that the kernel allows
// (a C program that receives and looks at nothing), libnetfilter_conntrack, and programs that people use.
import { conntrack } from '../src/index.js';
import { runBaseline, shown, taken } from './lib/baseline.js';
import { type Bench, million } from './lib/bench.js';
import { contest, type Taken, type Turn, timed } from './lib/contest.js';
import { installed, runToNull, spawnAndParse } from './lib/peers.js';
import { eachSize } from './lib/table.js';

/** Runs the floor, and checks that it saw every flow of the table. */
export function floor(size: number, ...args: (string | number)[]): Taken {
  const report = runBaseline('dump_floor', ...args);
  if (report.count !== size) throw new Error(`dump_floor saw ${report.count} of ${size} flows`);
  return taken(report);
}

const ours = 'dump()';
const floorName = 'C recv only';

export const bench: Bench = {
  name: 'dump',
  about: 'dump() to a FlowBatch, one socket',
  async run(context) {
    await eachSize(context, async (size) => {
      const turns: Record<string, Turn> = {
        [ours]: () =>
          timed(async () => {
            const batch = await conntrack.dump();
            if (batch.length !== size) throw new Error(`dump() saw ${batch.length} of ${size}`);
          }),
        [floorName]: () => floor(size),
        'C libnetfilter_conntrack': () => floor(size, '--nfct'),
      };
      const commands: Record<string, string> = {
        [ours]: 'await conntrack.dump()',
        [floorName]: shown('dump_floor'),
        'C libnetfilter_conntrack': shown('dump_floor', '--nfct'),
      };
      if (installed('conntrack')) {
        turns['conntrack -L'] = () => runToNull(['conntrack', '-L']);
        commands['conntrack -L'] = 'conntrack -L > /dev/null';
        turns['Node, spawn and parse'] = async () => {
          const { flows, ns } = await spawnAndParse();
          if (flows.length !== size) throw new Error(`parsed ${flows.length} of ${size} flows`);
          return ns;
        };
        commands['Node, spawn and parse'] = 'spawn conntrack -L, readline, a pattern per line';
      }
      const values = await contest(turns, { rounds: context.rounds });
      context.report({
        what: 'the whole table',
        size,
        contestants: Object.entries(values).map(([name, measured]) => ({
          name,
          command: commands[name]!,
          unit: 'ns',
          ...measured,
        })),
        compare: { a: ours, b: floorName },
        bar: { text: '≤ 1.03 × the C floor', kind: 'at most', limit: 1.03, size: million },
      });
    });
  },
};
