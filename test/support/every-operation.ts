// A program of the tests. It calls every operation on the table of its namespace and prints each result as one line
// of JSON. It shows what a user without a privilege or a library sees.
import { conntrack, type NetfilterError, support } from '../../src/index.js';

const tcp = {
  protocol: 'tcp',
  src: '10.0.0.1',
  dst: '10.0.0.2',
  srcPort: 1000,
  dstPort: 80,
} as const;
const flow = { ...tcp, timeout: 600, mark: 7 };
const other = { ...flow, srcPort: 1001 };

async function batches(zeroCounters = false): Promise<number> {
  let rows = 0;
  for await (const batch of conntrack.dumpBatches({}, { zeroCounters })) rows += batch.length;
  return rows;
}

const operations: [string, () => unknown][] = [
  ['create', () => conntrack.create(flow)],
  ['createMany', async () => (await conntrack.createMany([other])).created],
  ['upsert', () => conntrack.upsert({ ...flow, mark: 8 })],
  ['upsertMany', async () => (await conntrack.upsertMany([other, { ...flow, mark: 8 }])).updated],
  ['count', () => conntrack.count()],
  ['stats', async () => (await conntrack.stats()).entries],
  ['expectation stats', async () => (await conntrack.expectations.stats()).entries],
  ['expectation count', () => conntrack.expectations.count()],
  ['dump', async () => (await conntrack.dump()).length],
  ['dumpBatches', () => batches()],
  ['dumpBatches that zero', () => batches(true)],
  ['get', async () => (await conntrack.get(tcp))?.mark],
  ['getSync', () => conntrack.getSync(tcp)?.mark],
  ['getMany', async () => (await conntrack.getMany([tcp, tcp])).length],
  // These go in several parts: the first is refused while the next is packed.
  ['getMany', async () => (await conntrack.getMany(new Array(9000).fill(tcp))).length],
  ['update', () => conntrack.update(tcp, { mark: 9 })],
  ['updateMany', async () => (await conntrack.updateMany([tcp, tcp], { mark: 9 })).updated],
  // A change that can be refused for one flow alone.
  ['updateMany, timeout', async () => (await conntrack.updateMany([tcp], { timeout: 60 })).updated],
  ['updateWhere', () => conntrack.updateWhere({ protocol: 'tcp' }, { mark: 10 })],
  ['delete', () => conntrack.delete(tcp)],
  ['deleteMany', async () => (await conntrack.deleteMany([tcp])).absent],
  [
    'deleteMany of many',
    async () => (await conntrack.deleteMany(new Array(9000).fill(tcp))).absent,
  ],
  ['deleteWhere', () => conntrack.deleteWhere({ protocol: 'tcp' })],
  [
    'deleteWhere returning',
    async () => (await conntrack.deleteWhere({ mark: 1 }, { returning: true })).length,
  ],
  ['flush by filter', () => conntrack.flush({ mark: 1 })],
  ['flush by address', () => conntrack.flush({ src: '10.0.0.1' })],
  ['flush', () => conntrack.flush()],
  ['settings', async () => typeof (await conntrack.settings()).acct],
  // A different value: a setting that does not change is not written, and needs no privilege.
  [
    'configure',
    async () => {
      const acct = !(await conntrack.settings()).acct;
      return (await conntrack.configure({ acct })).acct === acct;
    },
  ],
];

export interface Outcome {
  operation: string;
  value?: unknown;
  error?: {
    name: string;
    code: string;
    operation: string;
    hint: string | undefined;
    message: string;
  };
}

for (const [operation, run] of operations) {
  const outcome: Outcome = { operation };
  try {
    outcome.value = await run();
  } catch (thrown) {
    const { name, code, operation: during, hint, message } = thrown as NetfilterError;
    outcome.error = { name, code, operation: during, hint, message };
  }
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
process.stdout.write(`${JSON.stringify({ operation: 'support', value: support() })}\n`);
