// Repeats every kind of work that holds native memory, sockets or threads, to show in minutes what hours of use
// would show. A request is a number of rounds. The answer says what is resident, open and running after them.
import { readdirSync } from 'node:fs';
import { Conntrack, iptables } from '../../src/index.js';
import { serve } from '../lib/contestant.js';
import { memory } from '../lib/process-memory.js';

export interface LeakSample {
  residentBytes: number;
  heapBytes: number;
  externalBytes: number;
  descriptors: number;
  threads: number;
}

const tick = () => new Promise((resolve) => setTimeout(resolve, 0));

async function dumps(table: Conntrack): Promise<void> {
  const batch = await table.dump();
  await table.dump(undefined, { parallel: 2 });
  await table.dump({ protocol: 'tcp', dstPort: 443 });
  batch.filter({ protocol: 'udp' }).groupBy('origDstPort');
  batch.top(10, 'timeout').toArray();
  // The loop ends after the first batch, and the thread of the dump must end too.
  for await (const _ of table.dumpBatches({}, { batchSize: 512 })) break;
  const abort = new AbortController();
  const aborted = table.dump(undefined, { signal: abort.signal });
  abort.abort();
  await aborted.catch(() => {});
  await table.getMany(Array.from(batch.slice(0, 200)));
  for (const flow of batch.slice(0, 50)) table.getSync(flow);
}

async function changes(table: Conntrack, round: number): Promise<void> {
  const flows = Array.from({ length: 100 }, (_, i) => ({
    protocol: 'udp' as const,
    src: `203.0.113.${round % 250}`,
    dst: '198.51.100.1',
    srcPort: 1000 + i,
    dstPort: 9,
    timeout: 600,
    mark: 0x1ea4,
  }));
  await table.createMany(flows);
  await table.updateWhere({ mark: 0x1ea4 }, { timeout: 300 });
  await table.deleteWhere({ mark: 0x1ea4 }, { returning: true });
}

async function events(table: Conntrack, round: number): Promise<void> {
  await using stream = table.events({ filter: { protocol: 'udp' } });
  await using batches = table.events({ queue: { maxEvents: 16 } });
  const flow = {
    ...{ protocol: 'udp' as const, src: `203.0.113.${round % 250}`, dst: '198.51.100.2' },
    ...{ srcPort: 5, dstPort: 9, timeout: 60 },
  };
  await table.create(flow);
  await table.delete(flow);
  for await (const event of stream) if (event.type === 'destroy') break;
  for await (const _ of batches.batches()) break;
}

async function rules(): Promise<void> {
  await iptables.edit('filter', (edit) => {
    edit.chain('FORWARD').append('-p tcp --dport 443 -m conntrack --ctstate NEW -j ACCEPT');
  });
  const table = await iptables.read('filter');
  table.toJSON();
  await iptables.edit('filter', (edit) => {
    edit.chain('FORWARD').flush();
  });
}

let round = 0;
let conntrack = Conntrack.open();
await serve<number>(async (rounds): Promise<LeakSample> => {
  for (let i = 0; i < rounds; i++, round++) {
    await dumps(conntrack);
    await changes(conntrack, round);
    await events(conntrack, round);
    await rules();
    if (round % 10 !== 0) continue;
    await conntrack.close();
    conntrack = Conntrack.open();
  }
  // Unreachable memory is freed in two steps: the objects, then what their finalizers hold.
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await tick();
  }
  const { heapUsed, external } = process.memoryUsage();
  return {
    residentBytes: memory().resident,
    heapBytes: heapUsed,
    externalBytes: external,
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
  };
});
