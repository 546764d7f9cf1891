// dumpBatches(): the table in bounded memory, every batch given to a consumer, against dump() and the C
// floor. The bench `memory` measures its memory.
import { conntrack } from '../src/index.js';
import { floor } from './dump.js';
import { shown } from './lib/baseline.js';
import type { Bench } from './lib/bench.js';
import { contest, timed } from './lib/contest.js';
import { eachSize } from './lib/table.js';

export const bench: Bench = {
  name: 'dump-batches',
  about: 'dumpBatches(): the table in bounded memory',
  async run(context) {
    await eachSize(context, async (size) => {
      const values = await contest(
        {
          batches: () =>
            timed(async () => {
              let rows = 0;
              for await (const batch of conntrack.dumpBatches()) rows += batch.length;
              if (rows !== size) throw new Error(`dumpBatches() saw ${rows} of ${size} flows`);
            }),
          dump: () => timed(() => conntrack.dump()),
          floor: () => floor(size),
        },
        { rounds: context.rounds },
      );
      context.report({
        what: 'the whole table in batches of 16,384',
        size,
        contestants: [
          {
            name: 'dumpBatches()',
            command: 'for await (const batch of conntrack.dumpBatches())',
            unit: 'ns',
            ...values.batches,
          },
          { name: 'dump()', command: 'await conntrack.dump()', unit: 'ns', ...values.dump },
          { name: 'C recv only', command: shown('dump_floor'), unit: 'ns', ...values.floor },
        ],
        compare: { a: 'dumpBatches()', b: 'C recv only' },
      });
    });
  },
};
