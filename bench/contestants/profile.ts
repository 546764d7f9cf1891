// Repeats one kind of work for as many milliseconds as a request says, so that a profiler can watch it:
// profile.ts WORK.
import { conntrack, iptables } from '../../src/index.js';
import { serve } from '../lib/contestant.js';

/** The number of rules in the edited chain before the first edit. */
let length: number | undefined;

const works: Record<string, () => Promise<unknown>> = {
  dump: () => conntrack.dump(),
  'dump-parallel': () => conntrack.dump(undefined, { parallel: 'auto' }),
  'dump-batches': async () => {
    for await (const _ of conntrack.dumpBatches());
  },
  'get-many': async () => {
    const flows = (await conntrack.dump()).toArray();
    for (let round = 0; round < 10; round++) await conntrack.getMany(flows);
  },
  'create-many': async () => {
    const flows = (await conntrack.dump()).toArray();
    for (let round = 0; round < 3; round++) {
      await conntrack.flush();
      await conntrack.createMany(flows);
    }
  },
  // Each edit removes what the edit before it appended, so that the table keeps its size.
  'iptables-edit': () =>
    iptables.edit('filter', (table) => {
      const chain = table.chain('FORWARD');
      length ??= chain.length;
      while (chain.length > length) chain.delete(chain.length - 1);
      for (let i = 0; i < 300; i++)
        chain.append(`-s 192.0.2.${i % 256} -p tcp --dport ${i} -j DROP`);
    }),
  'iptables-read': async () => {
    for (const chain of (await iptables.read('filter')).chains.values()) {
      for (const rule of chain.rules) if (rule.matches.length === 0 && !rule.target) return;
    }
  },
};

const work = works[process.argv[2] ?? ''];
if (work === undefined) throw new Error(`profile.ts: one of ${Object.keys(works).join(', ')}`);
await work();

await serve<number>(async (milliseconds) => {
  const end = performance.now() + milliseconds;
  let times = 0;
  for (; performance.now() < end; times++) await work();
  return { times };
});
