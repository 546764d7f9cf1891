// dump() on several sockets. A status bit splits the first table evenly: there the C floor with one socket is
// the opponent. In the second table all flows are alike: there it must not cost more than one socket.
import { conntrack } from '../src/index.js';
import { fill } from '../test/support/populate.js';
import { floor } from './dump.js';
import { shown } from './lib/baseline.js';
import { type Bench, million } from './lib/bench.js';
import { contest, timed } from './lib/contest.js';
import { fillTable, seed } from './lib/table.js';

async function dumped(size: number, parallel: 'auto' | 1, seen?: Set<string>): Promise<void> {
  const batch = await conntrack.dump(undefined, { parallel });
  if (batch.length !== size) throw new Error(`dump() saw ${batch.length} of ${size} flows`);
  const { sockets, split } = batch.stats;
  seen?.add(`auto used ${sockets} socket(s)${split ? `, split by ${split}` : ''}`);
}

const command = "await conntrack.dump(undefined, { parallel: 'auto' })";

export const bench: Bench = {
  name: 'dump-parallel',
  about: "dump() with parallel: 'auto'",
  async run(context) {
    for (const size of context.sizes) {
      context.say(`${size.toLocaleString('en-US')} flows, half of them ASSURED`);
      fillTable(size);
      const seen = new Set<string>();
      const even = await contest(
        {
          auto: () => timed(() => dumped(size, 'auto', seen)),
          one: () => timed(() => dumped(size, 1)),
          floor: () => floor(size),
          two: () => floor(size, '--sockets', 2, '--status-split'),
        },
        { rounds: context.rounds },
      );
      context.report({
        what: 'a table that splits evenly',
        size,
        contestants: [
          { name: 'parallel auto', command, unit: 'ns', ...even.auto },
          { name: 'one socket', command: 'await conntrack.dump()', unit: 'ns', ...even.one },
          { name: 'C recv only', command: shown('dump_floor'), unit: 'ns', ...even.floor },
          {
            name: 'C recv only, two sockets',
            command: shown('dump_floor', '--sockets', 2, '--status-split'),
            unit: 'ns',
            ...even.two,
          },
        ],
        compare: { a: 'parallel auto', b: 'C recv only' },
        bar: { text: '≤ 0.62 × the C floor', kind: 'at most', limit: 0.62, size: million },
        notes: [...seen],
      });
      await conntrack.flush();
      context.say(`${size.toLocaleString('en-US')} flows that are all alike`);
      fill({ count: size, seed, profile: 'tcp4', timeout: 86_400 });
      const alike = new Set<string>();
      const same = await contest(
        {
          auto: () => timed(() => dumped(size, 'auto', alike)),
          one: () => timed(() => dumped(size, 1)),
        },
        { rounds: context.rounds },
      );
      context.report({
        what: 'a table that does not split',
        size,
        contestants: [
          { name: 'parallel auto', command, unit: 'ns', ...same.auto },
          { name: 'one socket', command: 'await conntrack.dump()', unit: 'ns', ...same.one },
        ],
        compare: { a: 'parallel auto', b: 'one socket' },
        bar: { text: '≤ 1.05 × one socket', kind: 'at most', limit: 1.05, size: million },
        notes: [...alike],
      });
      await conntrack.flush();
    }
  },
};
